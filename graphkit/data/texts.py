"""Documents and their words (Yao et al. 2019)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from graphkit.convert import from_documents
from graphkit.data.dataset import Dataset
from graphkit.data.family import Family, RawFile
from graphkit.data.features import sparse_features
from graphkit.data.split import Split, split_at_random
from graphkit.graph import Graph

_URL = "https://raw.githubusercontent.com/yao8839836/text_gcn/master/data"
_TITLES = {"r8": "R8", "mr": "MR"}
_FILES = {"r8": "R8", "mr": "mr"}


def _files(name: str) -> list[RawFile]:
    stem = _FILES[name]
    paths = (f"{stem}.txt", f"corpus/{stem}.clean.txt")
    return [RawFile(f"text/{path}", f"{_URL}/{path}") for path in paths]


def _read(name: str, folder: Path) -> Dataset:
    """Read the parts and classes of the documents, and their words, a line each.

    The graph is that of `from_documents`: documents first, words after them. Words have no class.
    A document's `x` is the TF-IDF of its words, a word's is 1 for itself alone.
    """
    about, texts = (_lines(folder / file.path) for file in _files(name))
    if len(about) != len(texts):
        raise ValueError(f"expected a line for every document, got {len(about)} and {len(texts)}")
    _, part, label = zip(*(line.split("\t") for line in about), strict=True)
    graph = from_documents([text.split() for text in texts])
    classes = sorted(set(label))
    y = torch.full((graph.num_nodes,), -1)
    y[: len(label)] = torch.tensor([classes.index(each) for each in label])
    given = torch.tensor([each == "train" for each in part])
    return Dataset(
        name=name,
        title=_TITLES[name],
        level="node",
        kind="multiclass",
        metric="accuracy",
        graphs=[graph.replace(x=_features(graph), node_attrs={"y": y})],
        num_outputs=len(classes),
        splits=lambda seed: _split(given, seed),
        split_name="official, 10 % of training for validation by seed",
        further={"classes": classes},
    )


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="latin1").rstrip("\n").split("\n")


def _features(graph: Graph) -> Tensor:
    import scipy.sparse

    documents, size = graph.num_documents, len(graph.vocabulary)
    source, destination = graph.edge_index
    of_document = source < documents
    place = (source[of_document], destination[of_document] - documents)
    words = scipy.sparse.csr_matrix((graph.edge_weight[of_document], place), (documents, size))
    return sparse_features(scipy.sparse.vstack([words, scipy.sparse.identity(size)]))


def _split(given: Tensor, seed: int) -> Split:
    """The official test part; of the documents given for training a tenth is for validation."""
    known = given.nonzero().flatten()
    drawn = split_at_random(len(known), len(known) - len(known) // 10, 0, seed=seed)
    return Split(known[drawn.train], known[drawn.test], (~given).nonzero().flatten())


FAMILY = Family(title="Texts", names=tuple(_TITLES), files=_files, read=_read)
