"""Completion of knowledge graphs: ranks against a double loop, losses by hand, what is learnt."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graphkit.data import DataError, Dataset, TripleSplit, load, load_triples, triples_of
from graphkit.metrics import ranking_quality
from graphkit.nn import ComplEx, DistMult, RGCNDistMult, RotatE, TransE
from graphkit.tasks import Answers, KnowledgeTask, Phases
from graphkit.train import fit

PEOPLE = 12


def town(folder: Path) -> Dataset:
    """A ring of people: everybody knows the next one, and is known by the one before."""
    lines = []
    for i in range(PEOPLE):
        a, b, c = (f"p{(i + k) % PEOPLE:02}" for k in range(3))
        lines += [f"{a}\tnext\t{b}", f"{b}\tprevious\t{a}", f"{a}\tsecond\t{c}"]
    parts = {"valid": lines[1:8:6], "test": lines[10::9]}
    held = [line for part in parts.values() for line in part]
    parts["train"] = [line for line in lines if line not in held]
    for name, part in parts.items():
        (folder / f"{name}.txt").write_text("\n".join(part) + "\n")
    return load_triples(folder, name="town")


def trained(
    task: KnowledgeTask, dataset: Dataset, model: Any, epochs: int, lr: float = 0.1
) -> Phases:
    torch.manual_seed(0)
    phases = task.phases(dataset, 0, batch_size=8)
    model.reset_parameters()
    fit(
        model,
        torch.optim.Adam(model.parameters(), lr=lr),
        phases.train.batches,
        lambda batch: task.loss(*phases.train.predict(model, batch)),
        lambda: task.rank(*task.evaluate(model, phases.val)),
        epochs=epochs,
    )
    return phases


def by_hand(model: Any, dataset: Dataset, part: str) -> list[float]:
    """Filtered ranks by a loop over triples and entities."""
    split = triples_of(dataset)
    parts = [split.train, split.val] + ([split.test] if part == "test" else [])
    right = {tuple(triple) for each in parts for triple in each.T.tolist()}
    graph = dataset.graph

    def score(h: int, r: int, t: int) -> float:
        rows = (torch.tensor([i]) for i in (h, r, t))
        return model.score(*rows, model.encode(graph)).item()

    ranks: dict[str, list[float]] = {"tail": [], "head": []}
    for h, r, t in split.parts[part].T.tolist():
        own = score(h, r, t)
        for side, entity in (("tail", t), ("head", h)):
            above = beside = 0
            for other in range(split.num_entities):
                rival = (h, r, other) if side == "tail" else (other, r, t)
                if other != entity and rival not in right:
                    above += score(*rival) > own
                    beside += score(*rival) == own
            ranks[side].append(1 + above + beside / 2)
    return ranks["tail"] + ranks["head"]


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("kind", [ComplEx, DistMult, TransE, RGCNDistMult])
def test_ranks_are_those_of_a_double_loop(kind: Any, part: str, tmp_path: Path) -> None:
    dataset = town(tmp_path)
    split = triples_of(dataset)
    torch.manual_seed(0)
    model = kind(split.num_entities, split.num_relations, 3).double().eval()
    with torch.no_grad():
        model.node_emb.weight[3:6] = model.node_emb.weight[3]  # ties
        task = KnowledgeTask()
        phase = getattr(task.phases(dataset, 0, batch_size=5), part)
        ranks = task.ranks(model, phase)
        expected = by_hand(model, dataset, part)
    assert ranks.tolist() == expected
    mrr = sum(1 / rank for rank in expected) / len(expected)
    score, loss = task.evaluate(model, phase)
    assert score == pytest.approx(mrr)
    assert loss == pytest.approx(sum(math.log(rank) for rank in expected) / len(expected))


def test_a_model_that_knows_nothing_gains_nothing(tmp_path: Path) -> None:
    dataset = town(tmp_path)
    split = triples_of(dataset)
    model = DistMult(split.num_entities, split.num_relations, 2)
    torch.nn.init.zeros_(model.node_emb.weight)
    task = KnowledgeTask()
    ranks = task.ranks(model, task.phases(dataset, 0).test)
    assert (ranks > PEOPLE / 2 - 1).all()


def test_validation_does_not_know_the_test(tmp_path: Path) -> None:
    """A better answer that only the test knows of is a rival in validation."""
    files = {"train": "a r b\na s c", "valid": "a r c", "test": "a r d"}
    for name, text in files.items():
        (tmp_path / f"{name}.txt").write_text(text.replace(" ", "\t"))
    dataset = load_triples(tmp_path, name="small")

    class Fixed(DistMult):
        def compare_all(self, query: Tensor, entities: Tensor) -> Tensor:
            return torch.tensor([0.0, 3.0, 1.0, 2.0]).expand(len(query), 4)  # b, d, c, a

    model = Fixed(4, 2, 2)
    task = KnowledgeTask()
    phases = task.phases(dataset, 0)
    assert task.ranks(model, phases.val).tolist() == [2, 4]  # d comes before c; b is known
    assert task.ranks(model, phases.test).tolist() == [1, 4]  # and so is c


@pytest.mark.parametrize(
    ("training", "options"),
    [
        ("1-vs-all", {}),
        ("k-vs-all", {}),
        ("negatives", {"negatives": 8, "margin": 3.0}),
        ("negatives", {"negatives": 8, "margin": 3.0, "temperature": 1.0}),
    ],
)
def test_what_is_missing_is_found(training: str, options: dict[str, Any], tmp_path: Path) -> None:
    dataset = town(tmp_path)
    split = triples_of(dataset)
    sizes = split.num_entities, split.num_relations, 8
    model = RotatE(*sizes, margin=0.0) if training == "negatives" else ComplEx(*sizes)
    task = KnowledgeTask(training, **options)
    phases = trained(task, dataset, model, 60, lr=0.05)
    quality = ranking_quality(task.ranks(model, phases.test))
    assert quality["mrr"] > 0.6, quality  # by chance about 0.3


def test_the_encoder_learns_too(tmp_path: Path) -> None:
    dataset = town(tmp_path)
    split = triples_of(dataset)
    model = RGCNDistMult(split.num_entities, split.num_relations, 16, num_layers=1)
    task = KnowledgeTask()
    phases = trained(task, dataset, model, 40, lr=0.02)
    before = RGCNDistMult(split.num_entities, split.num_relations, 16, num_layers=1)
    assert task.evaluate(model, phases.val)[0] > 0.3
    assert task.evaluate(before, phases.val)[0] < task.evaluate(model, phases.val)[0]


# --- losses --------------------------------------------------------------------------------------


def test_cross_entropy_by_hand() -> None:
    scores = torch.tensor([[0.0, math.log(3.0)], [math.log(4.0), 0.0]], requires_grad=True)
    answers = torch.tensor([[0, 0, 1], [0, 1, 1]])  # two of the first question, one of the second
    lost = [math.log(4), math.log(4 / 3), math.log(5)]
    each = KnowledgeTask("1-vs-all").loss(scores, answers)
    assert each.item() == pytest.approx(sum(lost) / 3)
    question = KnowledgeTask("k-vs-all").loss(scores, answers)
    assert question.item() == pytest.approx(((lost[0] + lost[1]) / 2 + lost[2]) / 2)


def test_one_answer_each_is_cross_entropy() -> None:
    scores, target = torch.randn(5, 9), torch.randint(9, (5,))
    expected = torch.nn.functional.cross_entropy(scores, target)
    for training in ("1-vs-all", "k-vs-all"):
        found = KnowledgeTask(training).loss(scores, torch.stack([torch.arange(5), target]))
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logistic_loss_by_hand(temperature: float) -> None:
    def log_sigmoid(x: float) -> float:
        return -math.log1p(math.exp(-x))

    scores = torch.tensor([[-1.0, -2.0, -5.0]], dtype=torch.double, requires_grad=True)
    task = KnowledgeTask("negatives", margin=3.0, temperature=temperature)
    loss = task.loss(scores, torch.empty(0))
    weight = [math.exp(temperature * s) for s in (1.0, -2.0)]  # of the scores with the margin
    weight = [w / sum(weight) for w in weight]
    against = sum(w * log_sigmoid(-s) for w, s in zip(weight, (1.0, -2.0), strict=True))
    assert loss.item() == pytest.approx(-(log_sigmoid(2.0) + against) / 2)
    # No gradient passes through the weights: d/ds of -p log sigma(-s) / 2 is p sigma(s) / 2.
    loss.backward()
    assert scores.grad is not None
    hard = weight[0] / (1 + math.exp(-1.0)) / 2
    assert scores.grad[0, 1].item() == pytest.approx(hard)


@pytest.mark.parametrize("training", ["1-vs-all", "k-vs-all", "negatives"])
def test_gradients_of_the_loss(training: str) -> None:
    scores = torch.randn(3, 5, dtype=torch.double, requires_grad=True)
    answers = torch.tensor([[0, 0, 1, 2], [1, 4, 0, 3]])
    task = KnowledgeTask(training, margin=1.0)
    assert torch.autograd.gradcheck(lambda s: task.loss(s, answers), scores)


# --- batches -------------------------------------------------------------------------------------


def test_an_epoch_asks_everything_once(tmp_path: Path) -> None:
    dataset = town(tmp_path)
    split = triples_of(dataset)
    wanted = sorted(
        question
        for h, r, t in split.train.T.tolist()
        for question in ((h, r, t), (t, r + split.num_relations, h))
    )
    for training in ("1-vs-all", "k-vs-all", "negatives"):
        task = KnowledgeTask(training, negatives=2)
        found, orders = [], []
        phases = task.phases(dataset, 0, batch_size=7)
        for epoch in range(2):
            for batch in phases.train.batches:
                if training == "negatives":
                    assert batch.answer.shape == (len(batch.entity), 3)
                    row, answer = torch.arange(len(batch.entity)), batch.answer[:, 0]
                else:
                    row, answer = batch.answer
                asked = torch.stack([batch.entity[row], batch.asked[row], answer])
                said = split.train[:, batch.triples].T.tolist()
                for (entity, r, end), (h, rel, t) in zip(asked.T.tolist(), said, strict=True):
                    right = (h, rel, t) if r == rel else (t, rel + split.num_relations, h)
                    assert (entity, r, end) == right
                if epoch == 0:
                    found += [tuple(each) for each in asked.T.tolist()]
                orders.append(batch.entity.tolist())
        assert sorted(found) == wanted
        assert orders[: len(orders) // 2] != orders[len(orders) // 2 :]


def test_what_is_asked_for_is_not_in_the_graph(tmp_path: Path) -> None:
    dataset = town(tmp_path)
    split = triples_of(dataset)
    model = RGCNDistMult(split.num_entities, split.num_relations, 4)
    seen: list[Any] = []
    encode = model.encode
    model.encode = lambda graph=None: seen.append(graph) or encode(graph)  # type: ignore
    task = KnowledgeTask()
    phases = task.phases(dataset, 0, batch_size=3)
    for batch in phases.train.batches:
        phases.train.predict(model, batch)
        asked = {tuple(each) for each in split.train[:, batch.triples].T.tolist()}
        graph = seen[-1]
        (h, t), r = graph.edge_index, graph.edge_type
        passed = {tuple(each) for each in torch.stack([h, r, t]).T.tolist()}
        assert not asked & passed
        assert len(asked | passed) == split.train.size(1)
    task.ranks(model, phases.val)
    assert seen[-1].num_edges == split.train.size(1)


def test_answers_of_questions_that_nobody_asked() -> None:
    answers = Answers(torch.tensor([[0, 0, 1], [0, 0, 1], [1, 2, 2]]), 2)
    pairs, triple = answers.find(torch.tensor([0, 1, 2, 2, 5]), torch.tensor([0, 0, 3, 2, 1]))
    assert pairs.tolist() == [[0, 0, 2, 3], [1, 2, 1, 0]]
    assert triple.tolist() == [0, 1, 2, 1]
    assert answers.questions.size(1) == 5


def test_a_part_of_validation_is_the_same_for_all_seeds(tmp_path: Path) -> None:
    dataset = town(tmp_path)
    phases = [KnowledgeTask(validated=1).phases(dataset, seed) for seed in (0, 1)]
    one, two = (next(iter(each.val.batches)) for each in phases)
    assert len(one.entity) == 2  # both sides of one triple
    assert torch.equal(one.entity, two.entity)
    assert len(next(iter(phases[0].test.batches)).entity) == 2 * triples_of(dataset).test.size(1)


# --- what cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: KnowledgeTask("all"), "training: expected one of 1-vs-all, .* got 'all'"),
        (lambda: KnowledgeTask(negatives=0), "negatives: expected at least 1, got 0"),
        (lambda: KnowledgeTask(temperature=-1), "temperature: expected at least 0, got -1"),
        (lambda: KnowledgeTask(validated=0), "validated: expected at least 1 triple, got 0"),
    ],
)
def test_settings_that_cannot_be(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_another_data_set_is_none() -> None:
    with pytest.raises(DataError, match=r"dataset: expected a knowledge graph, .* got karate"):
        KnowledgeTask.of(load("karate"))


def test_a_split_says_what_is_wrong_with_it() -> None:
    train = torch.tensor([[0, 1], [0, 1], [1, 2]])
    val, test = torch.tensor([[2], [0], [1]]), torch.tensor([[2], [1], [0]])

    def split(**parts: Tensor) -> TripleSplit:
        found = {"train": train, "val": val, "test": test} | parts
        return TripleSplit(**found, num_entities=3, num_relations=2)

    assert split().parts["val"] is val
    for parts, text in (
        ({"val": val[:, :0]}, "val: expected at least one triple, got none"),
        ({"val": val + 1}, "val: expected heads of 0 to 2, got 3"),
        ({"test": test - 1}, "test: expected tails of 0 to 2, got -1"),
        ({"test": torch.tensor([[0], [2], [1]])}, "test: expected relations of 0 to 1, got 2"),
        ({"train": train[:, :1]}, "train: expected a triple of every relation that test asks"),
        (
            {"test": train[:, 1:]},
            r"test: expected triples that are not in train, got 1 .*1, 1, 2",
        ),
        ({"test": val}, "train: expected|test: expected triples that are not in val"),
        ({"val": val.float()}, r"val: expected int64 triples \[3, n\], got torch.float32"),
        ({"val": val[:2]}, r"val: expected int64 triples \[3, n\], got torch.int64 \(2, 1\)"),
    ):
        with pytest.raises(ValueError, match=text):
            split(**parts)
