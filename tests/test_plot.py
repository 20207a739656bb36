"""Pictures: that they show what they should."""

import networkx as nx
import numpy as np
import pytest
import torch

from graphkit import plot
from graphkit.explain import Explanation
from graphkit.graph import Graph

# A square 0-1-2-3 in both directions with a tail 3-4; the way 0-1-2 is important.
EDGES = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 0, 3, 4], [1, 0, 2, 1, 3, 2, 0, 3, 4, 3]])
MASK = torch.tensor([0.9, 0.1, 0.8, 0.7, 0.2, 0.2, 0.1, 0.1, -0.5, 0.0])


def drawn(monkeypatch, tmp_path, graph, **options):
    """The picture's file, and its axes."""
    sheets = []
    sheet = plot._sheet
    monkeypatch.setattr(plot, "_sheet", lambda *args: sheets.append(sheet(*args)) or sheets[-1])
    file = tmp_path / "explanation.png"
    mask = MASK[: graph.num_edges]
    plot.explanation(file, Explanation(graph, mask), title="Why?", subtitle="so", **options)
    assert file.read_bytes().startswith(b"\x89PNG")
    return sheets[0][1]


def names(axes):
    return [text.get_text() for text in axes.texts]


def test_the_important_edges_and_those_between_their_ends(monkeypatch, tmp_path):
    graph = Graph(EDGES, 5, node_attrs={"node_names": list("abcde")})
    axes = drawn(monkeypatch, tmp_path, graph, count=3, target=[3])
    assert sorted(names(axes)) == ["a", "b", "c", "d"]  # the tail is left out
    faint, strong = axes.collections[:2]
    assert len(faint.get_paths()) == len(strong.get_paths()) == 4  # both directions are one line
    widths = np.sort(strong.get_linewidths())
    assert widths == pytest.approx(0.5 + 4 * np.array([0.1, 0.2, 0.8, 0.9]) / 0.9)


def test_nodes_stand_where_the_graph_says(monkeypatch, tmp_path):
    pos = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1], [5, 5]])
    axes = drawn(monkeypatch, tmp_path, Graph(EDGES, 5, pos=pos), count=1)
    assert [text.get_position() for text in axes.texts] == [(0, 0), (1, 0)]


def test_classes_and_targets(monkeypatch, tmp_path):
    classes = np.array([0, 1, 0, 1, 0])
    axes = drawn(monkeypatch, tmp_path, Graph(EDGES, 5), count=3, target=[1], classes=classes)
    circles = dict(zip(names(axes), axes.collections[2:], strict=True))
    assert circles["1"].get_sizes() > circles["0"].get_sizes()
    assert np.array_equal(circles["0"].get_facecolors(), circles["2"].get_facecolors())
    assert not np.array_equal(circles["0"].get_facecolors(), circles["1"].get_facecolors())


@pytest.mark.parametrize("target", [[], [1]])
def test_nothing_important(monkeypatch, tmp_path, target):
    graph = Graph(torch.empty(2, 0, dtype=torch.int64), 3)
    assert names(drawn(monkeypatch, tmp_path, graph, target=target)) == [str(n) for n in target]


def test_names_of_other_graphs(monkeypatch, tmp_path):
    from graphkit.convert import from_networkx

    graph = from_networkx(nx.cycle_graph(["x", "y", "z"]))
    assert sorted(names(drawn(monkeypatch, tmp_path, graph))) == ["x", "y", "z"]


def test_pictures_side_by_side(tmp_path):
    from PIL import Image

    pictures = torch.zeros(3, 1, 2, 2)
    pictures[1] = 1
    pictures[2, 0, 0, 1] = 0.5
    plot.images(tmp_path / "grid", pictures, columns=2, side=4)
    found = np.asarray(Image.open(tmp_path / "grid"))
    assert found.shape == (14, 14)  # two of 4 pixels a side, and gaps of 2
    assert (found[2:6, 2:6] == 0).all()
    assert (found[2:6, 8:12] == 255).all()
    assert found[8:12, 2:6].tolist() == [[0, 0, 128, 128]] * 2 + [[0, 0, 0, 0]] * 2
    assert (found[8:12, 8:12] == 255).all()  # none
    plot.images(tmp_path / "colour", torch.tensor([2.0, -1.0, 0.2]).view(1, 3, 1, 1), side=1)
    assert np.asarray(Image.open(tmp_path / "colour"))[2, 2].tolist() == [255, 0, 51]
    with pytest.raises(ValueError, match=r"pictures: expected shape \[n, 1 or 3, H, W\], got \[2"):
        plot.images(tmp_path / "no", torch.zeros(2, 2, 4, 4))
    assert not (tmp_path / "no").exists()


def test_curves_have_a_point_for_every_epoch(monkeypatch, tmp_path):
    sheets = []
    sheet = plot._sheet
    monkeypatch.setattr(plot, "_sheet", lambda *args: sheets.append(sheet(*args)) or sheets[-1])
    lines = {"one": [3.0, 2.0, 1.0], "other": [1.0, 1.5, 2.5]}
    plot.curves(tmp_path / "loss.png", lines, title="Loss", subtitle="of two", ylabel="loss")
    drawn = sheets[0][1].lines
    assert [line.get_label() for line in drawn] == ["one", "other"]
    assert [list(line.get_xdata()) for line in drawn] == [[1, 2, 3]] * 2
    assert list(drawn[1].get_ydata()) == lines["other"]
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_networks(tmp_path):
    graphs = [Graph(EDGES, 5), Graph(torch.empty(2, 0, dtype=torch.int64), 3)]
    plot.networks(tmp_path / "two.png", graphs, titles=["a square", "none"])
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="titles: expected one for each of 2 graphs"):
        plot.networks(tmp_path / "no.png", graphs, titles=["one"])
    assert not (tmp_path / "no.png").exists()
