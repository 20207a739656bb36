"""Pictures, as files. They are drawn without a screen and without pyplot's global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from graphkit._extras import require
from graphkit.convert.molecules import read_molecule
from graphkit.graph import Graph

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from graphkit.explain import Explanation

Array = np.ndarray[Any, Any]

_INK, _SOFT = "#24292f", "#8c959f"
_LINES = ("#0969da", "#bc4c00", "#1a7f37", "#8250df")
_RIGHT, _WRONG = "#1a7f37", "#cf222e"


class Roc(NamedTuple):
    """Scores of one run and what they should tell apart: 1 for a link, 0 for none."""

    truth: Array
    scores: Array

    @property
    def area(self) -> float:
        """Area under the curve: how often a 1 is scored above a 0."""
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(self.truth, self.scores))

    def rise(self, false: Array) -> Array:
        """Share of the 1s found when the shares `false` of the 0s are taken for 1s."""
        from sklearn.metrics import roc_curve

        shares, found, _ = roc_curve(self.truth, self.scores)
        return np.interp(false, shares, found)


def embedding(
    file: Path,
    features: Array,
    classes: Array,
    wrong: Array | None = None,
    *,
    title: str,
    subtitle: str,
) -> None:
    """Features in two dimensions by t-SNE, coloured by class.

    Args:
        file: Where the picture goes.
        features: ``[n, d]``.
        classes: ``[n]`` numbers from 0 to 9.
        wrong: ``[n]`` bool; these get a ring, as predicted wrongly.
        title, subtitle: Above the picture.
    """
    from matplotlib import colormaps
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    perplexity = min(30.0, (len(features) - 1) / 3)
    with threadpool_limits(1):  # it gains nothing by more, and loses much on a busy machine
        tsne = TSNE(2, init="pca", perplexity=perplexity, random_state=0)
        place = tsne.fit_transform(features)
    figure, axes = _sheet(7.5, 7.2, title, subtitle)
    _scatter(axes, place, classes)
    if wrong is not None:
        axes.scatter(
            *place[wrong].T,
            c=colormaps["tab10"](classes[wrong]),
            s=34,
            edgecolors=_INK,
            linewidths=1.1,
        )
        label = f"predicted wrongly ({int(wrong.sum())})"
        axes.scatter([], [], c="white", s=34, edgecolors=_INK, linewidths=1.1, label=label)
        axes.legend(loc="lower right", frameon=False, labelcolor=_INK)
    figure.savefig(file, dpi=150)


def points(file: Path, place: Array, classes: Array, *, title: str, subtitle: str) -> None:
    """Points in the plane, coloured by class.

    Args:
        file: Where the picture goes.
        place: ``[n, 2]``.
        classes: ``[n]`` numbers from 0 to 9.
        title, subtitle: Above the picture.
    """
    figure, axes = _sheet(7.5, 7.2, title, subtitle)
    _scatter(axes, place, classes)
    figure.savefig(file, dpi=150)


def _scatter(axes: Axes, place: Array, classes: Array) -> None:
    """Points by class, and each class's name in its middle."""
    from matplotlib import colormaps
    from matplotlib.patheffects import withStroke

    axes.scatter(*place.T, c=colormaps["tab10"](classes), s=14, linewidths=0, alpha=0.75)
    for label in np.unique(classes):
        x, y = np.median(place[classes == label], axis=0)
        outline = [withStroke(linewidth=4, foreground="white")]
        axes.text(
            x, y, str(label), size=20, weight="bold", color=colormaps["tab10"](int(label)),
            ha="center", va="center", path_effects=outline,
        )  # fmt: skip
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def roc(
    file: Path,
    runs: Sequence[Roc],
    *,
    baseline: Sequence[Roc],
    names: tuple[str, str],
    title: str,
    subtitle: str,
) -> None:
    """ROC curves of several runs, faint, and their mean, beside a baseline's mean.

    Args:
        file: Where the picture goes.
        runs, baseline: One curve for each seed.
        names: Of the model and of the baseline.
        title, subtitle: Above the picture.
    """
    figure, axes = _sheet(6.6, 6.8, title, subtitle)
    axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=1, linestyle=":", label="chance")
    for curves, name, colour, style in (
        (baseline, names[1], "#bc4c00", "--"),
        (runs, names[0], "#0969da", "-"),
    ):
        grid = np.linspace(0, 1, 401)
        rising = np.stack([curve.rise(grid) for curve in curves])
        area = np.mean([curve.area for curve in curves])
        for line in rising if style == "-" else ():
            axes.plot(grid, line, color=colour, linewidth=0.9, alpha=0.35)
        label = f"{name}, AUC {area:.3f}"
        axes.plot(grid, rising.mean(0), color=colour, linewidth=2.2, linestyle=style, label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("unlinked pairs taken for links", color=_INK)
    axes.set_ylabel("links found", color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False, labelcolor=_INK)
    figure.savefig(file, dpi=150)


def pixel_graphs(
    file: Path,
    graphs: Sequence[Graph],
    predicted: Array,
    *,
    columns: int = 8,
    title: str,
    subtitle: str,
) -> None:
    """Graphs of pixels with what a model takes them for: two rows right, one row wrong.

    Args:
        file: Where the picture goes.
        graphs: Each with `pos`, brightness as first feature of `x`, and its class `y`.
        predicted: ``[len(graphs)]`` classes.
        columns: Graphs in a row.
        title, subtitle: Above the picture.
    """
    truth = np.array([int(graph.y) for graph in graphs])
    right = np.flatnonzero(predicted == truth)[: 2 * columns]
    wrong = np.flatnonzero(predicted != truth)[:columns]
    shown: list[int | None] = [None] * (3 * columns)
    shown[: len(right)] = right.tolist()
    shown[2 * columns : 2 * columns + len(wrong)] = wrong.tolist()

    figure, cells = _sheet(1.42 * columns, 6.1, title, subtitle, rows=3, columns=columns)
    for cell, i in zip(cells.flat, shown, strict=True):
        cell.set_axis_off()
        if i is None:
            continue
        _draw_pixels(cell, graphs[i])
        if predicted[i] == truth[i]:
            cell.set_title(f"{predicted[i]}", color=_RIGHT, size=13, weight="bold")
        else:
            said = f"{predicted[i]}, is {truth[i]}"
            cell.set_title(said, color=_WRONG, size=13, weight="bold")
    figure.savefig(file, dpi=150)


def explanation(
    file: Path,
    explained: Explanation,
    *,
    target: Sequence[int] = (),
    classes: Array | None = None,
    count: int = 30,
    title: str,
    subtitle: str,
) -> None:
    """The edges that a prediction rests on, among the others between the same nodes.

    The more important an edge is, the wider and darker it is drawn; of the two directions of an
    undirected edge the more important one counts. Nodes stand at `pos`, where the graph has that,
    and are called as `node_names` says, else by their numbers.

    Args:
        file: Where the picture goes.
        explained: What to draw.
        target: Nodes that the prediction is about; these get a ring.
        classes: ``[num_nodes]`` numbers from 0 to 9 that colour the nodes.
        count: How many edges, of the most important, and those between their ends are drawn.
        title, subtitle: Above the picture.
    """
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    graph = explained.graph
    network = _important_part(explained, target, count)
    nodes = np.array(network.nodes, dtype=np.int64)
    place = _place(graph, network)
    edges = sorted(network.edges(data="weight"), key=lambda edge: edge[2])
    figure, axes = _sheet(7.5, 7.2, title, subtitle)
    if edges:
        lines = [np.stack([place[u], place[v]]) for u, v, _ in edges]
        weight = np.array([edge[2] for edge in edges]) / (edges[-1][2] or 1.0)
        axes.add_collection(LineCollection(lines, colors="#d0d7de", linewidths=0.8, zorder=1))
        widths = 0.5 + 4 * weight
        strong = LineCollection(lines, colors="#0969da", linewidths=widths, alpha=weight, zorder=2)
        axes.add_collection(strong)
    colours = np.full((len(nodes), 3), 0.92)
    if classes is not None:  # light, so that names can be read
        colours = 0.5 + 0.5 * colormaps["tab10"](np.asarray(classes)[nodes])[:, :3]
    names = graph.node_attrs.get("node_names", range(graph.num_nodes))
    for node, colour in zip(nodes.tolist(), colours, strict=True):
        ring = node in target
        axes.scatter(
            *place[node],
            color=[colour],
            s=420 if ring else 260,
            edgecolors=_INK if ring else _SOFT,
            linewidths=2.6 if ring else 0.8,
            zorder=3,
        )
        axes.text(*place[node], str(names[node]), size=8, color=_INK, ha="center", va="center")
    axes.set_axis_off()
    axes.margins(0.08)
    figure.savefig(file, dpi=150)


def _important_part(explained: Explanation, target: Sequence[int], count: int) -> nx.Graph:
    """The `target`, the ends of the most important edges, and all edges among them."""
    import networkx as nx

    source, destination = explained.graph.edge_index.tolist()
    network = nx.Graph()
    network.add_nodes_from(target)
    for edge in explained.top(count).edge_mask.nonzero().view(-1).tolist():
        network.add_nodes_from((source[edge], destination[edge]))
    strength = explained.edge_mask.detach().clamp(min=0).tolist()
    for u, v, weight in zip(source, destination, strength, strict=True):
        if u in network and v in network:
            before = network.get_edge_data(u, v, {"weight": 0.0})["weight"]
            network.add_edge(u, v, weight=max(weight, before))
    return network


def _place(graph: Graph, network: nx.Graph) -> dict[int, Array]:
    """Where nodes stand: at their `pos`, or as far from each other as the way is long."""
    import networkx as nx

    if graph.pos is not None and graph.pos.size(1) == 2:
        return {node: graph.pos[node].numpy() for node in network}
    if not network:
        return {}
    steps = dict(nx.all_pairs_shortest_path_length(network))
    apart = 1 + max(max(row.values()) for row in steps.values())
    distance = {u: {v: steps[u].get(v, apart) for v in network} for u in network}
    return nx.kamada_kawai_layout(network, dist=distance)


def _draw_pixels(axes: Axes, graph: Graph) -> None:
    from matplotlib.collections import LineCollection

    place, brightness = graph.pos.numpy(), graph.x[:, 0].numpy()
    source, destination = graph.edge_index.numpy()
    once = source < destination
    ends = np.stack([place[source[once]], place[destination[once]]], axis=1)
    lit = np.minimum(brightness[source[once]], brightness[destination[once]])
    axes.add_collection(LineCollection(list(ends), colors=_SOFT, linewidths=0.4, zorder=1))
    strong = LineCollection(list(ends), colors=_INK, linewidths=1.6 * lit, zorder=2)
    axes.add_collection(strong)
    axes.scatter(
        *place.T, c=brightness, cmap="Greys", vmin=-0.08, vmax=1, s=26, edgecolors=_SOFT,
        linewidths=0.4, zorder=3,
    )  # fmt: skip
    axes.set(xlim=(-0.6, 7.6), ylim=(7.6, -0.6), aspect="equal")


def images(file: Path, pictures: Tensor, *, columns: int = 10, side: int = 56) -> None:
    """Pictures side by side, row by row, pixel by pixel.

    Args:
        file: Where the picture goes, as PNG.
        pictures: ``[n, C, H, W]`` in [0, 1], of one or three channels; what lies outside is cut.
        columns: In a row.
        side: Pixels at least that a picture is wide, for which its own are repeated.
    """
    from PIL import Image

    if pictures.dim() != 4 or pictures.size(1) not in (1, 3) or len(pictures) == 0:
        raise ValueError(f"pictures: expected shape [n, 1 or 3, H, W], got {list(pictures.shape)}")
    times, gap = max(1, -(-side // pictures.size(3))), 2
    shown = pictures.detach().cpu().float().clamp(0, 1).mul(255).round().byte().numpy()
    shown = shown.repeat(times, axis=2).repeat(times, axis=3)
    count, channels, height, width = shown.shape
    rows = -(-count // columns)
    sheet = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, dtype=np.uint8
    )
    for k, picture in enumerate(shown):
        top = gap + k // columns * (height + gap)
        left = gap + k % columns * (width + gap)
        sheet[top : top + height, left : left + width] = picture.transpose(1, 2, 0)
    Image.fromarray(sheet.squeeze(2) if channels == 1 else sheet).save(file, format="PNG")


def molecules(
    file: Path, smiles: Sequence[str], captions: Sequence[str], *, columns: int = 4, side: int = 240
) -> None:
    """Molecules side by side, row by row, by rdkit.

    Args:
        file: Where the picture goes, as PNG, or as SVG if its name ends so.
        smiles: The molecules.
        captions: Below each.
        columns: In a row.
        side: Pixels that each is wide and high.
    """
    if len(smiles) == 0 or len(smiles) != len(captions):
        raise ValueError(
            f"captions: expected one for each of {len(smiles)} molecules, one at least, "
            f"got {len(captions)}"
        )
    draw = require("rdkit.Chem.Draw.rdMolDraw2D", extra="mol", what="drawing molecules")
    columns = min(columns, len(smiles))
    rows = -(-len(smiles) // columns)
    vectors = Path(file).suffix == ".svg"
    canvas = draw.MolDraw2DSVG if vectors else draw.MolDraw2DCairo
    sheet = canvas(columns * side, rows * side, side, side)
    sheet.DrawMolecules([read_molecule(one) for one in smiles], legends=list(captions))
    sheet.FinishDrawing()
    drawn = sheet.GetDrawingText()
    Path(file).write_bytes(drawn.encode() if vectors else drawn)


def networks(
    file: Path, graphs: Sequence[Graph], *, titles: Sequence[str], columns: int = 2
) -> None:
    """Networks side by side, each node the larger the more neighbours it has.

    Args:
        file: Where the picture goes.
        graphs: Undirected ones.
        titles: Above each.
        columns: In a row.
    """
    import networkx as nx
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    if len(graphs) == 0 or len(graphs) != len(titles):
        raise ValueError(
            f"titles: expected one for each of {len(graphs)} graphs, one at least, "
            f"got {len(titles)}"
        )
    columns = min(columns, len(graphs))
    rows = -(-len(graphs) // columns)
    figure = Figure(figsize=(4.2 * columns, 4.4 * rows), layout="constrained", facecolor="white")
    sheet = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in sheet:
        axes.set_axis_off()
    for axes, graph, title in zip(sheet, graphs, titles, strict=False):
        network = nx.Graph()
        network.add_nodes_from(range(graph.num_nodes))
        network.add_edges_from(graph.edge_index.t().tolist())
        network.remove_edges_from(list(nx.selfloop_edges(network)))
        stands = nx.spring_layout(network, seed=0, iterations=40)
        place = np.array([stands[node] for node in range(graph.num_nodes)]).reshape(-1, 2)
        ends = place[np.array(network.edges, dtype=np.int64).reshape(-1, 2)]
        axes.add_collection(LineCollection(list(ends), colors=_SOFT, linewidths=0.4, zorder=1))
        size = 4 + 4 * np.sqrt([network.degree[node] for node in range(graph.num_nodes)])
        axes.scatter(*place.T, s=size, c=_LINES[0], linewidths=0, zorder=2)
        axes.set_title(title, size=10.5, color=_INK)
        axes.set_aspect("equal")
    figure.savefig(file, dpi=150)


def curves(
    file: Path, lines: Mapping[str, Sequence[float]], *, title: str, subtitle: str, ylabel: str
) -> None:
    """One value of every epoch, for each of several names.

    Args:
        file: Where the picture goes.
        lines: Values by name, the first of epoch 1.
        title, subtitle: Above the picture.
        ylabel: What the values are.
    """
    figure, axes = _sheet(7.2, 4.2, title, subtitle)
    for (name, values), colour in zip(lines.items(), _LINES, strict=False):
        epochs = range(1, len(values) + 1)
        marker = "o" if len(values) == 1 else None  # a line of one point is none
        axes.plot(epochs, values, color=colour, linewidth=1.8, label=name, marker=marker)
    axes.set_xlabel("epoch", color=_INK)
    axes.set_ylabel(ylabel, color=_INK)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=_INK)
    figure.savefig(file, dpi=150)


def _sheet(
    width: float, height: float, title: str, subtitle: str, *, rows: int = 1, columns: int = 1
) -> tuple[Figure, Any]:
    """A figure with its headings, and its axes: one, or an array of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.72 / height))  # type: ignore[union-attr]
    left = 0.18 / width
    figure.text(left, 1 - 0.16 / height, title, size=15, weight="bold", color=_INK, va="top")
    figure.text(left, 1 - 0.47 / height, subtitle, size=10.5, color="#57606a", va="top")
    return figure, figure.subplots(rows, columns)
