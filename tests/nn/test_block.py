"""The graph network block."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from graphkit.graph import Graph
from graphkit.nn import GraphNetwork

F_V, F_E, F_U = 3, 2, 4


class Update(nn.Module):
    """A linear map of all that is there, and tanh."""

    def __init__(self, size: int, out: int) -> None:
        super().__init__()
        self.lin = nn.Linear(size, out)

    def forward(self, *parts: Tensor | None) -> Tensor:
        return self.lin(torch.cat([p for p in parts if p is not None], dim=-1)).tanh()


def full(**aggregations) -> GraphNetwork:
    torch.manual_seed(0)
    return GraphNetwork(
        Update(F_E + 2 * F_V + F_U, 5),
        Update(F_V + 5 + F_U, 6),
        Update(F_U + 5 + 6, 7),
        **aggregations,
    ).double()


def graph(nodes: int, edges: list[tuple[int, int]]) -> Graph:
    edge_index = torch.tensor(edges, dtype=torch.int64).view(-1, 2).t()
    return Graph(
        edge_index,
        nodes,
        x=torch.randn(nodes, F_V, dtype=torch.float64),
        edge_attr=torch.randn(len(edges), F_E, dtype=torch.float64),
        u=torch.randn(1, F_U, dtype=torch.float64),
    )


EDGES = [(0, 1), (1, 0), (2, 1), (0, 1), (2, 2)]


def test_equals_the_algorithm():
    torch.manual_seed(1)
    g = graph(4, EDGES)
    block = full(edges_to_node="mean", edges_to_graph="max", nodes_to_graph="sum")
    out = block(g)
    u = g.u[0]
    edges = [block.update_edge(g.edge_attr[k], g.x[s], g.x[r], u) for k, (s, r) in enumerate(EDGES)]
    nodes = []
    for i in range(4):
        into = [edges[k] for k, (_, r) in enumerate(EDGES) if r == i]
        mean = torch.stack(into).mean(0) if into else torch.zeros(5, dtype=torch.float64)
        nodes.append(block.update_node(g.x[i], mean, u))
    whole = block.update_graph(u, torch.stack(edges).amax(0), torch.stack(nodes).sum(0))
    torch.testing.assert_close(out.edge_attr, torch.stack(edges))
    torch.testing.assert_close(out.x, torch.stack(nodes))
    torch.testing.assert_close(out.u, whole[None])
    assert torch.equal(out.edge_index, g.edge_index)


def test_a_batch_is_its_graphs():
    torch.manual_seed(2)
    graphs = [graph(4, EDGES), graph(1, []), graph(3, [(0, 1), (1, 2)])]
    block = full()
    batch = block(Graph.batch(graphs)).unbatch()
    for joint, g in zip(batch, graphs, strict=True):
        alone = block(g)
        for name in ("x", "edge_attr", "u"):
            torch.testing.assert_close(getattr(joint, name), getattr(alone, name))


@given(data=st.data())
def test_permutation_of_nodes_and_edges(data: st.DataObject):
    count = data.draw(st.integers(1, 5))
    node = st.integers(0, count - 1)
    edges = data.draw(st.lists(st.tuples(node, node), max_size=8))
    perm = torch.tensor(data.draw(st.permutations(range(count))))
    order = data.draw(st.permutations(range(len(edges))))
    g, block = graph(count, edges), full()
    moved = Graph(
        perm.argsort()[g.edge_index][:, order],
        count,
        x=g.x[perm],
        edge_attr=g.edge_attr[order],
        u=g.u,
    )
    out, there = block(g), block(moved)
    torch.testing.assert_close(there.x, out.x[perm])
    torch.testing.assert_close(there.edge_attr, out.edge_attr[order])
    torch.testing.assert_close(there.u, out.u)


@pytest.mark.parametrize("left_out", ["update_edge", "update_node", "update_graph"])
def test_an_update_may_be_left_out(left_out: str):
    g = graph(4, EDGES)
    updates = {
        "update_edge": lambda e, v_s, v_r, u: e + v_s.sum(-1, keepdim=True) + u[:, :1],
        "update_node": lambda v, e, u: v + e.sum(-1, keepdim=True) + u[:, :1],
        "update_graph": lambda u, e, v: u + e.sum() + v.sum(),
    }
    out = GraphNetwork(**{n: f for n, f in updates.items() if n != left_out})(g)
    name = {"update_edge": "edge_attr", "update_node": "x", "update_graph": "u"}[left_out]
    for attribute in ("edge_attr", "x", "u"):
        same = torch.equal(getattr(out, attribute), getattr(g, attribute))
        assert same == (attribute == name)


def test_what_the_graph_lacks_is_none():
    bare = Graph(torch.tensor(EDGES).t(), 4, x=torch.randn(4, F_V))
    interaction = GraphNetwork(
        lambda e, v_s, v_r, u: torch.cat([v_s, v_r], -1) if e is None and u is None else None,
        lambda v, e, u: torch.cat([v, e], -1),
    )
    out = interaction(bare)
    assert out.x.shape == (4, 3 * F_V)
    assert out.u is None
    deep_set = GraphNetwork(update_graph=lambda u, e, v: v if e is None and u is None else None)
    torch.testing.assert_close(deep_set(bare).u, bare.x.sum(0, keepdim=True))


def test_gradcheck():
    g, block = graph(3, EDGES), full(edges_to_node=["sum", "max"][:1])

    def run(x: Tensor, e: Tensor, u: Tensor) -> tuple[Tensor, ...]:
        out = block(g.replace(x=x, edge_attr=e, u=u))
        return out.x, out.edge_attr, out.u

    inputs = [value.clone().requires_grad_() for value in (g.x, g.edge_attr, g.u)]
    assert torch.autograd.gradcheck(run, inputs)


def test_reset_parameters():
    block = full()
    torch.manual_seed(3)
    block.reset_parameters()
    first = [p.clone() for p in block.parameters()]
    torch.manual_seed(3)
    block.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(first, block.parameters(), strict=True))


@pytest.mark.parametrize(
    ("block", "g", "text"),
    [
        (GraphNetwork(), Graph(torch.tensor([[0], [1]]), (1, 2)), "graph: expected one set"),
        (GraphNetwork(lambda e, s, r, u: s[:1]), graph(3, EDGES), "update_edge: expected 5 rows"),
        (
            GraphNetwork(None, lambda v, e, u: e[:1]),
            graph(3, EDGES),
            "update_node: expected 3 rows",
        ),
        (GraphNetwork(None, None, lambda u, e, v: None), graph(3, EDGES), "got NoneType"),
    ],
)
def test_bad_input_is_named(block: GraphNetwork, g: Graph, text: str):
    with pytest.raises(ValueError, match=text):
        block(g)
