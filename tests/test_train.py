"""fit: the loop, selection by validation, stopping."""

import math
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from graphkit.data import Samples
from graphkit.train import Epoch, Fit, Score, fit


def run(scores: Iterable[Score], **options) -> tuple[Fit, nn.Linear]:
    """Train one weight from 0 towards 1, with the validation scores given."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    given = iter(scores)
    batches = options.pop("batches", [torch.ones(1, 1)])

    def loss(batch: Tensor) -> Tensor:
        return (model(batch) - 1).square().mean()

    done = fit(model, optimizer, batches, loss, lambda: next(given), **options)
    return done, model


def test_the_best_state_is_kept():
    weights: list[float] = []
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scores = iter([0.1, 0.7, 0.3])

    def evaluate() -> float:
        weights.append(model.weight.item())
        return next(scores)

    done = fit(
        model,
        optimizer,
        [torch.ones(1, 1)],
        lambda batch: (model(batch) - 5).square().mean(),
        evaluate,
        epochs=3,
    )
    assert done.best.number == 2
    assert done.best.score == 0.7
    assert model.weight.item() == weights[1] == done.state["weight"].item()
    assert len(set(weights)) == 3
    optimizer.step()  # the state is a copy: training on does not change it
    assert done.state["weight"].item() == weights[1]


def test_ties_go_to_the_first_and_tuples_break_them():
    assert run([0.5, 0.5, 0.4], epochs=3)[0].best.number == 1
    assert run([(0.5, -2.0), (0.5, -1.0), (0.4, 0.0)], epochs=3)[0].best.number == 2


def test_history():
    seen: list[Epoch] = []
    done, _ = run([0.0, 0.1, 0.2], epochs=3, on_epoch=seen.append)
    assert done.history == seen
    assert [epoch.number for epoch in seen] == [1, 2, 3]
    assert [epoch.score for epoch in seen] == [0.0, 0.1, 0.2]
    assert seen[0].loss == 1
    assert seen[0].loss > seen[1].loss > seen[2].loss
    seconds = sorted(epoch.seconds for epoch in seen)
    assert 0 < done.seconds_per_epoch == seconds[1]


def test_patience():
    done, _ = run([0.1, 0.3, 0.2, 0.2, 0.9], epochs=5, patience=2)
    assert len(done.history) == 4
    assert done.best.number == 2


def test_modes():
    """Loss in training mode with gradients, evaluation in evaluation mode without."""
    model = nn.Dropout()
    weight = nn.Parameter(torch.ones(1))
    seen: list[tuple[bool, bool]] = []

    def loss(_: None) -> Tensor:
        seen.append((model.training, torch.is_grad_enabled()))
        return weight.sum()

    def evaluate() -> float:
        seen.append((model.training, torch.is_grad_enabled()))
        return 0.0

    fit(model, torch.optim.SGD([weight], lr=0.1), [None], loss, evaluate, epochs=2)
    assert seen == [(True, True), (False, False)] * 2


def test_all_batches_in_every_epoch_and_their_mean_loss():
    done, _ = run([0.0], epochs=1, batches=[torch.ones(1, 1), torch.ones(2, 1)])
    # (0 - 1)^2, and after one step of 0.1 * 2: (0.2 - 1)^2
    assert done.history[0].loss == pytest.approx((1 + 0.64) / 2)


def test_schedule():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    rates: list[float] = []
    fit(
        model,
        optimizer,
        [torch.zeros(1, 1)] * 2,
        lambda batch: model(batch).square().sum(),
        lambda: 0.0,
        epochs=3,
        schedule=schedule,
        on_epoch=lambda _: rates.append(optimizer.param_groups[0]["lr"]),
    )
    assert rates == [0.5, 0.25, 0.125]


def test_a_loss_that_is_no_number_ends_it_before_the_step():
    model = nn.Linear(1, 1)
    before = model.weight.item()
    with pytest.raises(FloatingPointError, match="loss is nan in epoch 1"):
        fit(
            model,
            torch.optim.SGD(model.parameters(), lr=1.0),
            [torch.full((1, 1), math.nan)],
            lambda batch: model(batch).sum(),
            lambda: 0.0,
            epochs=1,
        )
    assert model.weight.item() == before


def test_nothing_to_train_on():
    with pytest.raises(ValueError, match="batches: expected at least one"):
        run([0.0], epochs=1, batches=[])
    with pytest.raises(ValueError, match="epochs: expected at least 1, got 0"):
        run([], epochs=0)


@pytest.mark.parametrize("broken", [1, 3])
def test_a_run_that_was_broken_off_ends_where_one_without_a_break_does(broken: int, tmp_path: Path):
    scores = [0.1, 0.7, 0.3, 0.2, 0.6]
    file = tmp_path / "run.safetensors"

    def go(scores: list[float], epochs: int, checkpoint: Path | None) -> tuple[Fit, nn.Linear]:
        model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(model.weight)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
        given = iter(scores)
        batches = Samples(torch.linspace(0, 1, 8).view(8, 1), batch_size=3)

        def loss(batch: tuple[Tensor, ...]) -> Tensor:
            return (model(batch[0]) + torch.randn(()) - 1).square().mean()

        done = fit(
            model,
            optimizer,
            batches,
            loss,
            lambda: next(given),
            epochs=epochs,
            schedule=schedule,
            checkpoint=checkpoint,
            patience=4,
        )
        return done, model

    torch.manual_seed(0)
    whole, model = go(scores, 5, None)
    torch.manual_seed(0)
    go(scores[:broken], broken, file)
    torch.manual_seed(99)
    rest, again = go(scores[broken:], 5, file)
    assert torch.equal(model.weight, again.weight)
    assert rest.best.number == whole.best.number == 2
    assert [e.loss for e in rest.history] == [e.loss for e in whole.history]


def test_patience_counts_across_a_break(tmp_path: Path):
    file = tmp_path / "run.safetensors"
    run([0.9, 0.1, 0.1], epochs=3, checkpoint=file)
    done, _ = run([], epochs=9, patience=2, checkpoint=file)
    assert len(done.history) == 3


def test_without_a_score_the_last_epoch_counts():
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.9)  # which moves away

    def loss(batch: Tensor) -> Tensor:
        return (model(batch) - 1).square().mean()

    done = fit(model, optimizer, [torch.ones(1, 1)], loss, epochs=3)
    assert done.best.number == 3
    assert done.best.score == -done.history[-1].loss < -done.history[0].loss
    assert not model.training
