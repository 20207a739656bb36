"""From and to text: chains of tokens, which tokens stand near each other, words and documents."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
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
    vocabulary = _vocabulary("texts", texts, window, vocabulary)
    size, pairs = len(vocabulary), []
    numbers = _number_all(texts, vocabulary)
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
            "node_names": vocabulary,
            "count": torch.bincount(torch.cat(numbers), minlength=size),
        },
    )


def from_documents(
    documents: Sequence[Sequence[Hashable]],
    window: int = 20,
    vocabulary: Sequence[Hashable] | None = None,
) -> Graph:
    r"""Documents and their words, Yao et al. 2019, eq. 3.

    A document and a word in it are joined by TF-IDF, two words by their pointwise mutual
    information where it is positive, both in both directions:

    .. math::
        A_{dw} = n_{dw} \log \frac{D}{D_w}, \quad
        A_{vw} = \log \frac{W_{vw} W}{W_v W_w}

    :math:`n_{dw}` counts the word in the document, :math:`D_w` the documents of :math:`D` that
    hold it, :math:`W_w` and :math:`W_{vw}` the windows of :math:`W` that hold a word or both.
    A window is as many tokens that follow each other in a document; a shorter document is one.

    Args:
        documents: Their tokens, one sequence for each.
        window: How many tokens it holds, at least 2.
        vocabulary: As in :func:`from_tokens`.

    Returns:
        A Graph of the documents, in order, and after them of the words, with `edge_weight`. The
        `vocabulary` is kept on the graph, and `num_documents`. Edges are sorted by source and
        destination. A word that is in every document is joined to none.
    """
    import scipy.sparse

    vocabulary = _vocabulary("documents", documents, window, vocabulary)
    count = len(documents)
    lengths = np.array([len(document) for document in documents])
    words = torch.cat(_number_all(documents, vocabulary)).numpy()
    inside = _incidence(words, np.cumsum(lengths) - lengths, lengths, len(vocabulary))
    known, holding = np.unique(inside.indices, return_counts=True)
    idf = np.zeros(len(vocabulary))
    idf[known] = np.log(count / holding)
    inside.data = inside.data * idf[inside.indices]
    near = _mutual_information(words, lengths, window, len(vocabulary))
    joined = scipy.sparse.bmat([[None, inside], [inside.T, near]], format="csr")
    joined.eliminate_zeros()
    joined.sort_indices()
    source = np.repeat(np.arange(joined.shape[0]), np.diff(joined.indptr))
    return Graph(
        torch.from_numpy(np.stack([source, joined.indices.astype(np.int64)])),
        count + len(vocabulary),
        edge_weight=torch.from_numpy(joined.data).to(torch.get_default_dtype()),
        undirected=True,
        graph_attrs={"vocabulary": vocabulary, "num_documents": count},
    )


def _mutual_information(words: Any, lengths: Any, window: int, size: int) -> Any:
    """That of every two different words, where it is positive; a sparse matrix."""
    import scipy.sparse

    windows = np.where(lengths > 0, np.maximum(lengths - window + 1, 1), 0)
    first = np.cumsum(windows) - windows
    start = np.arange(windows.sum()) + np.repeat(np.cumsum(lengths) - lengths - first, windows)
    inside = _incidence(words, start, np.repeat(np.minimum(lengths, window), windows), size)
    inside.data[:] = 1
    together = (inside.T @ inside).tocoo()
    holding = together.diagonal()
    row, column = together.row, together.col
    found, expected = together.data * windows.sum(), holding[row] * holding[column]
    kept = (row != column) & (found > expected)  # of whole numbers
    information = np.log(found[kept] / expected[kept])
    return scipy.sparse.csr_matrix((information, (row[kept], column[kept])), together.shape)


def _incidence(words: Any, start: Any, width: Any, size: int) -> Any:
    """How often each run of words, given by where it starts, holds each word; a sparse matrix."""
    import scipy.sparse

    end = np.concatenate([[0], np.cumsum(width)])
    place = np.arange(end[-1]) + np.repeat(start - end[:-1], width)
    parts = (np.ones(end[-1]), words[place], end)
    found = scipy.sparse.csr_matrix(parts, shape=(len(width), size))
    found.sum_duplicates()
    return found


def _vocabulary(
    name: str,
    texts: Sequence[Sequence[Hashable]],
    window: int,
    vocabulary: Sequence[Hashable] | None,
) -> list[Hashable]:
    """That which was given, or all tokens of texts that were checked."""
    if window < 2:
        raise ValueError(f"window: expected at least 2, got {window}")
    if not texts:
        raise ValueError(f"{name}: expected at least one, got none")
    for text in texts:
        _check_tokens(name, text)
    if vocabulary is None:
        vocabulary = list(dict.fromkeys(token for text in texts for token in text))
    return list(vocabulary)


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


def _number_all(
    texts: Sequence[Sequence[Hashable]], vocabulary: Sequence[Hashable]
) -> list[Tensor]:
    """The places of the tokens of every text."""
    numbers = _number([token for text in texts for token in text], vocabulary)
    return list(numbers.split([len(text) for text in texts]))


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
