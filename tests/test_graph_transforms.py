"""Graphs from graphs: batches, selections, loops, both directions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkit.graph import Graph


@st.composite
def graphs(draw, bipartite=False):
    """Graphs with attributes of every kind and form."""
    num_src = draw(st.integers(0, 5))
    num_dst = draw(st.integers(0, 5)) if bipartite else num_src
    ends = st.tuples(st.integers(0, max(num_src - 1, 0)), st.integers(0, max(num_dst - 1, 0)))
    edges = draw(st.lists(ends, max_size=8)) if num_src and num_dst else []
    number = draw(st.integers(0, 100))

    def nodes(start):
        x = [start + torch.arange(size * 2.0).view(size, 2) for size in (num_src, num_dst)]
        names = [
            [f"{start}.{end}.{k}" for k in range(size)]
            for end, size in enumerate((num_src, num_dst))
        ]
        pair = {"x": tuple(x), "name": tuple(names)}
        return pair if bipartite else {name: ends[1] for name, ends in pair.items()}

    return Graph(
        torch.tensor(edges, dtype=torch.int64).view(-1, 2).t(),
        (num_src, num_dst) if bipartite else num_dst,
        u=torch.full((1, 2), float(number)),
        edge_type=torch.arange(len(edges)),
        node_attrs=nodes(number),
        edge_attrs={"label": [f"{number}.{k}" for k in range(len(edges))]},
        graph_attrs={"smiles": f"C{number}", "table": torch.zeros(number % 3, 2)},
    )


def equal(value, other) -> bool:
    if isinstance(value, torch.Tensor):
        return torch.equal(value, other)
    if isinstance(value, (list, tuple)):
        return len(value) == len(other) and all(map(equal, value, other))
    return value == other


def assert_same(graph: Graph, other: Graph):
    assert torch.equal(graph.edge_index, other.edge_index)
    assert (graph.num_src, graph.num_dst) == (other.num_src, other.num_dst)
    assert (graph.is_bipartite, graph.is_batch) == (other.is_bipartite, other.is_batch)
    assert torch.equal(graph.ptr, other.ptr)
    assert torch.equal(graph.src_ptr, other.src_ptr)
    for name in ("node_attrs", "edge_attrs", "graph_attrs"):
        ours, theirs = getattr(graph, name), getattr(other, name)
        assert ours.keys() == theirs.keys()
        assert all(equal(ours[key], theirs[key]) for key in ours), name


many = st.lists(graphs(), min_size=1, max_size=4)
many_bipartite = st.lists(graphs(bipartite=True), min_size=1, max_size=4)


class TestBatch:
    @given(st.one_of(many, many_bipartite))
    def test_round_trip(self, members):
        batch = Graph.batch(members)
        assert batch.num_graphs == len(members)
        assert batch.num_edges == sum(graph.num_edges for graph in members)
        for graph, again in zip(members, batch.unbatch(), strict=True):
            assert_same(graph, again)

    @given(many)
    def test_edges_stay_with_their_nodes(self, members):
        batch = Graph.batch(members)
        for edge in range(batch.num_edges):
            j, i = batch.edge_index[:, edge].tolist()
            graph = int(batch.edge_batch[edge])
            number = edge - sum(member.num_edges for member in members[:graph])
            source, destination = members[graph].edge_index[:, number].tolist()
            assert batch.name[j] == members[graph].name[source]
            assert batch.name[i] == members[graph].name[destination]
            assert batch.label[edge] == members[graph].label[number]

    @given(many, many)
    def test_batches_of_batches(self, some, others):
        nested = Graph.batch([Graph.batch(some), *others])
        assert_same(nested, Graph.batch([*some, *others]))

    @given(many, st.randoms(use_true_random=False))
    def test_edges_in_any_order(self, members, random):
        batch = Graph.batch(members)
        order = list(range(batch.num_edges))
        random.shuffle(order)
        shuffled = batch.edge_subgraph(torch.tensor(order, dtype=torch.int64))
        for graph, again in zip(members, shuffled.unbatch(), strict=True):
            assert sorted(graph.label) == sorted(again.label)
            assert {
                label: ends
                for label, *ends in zip(graph.label, *graph.edge_index.tolist(), strict=True)
            } == {
                label: ends
                for label, *ends in zip(again.label, *again.edge_index.tolist(), strict=True)
            }

    def test_pointers(self):
        sizes = [2, 0, 3]
        batch = Graph.batch([Graph(torch.empty(2, 0).long(), size) for size in sizes])
        assert batch.ptr.tolist() == [0, 2, 2, 5]
        assert batch.batch.tolist() == [0, 0, 2, 2, 2]
        assert batch.batch is batch.batch
        same = Graph(torch.empty(2, 0).long(), batch=torch.tensor([0, 0, 2, 2, 2]))
        assert same.ptr.tolist() == [0, 2, 2, 5]

    def test_one_graph_is_like_a_batch_of_one(self):
        graph = Graph(torch.tensor([[0, 1], [1, 2]]), 3)
        assert not graph.is_batch
        assert graph.num_graphs == 1
        assert graph.ptr.tolist() == [0, 3]
        assert graph.batch.tolist() == [0, 0, 0]
        assert graph.edge_batch.tolist() == [0, 0]
        assert graph.unbatch() == [graph]
        assert Graph.batch([graph]).is_batch

    def test_bipartite_pointers(self):
        batch = Graph.batch(
            [Graph(torch.tensor([[1], [0]]), (2, 1)), Graph(torch.tensor([[0], [2]]), (1, 3))]
        )
        assert batch.edge_index.tolist() == [[1, 2], [0, 3]]
        assert (batch.src_ptr.tolist(), batch.ptr.tolist()) == ([0, 2, 3], [0, 1, 4])
        assert batch.batch.tolist() == [0, 1, 1, 1]
        turned = batch.reverse()
        assert (turned.src_ptr.tolist(), turned.ptr.tolist()) == ([0, 1, 4], [0, 2, 3])

    def test_attributes_of_graphs(self):
        def make(**attrs):
            return Graph(torch.empty(2, 0).long(), 2, graph_attrs=attrs)

        batch = Graph.batch(
            [
                make(
                    scalar=torch.tensor(1.0), row=torch.ones(1, 2), odd=torch.ones(1, 3), n=[1, 2]
                ),
                make(scalar=torch.tensor(2.0), row=torch.ones(1, 2), odd=torch.ones(2, 3), n=[3]),
            ]
        )
        assert batch.scalar.tolist() == [1, 2]
        assert batch.row.shape == (2, 2)
        assert [table.shape[0] for table in batch.odd] == [1, 2]
        assert batch.n == [[1, 2], [3]]

    def test_known_to_be_undirected(self):
        edges = torch.tensor([[0, 1], [1, 0]])
        yes, no, unknown = (Graph(edges, 2, undirected=known) for known in (True, False, None))
        assert "undirected" in repr(Graph.batch([yes, yes]))
        assert not Graph.batch([yes, no]).is_undirected
        assert Graph.batch([yes, unknown]).is_undirected
        assert all("undirected" in repr(graph) for graph in Graph.batch([yes, yes]).unbatch())
        # One directed graph makes a batch directed, which says nothing of the others.
        assert Graph.batch([yes, no]).unbatch()[0].is_undirected

    def test_gradients_flow_through(self):
        x = torch.rand(2, 3, requires_grad=True)
        graph = Graph(torch.empty(2, 0).long(), x=x)
        Graph.batch([graph, graph]).unbatch()[1].x.sum().backward()
        assert x.grad is not None
        assert x.grad.sum() == 6

    @pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
    @pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta:UserWarning")
    def test_sparse_features(self, layout):
        dense = torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
        graph = Graph(torch.tensor([[0], [1]]), x=dense.to_sparse(layout=layout))
        batch = Graph.batch([graph, graph])
        assert batch.x.layout == layout
        assert torch.equal(batch.x.to_dense(), torch.cat([dense, dense]))
        assert torch.equal(batch.unbatch()[1].x.to_dense(), dense)
        assert torch.equal(graph.subgraph(torch.tensor([1, 0])).x.to_dense(), dense[[1, 0]])

    @pytest.mark.parametrize(
        ("members", "error", "message"),
        [
            (lambda g: [], ValueError, "graphs: expected at least one Graph"),
            (lambda g: [g, 3], TypeError, "graphs: expected Graphs, got int"),
            (
                lambda g: [g, g.replace(x=torch.ones(2, 1)), g],
                ValueError,
                r"graphs: expected the attributes of number 0, \(\), got \(x of node\) in number 1",
            ),
            (
                lambda g: [g.replace(x=torch.ones(2, 1)), g.replace(x=torch.ones(2, 2))],
                ValueError,
                "x: cannot join the tensors of these graphs",
            ),
            (
                lambda g: [g.replace(x=torch.ones(2, 1)), g.replace(x=[1, 2])],
                ValueError,
                "x: cannot join tensors with lists",
            ),
            (
                lambda g: [g, Graph(g.edge_index, (2, 2))],
                ValueError,
                "number 1 and number 0: only one is bipartite",
            ),
            (
                lambda g: [
                    Graph(g.edge_index, (2, 2), x=(torch.ones(2, 1), None)),
                    Graph(g.edge_index, (2, 2), x=(None, torch.ones(2, 1))),
                ],
                ValueError,
                "x: expected in all graphs or in none",
            ),
        ],
    )
    def test_what_does_not_go_together(self, members, error, message):
        with pytest.raises(error, match=message):
            Graph.batch(members(Graph(torch.tensor([[0], [1]]), 2)))


def edges_by_name(graph: Graph) -> set[tuple[str, str, str]]:
    names = graph.name if graph.is_bipartite else (graph.name, graph.name)
    source, destination = graph.edge_index.tolist()
    return {
        (names[0][j], names[1][i], label)
        for j, i, label in zip(source, destination, graph.label, strict=True)
    }


class TestSelection:
    @given(graphs(), st.data())
    def test_permute(self, graph, data):
        perm = data.draw(st.permutations(range(graph.num_nodes)))
        new = graph.permute(torch.tensor(perm, dtype=torch.int64))
        assert new.name == [graph.name[k] for k in perm]
        assert torch.equal(new.x, graph.x[perm])
        assert new.label == graph.label
        assert edges_by_name(new) == edges_by_name(graph)

    @given(graphs(bipartite=True), st.data())
    def test_permute_one_end(self, graph, data):
        perm = data.draw(st.permutations(range(graph.num_src)))
        new = graph.permute((torch.tensor(perm, dtype=torch.int64), None))
        assert new.name[0] == [graph.name[0][k] for k in perm]
        assert new.name[1] == graph.name[1]
        assert edges_by_name(new) == edges_by_name(graph)

    @given(graphs(), st.data())
    def test_subgraph(self, graph, data):
        chosen = data.draw(
            st.lists(st.sampled_from(range(graph.num_nodes)), unique=True)
            if graph.num_nodes
            else st.just([])
        )
        new = graph.subgraph(torch.tensor(chosen, dtype=torch.int64))
        assert new.name == [graph.name[k] for k in chosen]
        assert torch.equal(new.x, graph.x[chosen])
        assert edges_by_name(new) == {
            edge for edge in edges_by_name(graph) if {edge[0], edge[1]} <= set(new.name)
        }
        assert torch.equal(
            new.edge_type,
            torch.tensor([int(label.split(".")[1]) for label in new.label], dtype=torch.int64),
        )
        mask = torch.zeros(graph.num_nodes, dtype=torch.bool)
        mask[chosen] = True
        assert_same(graph.subgraph(mask), graph.subgraph(torch.tensor(sorted(chosen)).long()))

    @given(many, st.data())
    def test_subgraph_of_a_batch(self, members, data):
        masks = [
            torch.tensor(data.draw(st.lists(st.booleans(), min_size=n, max_size=n))).bool()
            for n in (graph.num_nodes for graph in members)
        ]
        new = Graph.batch(members).subgraph(torch.cat(masks))
        expected = [graph.subgraph(mask) for graph, mask in zip(members, masks, strict=True)]
        assert_same(new, Graph.batch(expected))

    def test_batches_stay_apart(self):
        graph = Graph(torch.tensor([[0], [1]]), 2)
        batch = Graph.batch([graph, graph])
        assert batch.permute(torch.tensor([1, 0, 3, 2])).ptr.tolist() == [0, 2, 4]
        with pytest.raises(ValueError, match="leaves the graphs of the batch apart"):
            batch.permute(torch.tensor([2, 1, 0, 3]))

    @given(graphs(), st.data())
    def test_edge_subgraph(self, graph, data):
        numbers = st.sampled_from(range(graph.num_edges)) if graph.num_edges else st.nothing()
        chosen = data.draw(st.lists(numbers))
        new = graph.edge_subgraph(torch.tensor(chosen, dtype=torch.int64))
        assert torch.equal(new.edge_index, graph.edge_index[:, chosen])
        assert new.label == [graph.label[k] for k in chosen]
        assert new.name == graph.name
        mask = torch.zeros(graph.num_edges, dtype=torch.bool)
        mask[chosen] = True
        assert graph.edge_subgraph(mask).num_edges == len(set(chosen))

    def test_undirected_where_that_is_certain(self):
        graph = Graph(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), 3, undirected=True)
        assert "undirected" in repr(graph.subgraph(torch.tensor([1, 2])))
        assert "undirected" in repr(graph.permute(torch.tensor([2, 0, 1])))
        assert not graph.edge_subgraph(torch.tensor([0])).is_undirected
        directed = Graph(torch.tensor([[0, 1, 1], [1, 0, 2]]), 3, undirected=False)
        assert directed.subgraph(torch.tensor([0, 1])).is_undirected

    @pytest.mark.parametrize(
        ("method", "index", "error", "message"),
        [
            ("subgraph", [0, 1], TypeError, "nodes: expected a mask or an index tensor, got list"),
            ("subgraph", torch.rand(2), TypeError, "nodes: expected dtype bool or int64"),
            ("subgraph", torch.tensor([0, 3]), ValueError, "nodes: .* from 0 to 2, got 3"),
            ("subgraph", torch.tensor([0, -1]), ValueError, "nodes: .* from 0 to 2, got -1"),
            ("subgraph", torch.tensor([0, 0]), ValueError, "nodes: expected every number once"),
            ("subgraph", torch.ones(2).bool(), ValueError, "nodes: .* mask of length 3, got 2"),
            ("permute", torch.tensor([0, 1]), ValueError, "perm: expected each of 3 nodes, got 2"),
            ("edge_subgraph", torch.tensor([2]), ValueError, "edges: .* from 0 to 1, got 2"),
        ],
    )
    def test_bad_index(self, method, index, error, message):
        graph = Graph(torch.tensor([[0, 1], [1, 2]]), 3)
        with pytest.raises(error, match=message):
            getattr(graph, method)(index)

    def test_bipartite_needs_a_pair(self):
        graph = Graph(torch.tensor([[0, 1], [1, 2]]), (2, 3))
        with pytest.raises(TypeError, match=r"nodes: expected a pair .* got int64"):
            graph.subgraph(torch.tensor([0]))
        assert graph.subgraph((None, torch.tensor([2]))).edge_index.tolist() == [[1], [0]]


class TestSelfLoops:
    def test_every_node_has_one(self):
        graph = Graph(torch.tensor([[0, 1, 1, 2, 1], [1, 1, 2, 0, 1]]), 3)
        loops = graph.self_loops
        assert loops.graph.edge_index.tolist() == [[0, 1, 2, 0, 1, 2], [1, 2, 0, 0, 1, 2]]
        assert graph.self_loops is loops
        assert graph.replace(edge_weight=torch.rand(5)).self_loops is loops

    def test_extend(self):
        graph = Graph(torch.tensor([[0, 1, 1, 2, 1], [1, 1, 2, 0, 1]]), 3)
        weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
        extend = graph.self_loops.extend
        assert extend(weight).tolist() == [1, 3, 4, 1, 5, 1]  # the last of two loops stays
        assert extend(weight, 2.0).tolist() == [1, 3, 4, 2, 5, 2]
        assert extend(weight, keep=False).tolist() == [1, 3, 4, 1, 1, 1]
        assert extend(weight, torch.tensor([7.0, 8.0, 9.0])).tolist() == [1, 3, 4, 7, 5, 9]
        rows = extend(torch.stack([weight, -weight], dim=1), torch.tensor([7.0, 8.0]))
        assert rows.tolist()[3:] == [[7, 8], [5, -5], [7, 8]]

    def test_extend_without_loops(self):
        graph = Graph(torch.tensor([[0, 1], [1, 2]]), 3)
        assert graph.self_loops.extend(torch.tensor([2.0, 3.0])).tolist() == [2, 3, 1, 1, 1]

    def test_extend_is_differentiable(self):
        graph = Graph(torch.tensor([[0, 1, 1], [1, 1, 2]]), 3)
        weight = torch.rand(3, dtype=torch.float64, requires_grad=True)
        fill = torch.rand(3, dtype=torch.float64, requires_grad=True)
        extend = graph.self_loops.extend
        assert torch.autograd.gradcheck(lambda w, f: extend(w, f), (weight, fill))
        assert torch.autograd.gradcheck(lambda w: extend(w, keep=False), (weight,))

    @given(graphs())
    def test_as_pyg(self, graph):
        from torch_geometric.utils import (
            add_remaining_self_loops,
            add_self_loops,
            remove_self_loops,
        )

        source, destination = graph.edge_index
        # Of several loops on one node PyG does not say which it keeps.
        graph = Graph(graph.edge_index[:, source != destination], graph.num_nodes)
        once = torch.arange(0, graph.num_nodes, 2).expand(2, -1)
        graph = Graph(torch.cat([once, graph.edge_index], 1), graph.num_nodes)
        weight = torch.arange(graph.num_edges * 2.0).view(-1, 2)
        loops = graph.self_loops
        edge_index, expected = add_remaining_self_loops(
            graph.edge_index, weight, 3.0, graph.num_nodes
        )
        assert torch.equal(loops.graph.edge_index, edge_index)
        assert torch.equal(loops.extend(weight, 3.0), expected)
        edge_index, expected = remove_self_loops(graph.edge_index, weight)
        edge_index, expected = add_self_loops(edge_index, expected, 3.0, graph.num_nodes)
        assert torch.equal(loops.graph.edge_index, edge_index)
        assert torch.equal(loops.extend(weight, 3.0, keep=False), expected)

    def test_bipartite(self):
        graph = Graph(torch.tensor([[0, 2, 1], [1, 0, 1]]), (3, 2))
        assert graph.self_loops.graph.edge_index.tolist() == [[0, 2, 0, 1], [1, 0, 0, 1]]
        assert graph.self_loops.extend(torch.tensor([1.0, 2.0, 3.0])).tolist() == [1, 2, 1, 3]

    def test_undirected_stays_undirected(self):
        graph = Graph(torch.tensor([[0, 1], [1, 0]]), 2, undirected=True)
        assert "undirected" in repr(graph.self_loops.graph)


class TestToUndirected:
    def test_edges_and_attributes(self):
        graph = Graph(
            torch.tensor([[0, 1, 1, 2], [1, 0, 2, 2]]),
            3,
            edge_weight=torch.tensor([1.0, 3.0, 5.0, 7.0]),
            edge_attrs={"label": list("abcd"), "number": torch.tensor([1, 2, 3, 4])},
            x=torch.rand(3, 1),
        )
        both = graph.to_undirected()
        assert both.edge_index.tolist() == [[0, 1, 1, 2, 2], [1, 0, 2, 1, 2]]
        assert both.edge_weight.tolist() == [2, 2, 5, 5, 7]
        assert both.label == ["a", "b", "c", "c", "d"]
        assert both.number.tolist() == [1, 2, 3, 3, 4]
        assert both.x is graph.x
        assert both.is_undirected
        assert graph.to_undirected("max").edge_weight.tolist() == [3, 3, 5, 5, 7]
        assert graph.to_undirected("min").edge_weight.tolist() == [1, 1, 5, 5, 7]

    @given(graphs())
    def test_is_undirected_and_stays_as_it_is(self, graph):
        both = graph.to_undirected()
        assert Graph(both.edge_index, both.num_nodes).is_undirected
        assert_same(both.to_undirected(), both)

    def test_types_are_kept_apart(self):
        graph = Graph(torch.tensor([[0, 0, 1], [1, 1, 0]]), 2, edge_type=torch.tensor([1, 0, 1]))
        both = graph.to_undirected()
        assert both.edge_index.tolist() == [[0, 0, 1, 1], [1, 1, 0, 0]]
        assert both.edge_type.tolist() == [0, 1, 0, 1]

    @pytest.mark.parametrize("reduce", ["add", "mean", "min", "max"])
    @given(graph=graphs())
    def test_as_pyg(self, reduce, graph):
        from torch_geometric.utils import to_undirected

        attr = torch.arange(graph.num_edges * 2.0).view(-1, 2)
        edge_index, expected = to_undirected(graph.edge_index, attr, graph.num_nodes, reduce)
        both = Graph(graph.edge_index, graph.num_nodes, edge_attr=attr).to_undirected(reduce)
        assert torch.equal(both.edge_index, edge_index)
        assert torch.allclose(both.edge_attr, expected)

    @pytest.mark.parametrize("shape", [(3, 0), (3, 2, 2)])
    def test_attributes_of_any_shape(self, shape):
        attr = torch.rand(shape, dtype=torch.float64, requires_grad=True)
        edges = torch.tensor([[0, 1, 1], [1, 0, 2]])
        both = Graph(edges, 3, edge_attr=attr).to_undirected().edge_attr
        mean = (attr[0] + attr[1]) / 2
        assert torch.allclose(both, torch.stack([mean, mean, attr[2], attr[2]]))
        (gradient,) = torch.autograd.grad(both.sum(), attr)
        assert torch.equal(
            gradient, torch.tensor([1.0, 1, 2]).view(-1, *[1] * attr[0].dim()).expand(shape)
        )

    def test_batches(self):
        graph = Graph(torch.tensor([[0], [1]]), 2)
        both = Graph.batch([graph, graph]).to_undirected()
        assert [member.num_edges for member in both.unbatch()] == [2, 2]

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"reduce: expected one of add, .* got 'median'"):
            Graph(torch.tensor([[0], [1]]), 2).to_undirected("median")
        with pytest.raises(ValueError, match="to_undirected: expected a graph with one set"):
            Graph(torch.tensor([[0], [1]]), (2, 2)).to_undirected()
