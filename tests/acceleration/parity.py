"""The table of PyTorch Geometric's layers that are held against themselves, accelerated.

``python -m tests.acceleration.parity`` compares everything and writes the table of the
documentation, ``docs/accelerate_status.csv``.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric import nn as pyg

from graphkit import accelerate

STATUS = Path(__file__).parents[2] / "docs" / "accelerate_status.csv"
COLUMNS = ("layer", "options", "float32", "float64", "path")
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
F, EDGE, NODES = 6, 3, 12
KINDS = ("mixed", "no edges")


@dataclass
class Given:
    """What layers are called with. The graph has isolated nodes, loops and duplicated edges."""

    x: Tensor
    x_dst: Tensor
    x_0: Tensor
    pos: Tensor
    normal: Tensor
    weight: Tensor
    attr: Tensor
    wide: Tensor
    edge_index: Tensor = field(metadata={"integer": True})
    edge_type: Tensor = field(metadata={"integer": True})
    node_type: Tensor = field(metadata={"integer": True})
    across: Tensor = field(metadata={"integer": True})  # from NODES + 3 sources to NODES nodes

    @classmethod
    def of(cls, kind: str, dtype: torch.dtype) -> "Given":
        random = torch.Generator().manual_seed(5)
        edges = torch.randint(NODES - 3, (2, 40), generator=random)
        edges = torch.cat([edges, edges[:, :5], torch.tensor([[0, 4], [0, 4]])], dim=1)
        edges = edges[:, :0] if kind == "no edges" else edges
        count = edges.size(1)

        def rand(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=random, dtype=torch.float64).to(dtype)

        across = torch.stack([edges[0] + 5, edges[1]])
        return cls(
            x=rand(NODES, F),
            x_dst=rand(NODES, F),
            x_0=rand(NODES + 3, F),
            pos=rand(NODES, 3),
            normal=nn.functional.normalize(rand(NODES, 3), dim=-1),
            weight=rand(count).abs() + 0.1,
            attr=rand(count, EDGE),
            wide=rand(count, F),
            edge_index=edges,
            edge_type=edges.sum(0) % 3,
            node_type=torch.arange(NODES) % 2,
            across=across,
        )

    def leaves(self) -> tuple["Given", dict[str, Tensor]]:
        """The same with new leaves for gradients, and these."""
        own = {
            f.name: getattr(self, f.name).clone().requires_grad_()
            for f in fields(self)
            if "integer" not in f.metadata
        }
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in own}
        return Given(**own, **rest), own


def plainly(layer: Any, g: Given) -> Any:
    return layer(g.x, g.edge_index)


def weighted(layer: Any, g: Given) -> Any:
    return layer(g.x, g.edge_index, g.weight)


def attributed(layer: Any, g: Given) -> Any:
    return layer(g.x, g.edge_index, g.attr)


def widely(layer: Any, g: Given) -> Any:
    return layer(g.x, g.edge_index, g.wide)


def typed(layer: Any, g: Given) -> Any:
    return layer(g.x, g.edge_index, g.edge_type)


def across(layer: Any, g: Given) -> Any:
    return layer((g.x_0, g.x_dst), g.across)


def across_to_none(layer: Any, g: Given) -> Any:
    return layer((g.x_0, None), g.across, size=(NODES + 3, NODES))


def from_start(layer: Any, g: Given) -> Any:
    return layer(g.x, g.x_dst, g.edge_index)


def at_places(layer: Any, g: Given) -> Any:
    return layer(g.x, g.pos, g.edge_index)


def hetero(layer: Any, g: Given) -> Any:
    sides = {"a": g.x, "b": g.x_0}
    back = g.across.flip(0)
    return layer(sides, {("a", "to", "b"): back, ("b", "to", "a"): g.across})


METADATA = (["a", "b"], [("a", "to", "b"), ("b", "to", "a")])


@dataclass(frozen=True)
class Row:
    layer: str
    options: str
    make: Callable[[], nn.Module]
    call: Callable[[Any, Given], Any] = plainly
    kinds: tuple[str, ...] = KINDS

    @property
    def id(self) -> str:
        return f"{self.layer}({self.options})"


def mlp(first: int, last: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(first, 8), nn.Tanh(), nn.Linear(8, last))


HISTOGRAM = torch.tensor([0, 1, 2, 4, 4, 2, 1])
BACK = {"flow": "target_to_source"}


def pna(aggr: list[str], scalers: list[str], **kwargs: Any) -> nn.Module:
    return pyg.PNAConv(F, 4, aggr, scalers, HISTOGRAM, **kwargs)


MIXED = ("mixed",)  # without edges PyTorch Geometric itself fails
ROWS = [
    Row("AGNNConv", "", lambda: pyg.AGNNConv()),
    Row("AGNNConv", "add_self_loops=False", lambda: pyg.AGNNConv(add_self_loops=False)),
    Row("AntiSymmetricConv", "GCNConv inside", lambda: pyg.AntiSymmetricConv(F)),
    Row("APPNP", "", lambda: pyg.APPNP(4, 0.2)),
    Row("APPNP", "edge_weight", lambda: pyg.APPNP(4, 0.2), weighted),
    Row("ARMAConv", "stacks, layers", lambda: pyg.ARMAConv(F, 4, 2, 3, act=torch.tanh)),
    Row("ARMAConv", "edge_weight", lambda: pyg.ARMAConv(F, 4, act=torch.tanh), weighted),
    Row("CGConv", "", lambda: pyg.CGConv(F)),
    Row("CGConv", "edge_attr", lambda: pyg.CGConv(F, EDGE), attributed),
    Row("ChebConv", "K=3", lambda: pyg.ChebConv(F, 4, 3)),
    Row("ChebConv", "edge_weight", lambda: pyg.ChebConv(F, 4, 3), weighted),
    Row("ClusterGCNConv", "", lambda: pyg.ClusterGCNConv(F, 4)),
    Row("ClusterGCNConv", "diag_lambda", lambda: pyg.ClusterGCNConv(F, 4, 1.0)),
    Row("DirGNNConv", "SAGEConv inside", lambda: pyg.DirGNNConv(pyg.SAGEConv(F, 4))),
    Row("DNAConv", "", lambda: pyg.DNAConv(F), lambda m, g: m(g.x.view(NODES, 1, F), g.edge_index)),
    Row("EdgeConv", "aggr=max", lambda: pyg.EdgeConv(mlp(2 * F, 4))),
    Row("EdgeConv", "aggr=mean", lambda: pyg.EdgeConv(mlp(2 * F, 4), "mean")),
    Row("EGConv", "", lambda: pyg.EGConv(F, 4, num_heads=2)),
    Row("EGConv", "aggregators", lambda: pyg.EGConv(F, 4, ["sum", "mean", "max"], num_heads=2)),
    Row("FAConv", "", lambda: pyg.FAConv(F, dropout=0.0), from_start),
    Row(
        "FAConv",
        "return_attention_weights",
        lambda: pyg.FAConv(F),
        lambda m, g: attention(m(g.x, g.x_dst, g.edge_index, return_attention_weights=True)),
    ),
    Row("FastRGCNConv", "", lambda: pyg.FastRGCNConv(F, 4, 3), typed),
    Row("FeaStConv", "heads=2", lambda: pyg.FeaStConv(F, 4, heads=2)),
    Row("FiLMConv", "", lambda: pyg.FiLMConv(F, 4, act=nn.Tanh())),
    Row("FiLMConv", "num_relations", lambda: pyg.FiLMConv(F, 4, 3, act=nn.Tanh()), typed),
    Row("GATConv", "heads=3", lambda: pyg.GATConv(F, 4, heads=3)),
    Row("GATConv", "heads=3, concat=False", lambda: pyg.GATConv(F, 4, 3, concat=False)),
    Row("GATConv", "bipartite", lambda: pyg.GATConv((F, F), 4, 2), across),
    Row("GATConv", "edge_attr", lambda: pyg.GATConv(F, 4, 2, edge_dim=EDGE), attributed),
    Row("GATConv", "flow reversed", lambda: pyg.GATConv(F, 4, 2, **BACK)),
    Row(
        "GATConv",
        "return_attention_weights",
        lambda: pyg.GATConv(F, 4, 2),
        lambda m, g: attention(m(g.x, g.edge_index, return_attention_weights=True)),
    ),
    Row(
        "GATConv",
        "return_attention_weights by position",
        lambda: pyg.GATConv(F, 4, 2),
        lambda m, g: attention(m(g.x, g.edge_index, None, None, True)),
    ),
    Row("GATv2Conv", "heads=3", lambda: pyg.GATv2Conv(F, 4, heads=3)),
    Row("GATv2Conv", "share_weights", lambda: pyg.GATv2Conv(F, 4, 2, share_weights=True)),
    Row("GATv2Conv", "bipartite", lambda: pyg.GATv2Conv((F, F), 4, 2), across),
    Row("GATv2Conv", "edge_attr", lambda: pyg.GATv2Conv(F, 4, 2, edge_dim=EDGE), attributed),
    Row("GatedGraphConv", "", lambda: pyg.GatedGraphConv(F, 2)),
    Row("GatedGraphConv", "edge_weight", lambda: pyg.GatedGraphConv(F, 2), weighted),
    Row("GCN2Conv", "", lambda: pyg.GCN2Conv(F, 0.1, 0.5, 3), from_start),
    Row("GCNConv", "", lambda: pyg.GCNConv(F, 4)),
    Row("GCNConv", "edge_weight", lambda: pyg.GCNConv(F, 4), weighted),
    Row("GCNConv", "edge_weight, improved", lambda: pyg.GCNConv(F, 4, improved=True), weighted),
    Row("GCNConv", "cached", lambda: pyg.GCNConv(F, 4, cached=True)),
    Row("GCNConv", "normalize=False", lambda: pyg.GCNConv(F, 4, normalize=False), weighted),
    Row("GCNConv", "aggr=max", lambda: pyg.GCNConv(F, 4, aggr="max")),
    Row("GCNConv", "flow reversed", lambda: pyg.GCNConv(F, 4, **BACK)),
    Row("GeneralConv", "", lambda: pyg.GeneralConv(F, 4)),
    Row("GeneralConv", "attention", lambda: pyg.GeneralConv(F, 4, attention=True, heads=2)),
    Row("GENConv", "aggr=softmax", lambda: pyg.GENConv(F, 4)),
    Row("GENConv", "edge_attr", lambda: pyg.GENConv(F, 4, edge_dim=EDGE), attributed),
    Row("GINConv", "", lambda: pyg.GINConv(mlp(F, 4))),
    Row("GINConv", "train_eps, bipartite", lambda: pyg.GINConv(mlp(F, 4), 0.3, True), across),
    Row("GINEConv", "", lambda: pyg.GINEConv(mlp(F, 4)), widely),
    Row("GINEConv", "edge_dim", lambda: pyg.GINEConv(mlp(F, 4), edge_dim=EDGE), attributed),
    Row("GMMConv", "", lambda: pyg.GMMConv(F, 4, EDGE, 2), attributed),
    Row("GPSConv", "GINEConv inside",
        lambda: pyg.GPSConv(F, pyg.GINEConv(mlp(F, F)), 2, act="tanh"),
        lambda m, g: m(g.x, g.edge_index, edge_attr=g.wide)),
    Row("GraphConv", "", lambda: pyg.GraphConv(F, 4)),
    Row("GraphConv", "edge_weight, aggr=max", lambda: pyg.GraphConv(F, 4, "max"), weighted),
    Row("GraphConv", "bipartite", lambda: pyg.GraphConv((F, F), 4), across),
    Row("HANConv", "heads=2", lambda: pyg.HANConv(F, 4, METADATA, heads=2), hetero, MIXED),
    Row(
        "HEATConv",
        "",
        lambda: pyg.HEATConv(F, 4, 2, 3, 5, EDGE, 5),
        lambda m, g: m(g.x, g.edge_index, g.node_type, g.edge_type, g.attr),
    ),
    Row("HGTConv", "heads=2", lambda: pyg.HGTConv(F, 4, METADATA, heads=2), hetero, MIXED),
    Row(
        "HypergraphConv",
        "",
        lambda: pyg.HypergraphConv(F, 4),
        lambda m, g: m(g.x, g.edge_index, num_edges=NODES),
    ),
    Row(
        "HypergraphConv",
        "attention",
        lambda: pyg.HypergraphConv(F, 4, use_attention=True, heads=2),
        lambda m, g: m(g.x, g.edge_index, hyperedge_attr=g.x_dst, num_edges=NODES),
    ),
    Row("LEConv", "", lambda: pyg.LEConv(F, 4)),
    Row("LEConv", "edge_weight", lambda: pyg.LEConv(F, 4), weighted),
    Row("LGConv", "", lambda: pyg.LGConv()),
    Row("MFConv", "", lambda: pyg.MFConv(F, 4)),
    Row("MixHopConv", "", lambda: pyg.MixHopConv(F, 4)),
    Row("NNConv", "", lambda: pyg.NNConv(F, 4, mlp(EDGE, 4 * F)), attributed),
    Row("PDNConv", "", lambda: pyg.PDNConv(F, 4, EDGE, 5), attributed),
    Row("PNAConv", "mean, max, min", lambda: pna(["mean", "max", "min"], ["identity"])),
    Row("PNAConv", "std, three scalers",
        lambda: pna(["sum", "std"], ["identity", "amplification", "attenuation"])),
    Row("PNAConv", "towers=2, edge_attr",
        lambda: pna(["mean", "var"], ["linear"], towers=2, edge_dim=EDGE), attributed),
    Row("PNAConv", "pre_layers=2", lambda: pna(["mean", "max"], ["identity"], pre_layers=2,
                                               act="tanh")),
    Row("PointGNNConv", "", lambda: pyg.PointGNNConv(mlp(F, 3), mlp(F + 3, 5), mlp(5, F)),
        at_places),
    Row("PointNetConv", "", lambda: pyg.PointNetConv(mlp(F + 3, 4)), at_places),
    Row("PointTransformerConv", "", lambda: pyg.PointTransformerConv(F, 4), at_places),
    Row("PPFConv", "", lambda: pyg.PPFConv(mlp(F + 4, 4)),
        lambda m, g: m(g.x, g.pos.detach(), g.normal.detach(), g.edge_index)),
    Row("ResGatedGraphConv", "", lambda: pyg.ResGatedGraphConv(F, 4)),
    Row("ResGatedGraphConv", "edge_attr", lambda: pyg.ResGatedGraphConv(F, 4, edge_dim=EDGE),
        attributed),
    Row("RGATConv", "", lambda: pyg.RGATConv(F, 4, 3), typed),
    Row("RGCNConv", "", lambda: pyg.RGCNConv(F, 4, 3), typed),
    Row("RGCNConv", "num_blocks", lambda: pyg.RGCNConv(F, 4, 3, num_blocks=2), typed),
    Row("SAGEConv", "", lambda: pyg.SAGEConv(F, 4)),
    Row("SAGEConv", "aggr=max", lambda: pyg.SAGEConv(F, 4, aggr="max")),
    Row("SAGEConv", "aggr=[mean, min, std]",
        lambda: pyg.SAGEConv(F, 4, aggr=["mean", "min", "std"]), kinds=MIXED),
    Row("SAGEConv", "aggr=softmax, learnt",
        lambda: pyg.SAGEConv(F, 4, aggr="softmax", aggr_kwargs={"learn": True})),
    Row("SAGEConv", "aggr=median", lambda: pyg.SAGEConv(F, 4, aggr="median"), kinds=MIXED),
    Row("SAGEConv", "project, bipartite", lambda: pyg.SAGEConv(F, 4, project=True), across),
    Row("SAGEConv", "bipartite, no destinations", lambda: pyg.SAGEConv(F, 4), across_to_none),
    Row("SAGEConv", "flow reversed", lambda: pyg.SAGEConv(F, 4, **BACK)),
    Row("SGConv", "K=2", lambda: pyg.SGConv(F, 4, 2)),
    Row("SignedConv", "first", lambda: pyg.SignedConv(F, 4, True),
        lambda m, g: m(g.x, g.edge_index[:, ::2], g.edge_index[:, 1::2])),
    Row("SignedConv", "further", lambda: pyg.SignedConv(F // 2, 4, False),
        lambda m, g: m(g.x, g.edge_index[:, ::2], g.edge_index[:, 1::2])),
    Row("SimpleConv", "mean", lambda: pyg.SimpleConv("mean")),
    Row("SimpleConv", "edge_weight, combine_root",
        lambda: pyg.SimpleConv("sum", combine_root="self_loop"), weighted),
    Row("SSGConv", "K=3", lambda: pyg.SSGConv(F, 4, 0.2, 3)),
    Row("SuperGATConv", "", lambda: pyg.SuperGATConv(F, 4, 2)),
    Row("TAGConv", "", lambda: pyg.TAGConv(F, 4)),
    Row("TAGConv", "edge_weight", lambda: pyg.TAGConv(F, 4), weighted),
    Row("TransformerConv", "heads=3", lambda: pyg.TransformerConv(F, 4, 3)),
    Row("TransformerConv", "beta, bipartite", lambda: pyg.TransformerConv((F, F), 4, 2, beta=True),
        across),
    Row("TransformerConv", "edge_attr", lambda: pyg.TransformerConv(F, 4, 2, edge_dim=EDGE),
        attributed),
    Row("WLConvContinuous", "edge_weight", lambda: pyg.WLConvContinuous(), weighted),
]  # fmt: skip


def attention(result: Any) -> tuple[Tensor, Tensor]:
    out, (_, alpha) = result
    return out, alpha


def outputs_of(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, dict):
        return [value for _, value in sorted(result.items())]
    return list(result)


def run(layer: nn.Module, call: Callable[[Any, Given], Any], given: Given) -> dict[str, Tensor]:
    """The outputs, and the gradient of every input and parameter, by name."""
    layer.zero_grad()
    g, leaves = given.leaves()
    outs = outputs_of(call(layer, g))
    random = torch.Generator().manual_seed(2)
    gradients = [torch.randn(o.shape, generator=random, dtype=torch.float64) for o in outs]
    torch.autograd.backward(outs, [g.to(o.dtype) for g, o in zip(gradients, outs, strict=True)])
    found = {f"output {k}": out.detach() for k, out in enumerate(outs)}
    for name, leaf in (*leaves.items(), *layer.named_parameters()):
        found[f"gradient of {name}"] = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return found


def built(row: Row, dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(1)
    layer = row.make()
    for parameter in layer.parameters():
        # Start values of 0 would hide what they are multiplied with.
        nn.init.normal_(parameter, std=0.5)
    return layer.to(dtype)


def compare(row: Row, kind: str, dtype: torch.dtype) -> list[tuple[str, Tensor, Tensor]]:
    """Of the layer accelerated, in its second call, and as it was: all that `run` gives."""
    layer, given = built(row, dtype), Given.of(kind, dtype)
    expected = run(layer, row.call, given)
    with accelerate(layer):
        run(layer, row.call, given)
        found = run(layer, row.call, given)
    assert found.keys() == expected.keys()
    return [(name, found[name], value) for name, value in expected.items()]


def difference(row: Row, dtype: torch.dtype) -> float:
    """The largest difference over all graphs of a row, relative to values above 1."""
    largest = 0.0
    for kind in row.kinds:
        for _, found, expected in compare(row, kind, dtype):
            if found.numel():
                gap = (found - expected).abs() / expected.abs().clamp(min=1)
                largest = max(largest, float(gap.max()))
    return largest


def path_of(row: Row) -> str:
    """What the calls of the layers took: "fused", "step by step", or PyTorch Geometric's own."""
    layer = built(row, torch.float32)
    with accelerate(layer) as report:
        row.call(layer, Given.of("mixed", torch.float32))
        paths = {
            path.partition(":")[0].partition(" (")[0] for r in report.layers for path in r.paths
        }
    words = {"fused kernel": "fused", "gather, message, reduction": "step by step"}
    return " and ".join(sorted(words.get(path, path) for path in paths))


def status() -> list[dict[str, str]]:
    """The rows of ``docs/accelerate_status.csv``, computed."""
    table = []
    for row in ROWS:
        cells = {}
        for dtype, limit in TOLERANCE.items():
            gap = difference(row, dtype)
            cells[str(dtype).removeprefix("torch.")] = (
                f"< {limit:.0e}" if gap < limit else f"{gap:.0e}"
            )
        table.append({"layer": row.layer, "options": row.options, **cells, "path": path_of(row)})
    return table


def main() -> None:
    with STATUS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(status())


if __name__ == "__main__":
    main()
