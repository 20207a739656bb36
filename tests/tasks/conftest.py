"""What the tests of tasks share: real data sets, and training a task on one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphkit.data import DataError, Dataset, load
from graphkit.nn import Predictor
from graphkit.tasks import Phases, Task
from graphkit.train import fit


@pytest.fixture(scope="session")
def real(data_root: Path) -> Callable[[str], Dataset]:
    """A data set of the folder by name; the test is skipped where it is absent."""

    def read(name: str) -> Dataset:
        try:
            return load(name, folder=data_root, download=False)
        except DataError as error:
            pytest.skip(str(error))

    return read


Train = Callable[..., tuple[nn.Module, Phases]]


@pytest.fixture(scope="session")
def train() -> Train:
    """Train an encoder under a task's own head and give back the selected model."""

    def run(
        task: Task,
        dataset: Dataset,
        encoder: Callable[[], nn.Module],
        channels: int,
        *,
        epochs: int,
        lr: float = 0.01,
        weight_decay: float = 1e-4,
        seed: int = 0,
        **settings: Any,
    ) -> tuple[nn.Module, Phases]:
        torch.manual_seed(seed)
        phases = task.phases(dataset, seed, **settings)
        model = Predictor(encoder(), task.head(channels))
        optimizer = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=weight_decay)

        def loss(batch: Any) -> Tensor:
            return task.loss(*phases.train.predict(model, batch))

        fit(
            model,
            optimizer,
            phases.train.batches,
            loss,
            lambda: task.rank(*task.evaluate(model, phases.val)),
            epochs=epochs,
            schedule=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
        )
        return model, phases

    return run
