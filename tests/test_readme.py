"""What the README shows runs as it stands there."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
import torch

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [dedent(block) for block in re.findall(r"^ *```python\n(.*?)^ *```", README, re.M | re.S)]


def block_with(text: str) -> str:
    (found,) = [block for block in BLOCKS if text in block]
    return found


def run(block: str) -> dict:
    names: dict = {}
    exec(compile(block, "README.md", "exec"), names)
    return names


def test_the_layer_computes_its_formula():
    layer = run(block_with("class GraphConvolution"))["GraphConvolution"](3, 2).double()
    edge_index = torch.tensor([[0, 1, 1, 2, 3, 3], [1, 0, 2, 1, 0, 2]])
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    a = torch.eye(5, dtype=torch.float64)
    a[edge_index[1], edge_index[0]] = 1
    scale = a.sum(dim=1).rsqrt()
    expected = (scale[:, None] * a * scale) @ layer.theta(x)

    torch.testing.assert_close(layer(x, edge_index), expected)


def test_the_pyg_script_learns():
    torch.manual_seed(0)
    accuracy = run(block_with("KarateClub"))["accuracy"]
    assert accuracy > 0.6  # four groups, one labelled member of each


def test_the_error_says_what_is_wrong(capsys: pytest.CaptureFixture[str]):
    run(block_with("except ValueError"))
    said = capsys.readouterr().out
    assert "edge_index" in said
    assert "5" in said


def test_every_block_is_run_here():
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("target", re.findall(r"^make ([a-z-]+)", README, re.M))
def test_make_targets_exist(target: str):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)]+)\)", README))
def test_links_lead_somewhere(link: str):
    assert (ROOT / link).exists()
