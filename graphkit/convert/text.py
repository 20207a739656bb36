"""From and to text: chains of tokens, and which tokens stand near each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from graphkit.graph import Graph

# A word, or one sign that belongs to none.
_TOKEN = re.compile(r"\w+|[^\w\s]")


def from_tokens(tokens: Sequence[Hashable], vocabulary: Sequence[Hashable] | None = None) -> Graph:
    """A chain: a node for each token, and an edge from each to the next.

    Args:
        tokens: Words, letters, or whatever a sequence consists of.
        vocabulary: The tokens there may be; those of `tokens` in the order in which they turn up
            if not given. Graphs that share it number their tokens alike.

    Returns:
        A Graph with node attribute `token` ``[N]``, the number of each in the `vocabulary`, which
        is kept on the graph.

    Raises:
        ValueError: A token is not in the vocabulary, or the vocabulary names one twice.
    """
    _check_tokens("tokens", tokens)
    vocabulary = list(dict.fromkeys(tokens) if vocabulary is None else vocabulary)
    place = torch.arange(len(tokens))
    return Graph(
        torch.stack([place[:-1], place[1:]]),
        len(tokens),
        node_attrs={"token": _number(tokens, vocabulary)},
        graph_attrs={"vocabulary": vocabulary},
    )


def to_tokens(graph: Graph) -> list[Any]:
    """The tokens of a chain, read along its edges, in whatever order its nodes are.

    Raises:
        ValueError: The graph is no chain of tokens.
    """
    order = _walk(graph)
    return [graph.vocabulary[number] for number in graph.token[order].tolist()]


def from_text(text: str, vocabulary: Sequence[str] | None = None) -> Graph:
    """A chain of the words and signs of a text, as :func:`from_tokens` makes it.

    A word is a run of letters, digits and underscores; any other sign but white space is a token
    of its own. The white space before each token is kept as node attribute `space`, that after
    the last as `end` on the graph, so that :func:`to_text` gives the text back exactly.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    tokens, spaces, end = [], [], 0
    for found in _TOKEN.finditer(text):
        tokens.append(found.group())
        spaces.append(text[end : found.start()])
        end = found.end()
    return from_tokens(tokens, vocabulary).replace(
        node_attrs={"space": spaces}, graph_attrs={"end": text[end:]}
    )


def to_text(graph: Graph) -> str:
    """The text of a chain: of :func:`from_text` exactly; of other chains, blanks between tokens."""
    order, tokens = _walk(graph), to_tokens(graph)
    if "space" not in graph.node_attrs:
        return " ".join(map(str, tokens))
    spaces = [graph.space[node] for node in order.tolist()]
    pieces = [piece for pair in zip(spaces, tokens, strict=True) for piece in pair]
    return "".join([*pieces, graph.graph_attrs.get("end", "")])


def from_cooccurrence(
    *texts: Sequence[Hashable], window: int = 5, vocabulary: Sequence[Hashable] | None = None
) -> Graph:
    """Which tokens stand near each other: a node for each of the vocabulary.

    Two different tokens are joined, in both directions, if they stand within a window of as many
    tokens that slides over a text; `edge_weight` counts the pairs of places less than `window`
    apart at which they do.

    Args:
        *texts: One or several sequences of tokens; no window reaches from one to the next.
        window: How many tokens it holds, at least 2.
        vocabulary: As in :func:`from_tokens`.

    Returns:
        A Graph whose `node_names` are the vocabulary, with node attribute `count` ``[N]``, how
        often each token turns up. Edges are sorted by source and destination.
    """
    if window < 2:
        raise ValueError(f"window: expected at least 2, got {window}")
    if not texts:
        raise ValueError("texts: expected at least one, got none")
    for text in texts:
        _check_tokens("texts", text)
    if vocabulary is None:
        vocabulary = list(dict.fromkeys(token for text in texts for token in text))
    size, pairs = len(vocabulary), []
    numbers = [_number(text, vocabulary) for text in texts]
    for number in numbers:
        pairs += [
            torch.stack([number[:-gap], number[gap:]]) for gap in range(1, min(window, len(number)))
        ]
    one_way = torch.cat(pairs, dim=1) if pairs else torch.empty(2, 0, dtype=torch.int64)
    one_way = one_way[:, one_way[0] != one_way[1]]
    source, destination = torch.cat([one_way, one_way.flip(0)], dim=1)
    key, count = (source * size + destination).unique(return_counts=True)
    return Graph(
        torch.stack([key // size, key % size]),
        size,
        edge_weight=count.to(torch.get_default_dtype()),
        undirected=True,
        node_attrs={
            "node_names": list(vocabulary),
            "count": torch.bincount(torch.cat(numbers), minlength=size),
        },
    )


def _check_tokens(name: str, tokens: Any) -> None:
    if isinstance(tokens, str) or not isinstance(tokens, Sequence):
        hint = "; split it first, or use from_text" if isinstance(tokens, str) else ""
        raise TypeError(f"{name}: expected a sequence of tokens, got {type(tokens).__name__}{hint}")


def _number(tokens: Sequence[Hashable], vocabulary: Sequence[Hashable]) -> Tensor:
    """The place of every token in the vocabulary."""
    places = {token: place for place, token in enumerate(vocabulary)}
    if len(places) < len(vocabulary):
        twice = Counter(vocabulary).most_common(1)[0][0]
        raise ValueError(f"vocabulary: expected every token once, got {twice!r} more than once")
    unknown = next((token for token in tokens if token not in places), None)
    if unknown is not None:
        raise ValueError(
            f"vocabulary: expected all tokens of the text in it, but {unknown!r} is not"
        )
    return torch.tensor([places[token] for token in tokens], dtype=torch.int64)


def _walk(graph: Graph) -> Tensor:
    """The nodes of a chain from its first to its last."""
    if graph.is_batch:
        raise ValueError("graph: expected one graph, got a batch; convert those of graph.unbatch()")
    if "token" not in graph.node_attrs or "vocabulary" not in graph.graph_attrs:
        raise ValueError(f"graph: expected one that was made from tokens, got {graph}")
    following = dict(graph.edge_index.t().tolist())
    first = set(range(graph.num_nodes)) - set(following.values())
    order = sorted(first)[:1]
    while order and order[-1] in following and len(order) <= graph.num_nodes:
        order.append(following[order[-1]])
    if len(order) != graph.num_nodes or graph.num_edges != max(graph.num_nodes - 1, 0):
        raise ValueError("graph: expected a chain, every token with an edge to the next alone")
    return torch.tensor(order, dtype=torch.int64)
