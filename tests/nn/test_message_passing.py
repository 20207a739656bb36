"""MessagePassing as authors of layers use it."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn import GATConv, GCNConv, MessagePassing, aggr, softmax

EDGES = torch.tensor([[0, 1, 2, 3, 3], [0, 0, 1, 1, 3]])
FOUR = torch.arange(1.0, 9.0).view(4, 2)


class Copy(MessagePassing):
    """The default message, and whatever aggregation."""

    def forward(self, x: Any, edge_index: Any, size: Any = None) -> Any:
        return self.propagate(edge_index, size=size, x=x)


class Weighted(Copy):
    def forward(
        self, x: Any, edge_index: Any, edge_weight: Tensor | None = None, size: Any = None
    ) -> Tensor:
        return self.propagate(edge_index, x=x, edge_weight=edge_weight, size=size)

    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j


class Difference(Copy):
    def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        return x_j - x_i


class Untraceable(Copy):
    """Control flow that depends on data: the engine has to leave it alone."""

    def message(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        return x_j - x_i if x_j.sum() > -1e9 else x_j


# ---------------------------------------------------------------------- aggregation


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sum", [[4.0, 6.0], [12.0, 14.0], [0.0, 0.0], [7.0, 8.0]]),
        ("add", [[4.0, 6.0], [12.0, 14.0], [0.0, 0.0], [7.0, 8.0]]),
        ("mean", [[2.0, 3.0], [6.0, 7.0], [0.0, 0.0], [7.0, 8.0]]),
        ("max", [[3.0, 4.0], [7.0, 8.0], [0.0, 0.0], [7.0, 8.0]]),
        ("min", [[1.0, 2.0], [5.0, 6.0], [0.0, 0.0], [7.0, 8.0]]),
        ("std", [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]),
    ],
)
def test_aggregations_and_zero_for_a_node_without_neighbours(name: str, expected: list):
    torch.testing.assert_close(Copy(name)(FOUR, EDGES), torch.tensor(expected))


def test_softmax_aggregation_weighs_by_feature():
    out = Copy("softmax", aggr_kwargs={"t": 2.0})(FOUR, EDGES)
    pair = FOUR[:2]
    torch.testing.assert_close(out[0], ((2 * pair).softmax(0) * pair).sum(0))
    assert torch.equal(out[2], torch.zeros(2))


def test_several_aggregations_stand_side_by_side():
    out = Copy(["sum", "max", "mean"])(FOUR, EDGES)
    parts = [Copy(name)(FOUR, EDGES) for name in ("sum", "max", "mean")]
    assert torch.equal(out, torch.cat(parts, dim=-1))
    assert Copy(["sum", "max"]).aggr == ["sum", "max"]


def test_a_module_aggregates():
    class Last(nn.Module):
        def forward(
            self, x: Tensor, index: Tensor, ptr: Any = None, dim_size: Any = None, dim: int = -2
        ) -> Tensor:
            return x.new_zeros(dim_size, x.size(1)).index_copy(0, index, x)

    assert torch.equal(Copy(Last())(FOUR, EDGES), FOUR[[1, 3, 0, 3]] * Tensor([[1], [1], [0], [1]]))
    assert torch.equal(Copy(aggr.MaxAggregation())(FOUR, EDGES), Copy("max")(FOUR, EDGES))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_pygs_aggregations_serve():
    import torch_geometric.nn

    theirs = torch_geometric.nn.aggr.PowerMeanAggregation(p=2.0)
    out = Copy(theirs)(FOUR, EDGES)
    torch.testing.assert_close(out[0], FOUR[:2].square().mean(0).sqrt())


def test_an_own_aggregate_is_called():
    class Pairs(Copy):
        def message(self, x_j: Tensor) -> tuple[Tensor, Tensor]:
            return x_j, -x_j

        def aggregate(self, inputs: tuple[Tensor, Tensor], index: Tensor, dim_size: int) -> Any:
            return tuple(i.new_zeros(dim_size, 2).index_add(0, index, i) for i in inputs)

    up, down = Pairs(None)(FOUR, EDGES)
    assert torch.equal(up, Copy("sum")(FOUR, EDGES))
    assert torch.equal(down, -up)


def test_no_aggregation_and_no_aggregate():
    with pytest.raises(NotImplementedError, match="aggr=None"):
        Copy(None)(FOUR, EDGES)


# ---------------------------------------------------------------------- arguments of the steps


def test_what_a_step_may_ask_for():
    seen = {}

    class Curious(Copy):
        def message(self, x_j, edge_index, edge_index_i, edge_index_j, index, ptr, size, **_):
            seen.update(locals())
            return x_j

        def aggregate(self, inputs, index, dim_size, size_i, size_j, ptr=None):
            seen.update(dim_size=dim_size, size_i=size_i, size_j=size_j)
            return super().aggregate(inputs, index, ptr, dim_size)

    x = (torch.randn(4, 2), torch.randn(5, 2))
    Curious()(x, EDGES)
    assert torch.equal(seen["edge_index"], EDGES)
    assert torch.equal(seen["index"], EDGES[1])
    assert torch.equal(seen["edge_index_i"], EDGES[1])
    assert torch.equal(seen["edge_index_j"], EDGES[0])
    assert seen["ptr"] is None
    assert list(seen["size"]) == [4, 5]
    assert (seen["dim_size"], seen["size_i"], seen["size_j"]) == (5, 5, 4)


def test_update_gets_its_arguments():
    class Residual(MessagePassing):
        def forward(self, x: Tensor, edge_index: Any, scale: float) -> Tensor:
            return self.propagate(edge_index, x=x, scale=scale)

        def update(self, inputs: Tensor, x: Tensor, scale: float) -> Tensor:
            return x + scale * inputs

    out = Residual()(FOUR, EDGES, 0.5)
    torch.testing.assert_close(out, FOUR + 0.5 * Copy()(FOUR, EDGES))


def test_edge_updater():
    class Two(MessagePassing):
        def forward(self, x: Tensor, edge_index: Any) -> tuple[Tensor, Tensor]:
            alpha = self.edge_updater(edge_index, x=x)
            return alpha, self.propagate(edge_index, x=x, alpha=alpha)

        def edge_update(self, x_i: Tensor, x_j: Tensor, index: Tensor, size_i: int) -> Tensor:
            return softmax((x_i * x_j).sum(-1), index, num_nodes=size_i)

        def message(self, x_j: Tensor, alpha: Tensor) -> Tensor:
            return alpha.unsqueeze(-1) * x_j

    alpha, out = Two()(FOUR, EDGES)
    score = (FOUR[EDGES[1]] * FOUR[EDGES[0]]).sum(-1)
    torch.testing.assert_close(alpha[:2], score[:2].softmax(0))
    torch.testing.assert_close(out[0], alpha[:2] @ FOUR[:2])


def test_an_edge_update_that_is_missing():
    with pytest.raises(NotImplementedError, match="Copy must define edge_update"):
        Copy().edge_updater(EDGES)


def test_defaults_of_a_message():
    class Default(Copy):
        def message(self, x_j: Tensor, nothing: bool = True) -> Tensor:
            return x_j * 0 if nothing else x_j

    assert not Default()(FOUR, EDGES).any()


def test_a_missing_argument_is_named():
    class Needy(Copy):
        def message(self, x_j: Tensor, colour_i: Tensor) -> Tensor:
            return x_j * colour_i

    with pytest.raises(TypeError, match=r"Needy.message asks for 'colour_i': pass colour="):
        Needy()(FOUR, EDGES)


def test_a_subclass_of_a_subclass_reads_its_own_signature():
    class Scaled(Weighted):
        def message(self, x_j: Tensor, edge_weight: Tensor, x_i: Tensor) -> Tensor:
            return super().message(x_j, edge_weight) - x_i

    class Renamed(Scaled):
        pass

    weight = torch.rand(5)
    expected = Weighted()(FOUR, EDGES, weight) - Difference("sum")(FOUR * 0, EDGES)
    degree = torch.tensor([2.0, 2.0, 0.0, 1.0]).view(-1, 1)
    torch.testing.assert_close(Renamed()(FOUR, EDGES, weight), expected - degree * FOUR)


# ---------------------------------------------------------------------- graphs, flow, sizes


@pytest.mark.parametrize("layer", [Difference, Untraceable])
def test_flow(layer: type[Copy]):
    along = layer()(FOUR, EDGES)
    against = layer(flow="target_to_source")(FOUR, EDGES.flip(0))
    torch.testing.assert_close(along, against)
    graph = Graph(EDGES.flip(0), 4)
    torch.testing.assert_close(along, layer(flow="target_to_source")(FOUR, graph))
    torch.testing.assert_close(along, layer()(FOUR, graph.reverse()))


@pytest.mark.parametrize("layer", [Difference, Untraceable])
def test_pairs_and_sizes(layer: type[Copy]):
    source, destination = torch.randn(4, 2), torch.randn(6, 2)
    out = layer()((source, destination), EDGES)
    assert out.shape == (6, 2)
    difference = source[EDGES[0]] - destination[EDGES[1]]
    torch.testing.assert_close(out, torch.zeros(6, 2).index_add(0, EDGES[1], difference))
    torch.testing.assert_close(out, layer()((source, destination), EDGES, size=(4, 6)))
    torch.testing.assert_close(out, layer()((source, destination), Graph(EDGES, (4, 6))))
    against = layer(flow="target_to_source")((source, destination), EDGES.flip(0))
    torch.testing.assert_close(out, against)


def test_sizes_of_one_side_only():
    assert Copy()((FOUR, None), EDGES, size=(4, 9)).shape == (9, 2)
    assert Copy()((FOUR, None), EDGES, size=(None, 9)).shape == (9, 2)
    assert Copy()((FOUR, None), EDGES).shape == (4, 2)


def test_node_dim():
    batch = torch.randn(3, 4, 2)
    out = Difference()(batch, EDGES)
    torch.testing.assert_close(out[1], Difference()(batch[1], EDGES))
    first = Difference(node_dim=0)(batch.transpose(0, 1), EDGES)
    torch.testing.assert_close(first.transpose(0, 1), out)
    flat = Copy(node_dim=0)(FOUR[:, 0], EDGES)
    torch.testing.assert_close(flat, Copy()(FOUR, EDGES)[:, 0])


@pytest.mark.parametrize("layer", [Weighted, Difference, Untraceable])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "std", "softmax"])
def test_empty_graphs(layer: type[Copy], name: str):
    none = torch.empty(2, 0, dtype=torch.int64)
    assert torch.equal(layer(name)(FOUR, none), torch.zeros(4, 2))
    assert layer(name)(torch.randn(0, 2), none).shape == (0, 2)
    wide = torch.randn(4, 0, requires_grad=True)
    out = layer(name)(wide, EDGES)
    assert out.shape == (4, 0)
    out.sum().backward()
    assert wide.grad is not None


def test_a_graph_carries_what_the_call_leaves_out():
    weight, other = torch.rand(5), torch.rand(5)
    graph = Graph(EDGES, 4, edge_weight=weight)
    assert torch.equal(Weighted()(FOUR, graph), Weighted()(FOUR, EDGES, weight))
    assert torch.equal(Weighted()(FOUR, graph, other), Weighted()(FOUR, EDGES, other))
    unweighted = graph.replace(edge_weight=None)
    assert torch.equal(Weighted()(FOUR, unweighted), Weighted()(FOUR, EDGES))


# ---------------------------------------------------------------------- edge masks


@pytest.mark.parametrize("layer", [Difference, Untraceable])
@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
def test_edge_mask_scales_messages(layer: type[Copy], flow: str):
    conv = layer(flow=flow)
    conv.edge_mask = torch.tensor([0.0, 1.0, 0.5, 0.0, 2.0]).requires_grad_()
    out = conv(FOUR, EDGES)
    source, destination = EDGES if flow == "source_to_target" else EDGES.flip(0)
    message = conv.edge_mask.view(-1, 1) * (FOUR[source] - FOUR[destination])
    torch.testing.assert_close(out, torch.zeros(4, 2).index_add(0, destination, message))
    out.square().sum().backward()
    assert conv.edge_mask.grad is not None
    assert conv.edge_mask.grad.abs().sum() > 0


@pytest.mark.parametrize("make", [GCNConv, GATConv])
def test_edge_mask_leaves_added_self_loops_alone(make: Any):
    conv = make(2, 3)
    conv.edge_mask = torch.zeros(5)
    masked = conv(FOUR, EDGES)
    alone = torch.tensor([0, 3])  # these have a loop of their own, which the mask removes
    if make is GCNConv:
        assert torch.equal(masked[alone], torch.zeros(2, 3))
    assert (masked[[1, 2]].abs().sum(1) > 0).all()
    conv.edge_mask = torch.ones(5)
    unmasked = conv(FOUR, EDGES)
    conv.edge_mask = None
    torch.testing.assert_close(unmasked, conv(FOUR, EDGES))


# ---------------------------------------------------------------------- values


@pytest.mark.parametrize("layer", [Copy, Difference, Untraceable])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "std", "softmax"])
def test_nan_is_passed_on_to_neighbours_only(layer: type[Copy], name: str):
    x = FOUR.clone()
    x[1, 0] = torch.nan
    if layer is Untraceable:
        layer = Difference  # its own comparison would see the NaN
    out = layer(name)(x, EDGES)
    hit = out.isnan()
    assert hit[0, 0]
    assert not hit[:, 1].any()
    assert not hit[2:].any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_dtype_is_kept(dtype: torch.dtype, name: str):
    out = Difference(name)(FOUR.to(dtype), EDGES)
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), Difference(name)(FOUR, EDGES))


def test_messages_of_integers():
    assert torch.equal(Copy("max")(FOUR.long(), EDGES), Copy("max")(FOUR, EDGES).long())


# ---------------------------------------------------------------------- errors


class WrongRows(Copy):
    def message(self, x_j: Tensor) -> Tensor:
        return x_j[:2]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Copy()(FOUR[:3], Graph(EDGES, 4)), r"x: expected 4 sources in dimension -2"),
        (lambda: Copy()((FOUR, FOUR[:2]), Graph(EDGES, 4)), r"x: expected 4 destinations"),
        (lambda: Copy()((FOUR, FOUR, FOUR), EDGES), r"x: expected a pair"),
        (lambda: Copy()(FOUR[:3], EDGES), r"edge_index: node 3 .* out of range"),
        (lambda: Copy()(FOUR, EDGES, size=(4, 5, 6)), r"size: expected two numbers"),
        (lambda: Copy()(FOUR, Graph(EDGES, 4), size=(4, 5)), r"size: expected"),
        (lambda: Copy()(FOUR[:, 0], Graph(EDGES, 4)), r"x: expected 4 sources .* \(4,\)"),
        (lambda: WrongRows()(FOUR, EDGES), r"WrongRows.message: expected 5 rows .* \(2, 2\)"),
        (lambda: Copy(flow="up"), r"flow: expected 'source_to_target'"),
        (lambda: Copy("product"), r"aggr: expected one of .*'product'"),
        (lambda: Copy([]), r"aggrs: expected a list"),
    ],
)
def test_bad_input_is_named(call: Any, text: str):
    with pytest.raises(ValueError, match=text):
        call()


def test_an_edge_mask_of_the_wrong_length():
    conv = Copy()
    conv.edge_mask = torch.ones(4)
    with pytest.raises(ValueError, match=r"edge_mask: expected shape \(5,\)"):
        conv(FOUR, EDGES)
    looped = GCNConv(2, 3)
    looped.edge_mask = torch.ones(4)
    with pytest.raises(ValueError, match="expected 5 rows"):
        looped(FOUR, EDGES)


# ---------------------------------------------------------------------- the module


def test_repr():
    assert repr(Copy()) == "Copy()"
    layer = Copy()
    layer.in_channels, layer.out_channels = 3, 4
    assert repr(layer) == "Copy(3, 4)"


def test_copies_are_independent():
    conv = GATConv(2, 3)
    out = conv(FOUR, EDGES)
    shallow, deep = copy.copy(conv), copy.deepcopy(conv)
    again = pickle.loads(pickle.dumps(conv))
    assert shallow.lin.weight is conv.lin.weight
    with torch.no_grad():
        conv.att_src.add_(1.0)
        conv.lin.weight.add_(1.0)
    assert torch.equal(shallow(FOUR, EDGES), conv(FOUR, EDGES))
    for other in (deep, again):
        assert torch.equal(other(FOUR, EDGES), out)


def test_a_parameter_that_is_exchanged_is_seen():
    class Gate(Copy):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def message(self, x_j: Tensor) -> Tensor:
            return x_j * self.weight

    gate = Gate()
    out = gate(FOUR, EDGES)
    gate.weight = nn.Parameter(torch.full((2,), 3.0))
    torch.testing.assert_close(gate(FOUR, EDGES), 3 * out)
    gate.weight.data.mul_(2)
    torch.testing.assert_close(gate(FOUR, EDGES), 6 * out)


def test_reset_parameters_reaches_the_aggregation():
    conv = Copy("softmax", aggr_kwargs={"t": 0.5, "learn": True})
    with torch.no_grad():
        conv.aggr_module.t.fill_(3.0)
    conv.reset_parameters()
    assert conv.aggr_module.t.item() == 0.5


def test_softmax_over_neighbourhoods():
    score = torch.randn(5, 3)
    out = softmax(score, EDGES[1], num_nodes=4)
    torch.testing.assert_close(out[:2], score[:2].softmax(0))
    torch.testing.assert_close(out[4], torch.ones(3))
    torch.testing.assert_close(softmax(score, ptr=torch.tensor([0, 2, 4, 4, 5])), out)
    torch.testing.assert_close(softmax(score.t(), EDGES[1], dim=1), out.t())
