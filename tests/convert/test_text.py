"""Graphs from and to text."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkit.convert import (
    from_cooccurrence,
    from_documents,
    from_text,
    from_tokens,
    to_text,
    to_tokens,
)
from graphkit.graph import Graph

TOKENS = st.lists(st.one_of(st.text(max_size=2), st.integers(0, 3), st.none()), max_size=8)


class TestChain:
    def test_tokens(self):
        graph = from_tokens(["to", "be", "or", "not", "to", "be"])
        assert graph.vocabulary == ["to", "be", "or", "not"]
        assert graph.token.tolist() == [0, 1, 2, 3, 0, 1]
        assert graph.edge_index.tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]

    def test_text(self):
        graph = from_text("Isn't  it odd?\n")
        assert to_tokens(graph) == ["Isn", "'", "t", "it", "odd", "?"]
        assert graph.space == ["", "", "", "  ", " ", ""]

    def test_shared_vocabulary(self):
        vocabulary = ["a", "b", "c"]
        assert from_text("c a", vocabulary).token.tolist() == [2, 0]
        with pytest.raises(ValueError, match=r"vocabulary: .* but 'd' is not"):
            from_text("a d", vocabulary)
        with pytest.raises(ValueError, match="vocabulary: expected every token once, got 'a'"):
            from_text("a", ["a", "b", "a"])

    @given(TOKENS, st.randoms(use_true_random=False))
    def test_tokens_come_back_in_whatever_order_nodes_are(self, tokens, random):
        graph = from_tokens(tokens)
        assert to_tokens(graph) == tokens
        order = list(range(len(tokens)))
        random.shuffle(order)
        assert to_tokens(graph.permute(torch.tensor(order, dtype=torch.int64))) == tokens

    @given(st.text())
    def test_text_comes_back(self, text):
        assert to_text(from_text(text)) == text

    def test_text_of_other_tokens(self):
        assert to_text(from_tokens(["a", 1])) == "a 1"

    def test_batches(self):
        batch = Graph.batch([from_text("a b"), from_text("c ")])
        assert [to_text(graph) for graph in batch.unbatch()] == ["a b", "c "]
        with pytest.raises(ValueError, match="graph: expected one graph, got a batch"):
            to_text(batch)

    @pytest.mark.parametrize(
        ("edges", "size"),
        [
            ([[0, 1], [0, 2]], 3),  # branches
            ([[0, 1], [1, 0]], 2),  # a ring
            ([[0, 1]], 3),  # two pieces
            ([[0, 1], [0, 1]], 2),  # twice
            ([[0, 1], [1, 2], [2, 1]], 3),  # runs into a ring
        ],
    )
    def test_what_is_no_chain(self, edges, size):
        graph = Graph(
            torch.tensor(edges).t(),
            node_attrs={"token": torch.zeros(size, dtype=torch.int64)},
            graph_attrs={"vocabulary": ["a"]},
        )
        with pytest.raises(ValueError, match="graph: expected a chain"):
            to_tokens(graph)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="graph: expected one that was made from tokens"):
            to_tokens(Graph(torch.tensor([[0], [1]])))
        with pytest.raises(TypeError, match=r"tokens: expected a sequence .* got str; split it"):
            from_tokens("a b")
        with pytest.raises(TypeError, match="text: expected a str, got list"):
            from_text(["a"])


class TestCooccurrence:
    def test_counts(self):
        graph = from_cooccurrence(list("abcab"), window=3)
        assert graph.node_names == ["a", "b", "c"]
        assert graph.node_attrs["count"].tolist() == [2, 2, 1]
        weights = dict(
            zip(map(tuple, graph.edge_index.t().tolist()), graph.edge_weight.tolist(), strict=True)
        )
        assert weights == {(0, 1): 3, (1, 0): 3, (0, 2): 2, (2, 0): 2, (1, 2): 2, (2, 1): 2}

    def test_windows_end_with_their_text(self):
        assert from_cooccurrence(["a"], ["b"]).num_edges == 0
        assert from_cooccurrence(["a", "b"]).num_edges == 2

    def test_vocabulary(self):
        graph = from_cooccurrence(["b", "a"], vocabulary=["a", "b", "rare"])
        assert graph.num_nodes == 3
        assert graph.in_degree.tolist() == [1, 1, 0]

    @given(st.lists(st.lists(st.sampled_from("abcd"), max_size=7), min_size=1, max_size=3))
    def test_agrees_with_the_definition(self, texts):
        graph = from_cooccurrence(*texts, window=3, vocabulary="abcd")
        expected = torch.zeros(4, 4)
        for text in texts:
            for i, u in enumerate(text):
                for j, v in enumerate(text):
                    if u != v and abs(i - j) < 3:
                        expected["abcd".index(u), "abcd".index(v)] += 1
        counted = torch.zeros(4, 4).index_put(tuple(graph.edge_index), graph.edge_weight)
        assert torch.equal(counted, expected)
        assert (graph.edge_weight > 0).all()
        assert Graph(graph.edge_index, 4).is_undirected

    def test_bad_input(self):
        with pytest.raises(ValueError, match="window: expected at least 2, got 1"):
            from_cooccurrence(["a"], window=1)
        with pytest.raises(ValueError, match="texts: expected at least one, got none"):
            from_cooccurrence()
        with pytest.raises(TypeError, match="texts: expected a sequence of tokens, got str"):
            from_cooccurrence("a b")


class TestDocuments:
    def test_a_document_and_its_words(self):
        graph = from_documents([["a", "b", "a"], ["c"], []])
        assert (graph.num_nodes, graph.num_documents) == (6, 3)
        assert graph.vocabulary == ["a", "b", "c"]
        assert graph.is_undirected
        once = math.log(3)
        weights = torch.zeros(6, 6).index_put(tuple(graph.edge_index), graph.edge_weight)
        expected = torch.tensor([[2 * once, once, 0], [0, 0, once], [0, 0, 0]])
        torch.testing.assert_close(weights[:3, 3:], expected)
        # Of the two windows one holds a and b.
        assert weights[3, 4].item() == pytest.approx(math.log(1 * 2 / (1 * 1)))

    def test_words_in_every_document_and_in_none(self):
        graph = from_documents([["a"], ["a"]], vocabulary=["a", "rare"])
        assert (graph.num_nodes, graph.num_edges) == (4, 0)
        assert from_documents([[]]).num_nodes == 1

    @given(
        st.lists(st.lists(st.sampled_from("abcd"), max_size=7), min_size=1, max_size=4),
        st.integers(2, 4),
    )
    def test_agrees_with_the_definition(self, documents, size):
        graph = from_documents(documents, size, vocabulary="abcd")
        weights = dict(
            zip(map(tuple, graph.edge_index.t().tolist()), graph.edge_weight.tolist(), strict=True)
        )
        windows = [
            set(document[start : start + size])
            for document in documents
            if document
            for start in range(max(len(document) - size, 0) + 1)
        ]

        def holding(*words):
            return sum(set(words) <= window for window in windows)

        n, expected = len(documents), {}
        for i, v in enumerate("abcd"):
            inside = [document.count(v) for document in documents]
            for number, times in enumerate(inside):
                if times:
                    expected[number, n + i] = times * math.log(n / (n - inside.count(0)))
            for j, w in enumerate("abcd"):
                if v != w and holding(v, w):
                    ratio = holding(v, w) * len(windows) / holding(v) / holding(w)
                    expected[n + i, n + j] = math.log(ratio)
        expected |= {(b, a): weight for (a, b), weight in expected.items()}
        found = {pair: weight for pair, weight in expected.items() if weight > 1e-9}
        assert weights == pytest.approx(found, rel=1e-5)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="window: expected at least 2, got 1"):
            from_documents([["a"]], window=1)
        with pytest.raises(ValueError, match="documents: expected at least one, got none"):
            from_documents([])
        with pytest.raises(TypeError, match="documents: expected a sequence of tokens, got str"):
            from_documents(["a b"])
        with pytest.raises(ValueError, match=r"vocabulary: .* but 'b' is not"):
            from_documents([["b"]], vocabulary=["a"])
