"""What all tests share: where real data lies, and settings that make a run repeatable."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# The same examples in every run, and no time limit for one: kernels compile at their first call.
settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("repeatable")

# The tensors here are small: a second thread costs more than it brings. What threads do to
# results is tested in processes that set their own number.
torch.set_num_threads(1)

# Tried: 2.13 and 2.15 can, 2.9 cannot.
OLDEST_THAT_COMPILES = (2, 13)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is marked as compiling a Graph where torch is too old to."""
    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if release >= OLDEST_THAT_COMPILES:
        return
    reason = f"torch {torch.__version__} cannot compile what takes a Graph; 2.13 can"
    for item in items:
        if "compiles" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets, `GRAPHKIT_DATA`; the test is skipped where there is none."""
    folder = os.environ.get("GRAPHKIT_DATA")
    if not folder:
        pytest.skip("needs real data: GRAPHKIT_DATA names no folder")
    root = Path(folder)
    if not root.is_dir():
        pytest.fail(f"GRAPHKIT_DATA names a folder that does not exist: {root}")
    return root
