"""What the Open Graph Benchmark publishes about its sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphkit.data.dataset import Kind


@dataclass(frozen=True)
class Facts:
    """What OGB publishes about a set.

    Attributes:
        archive: Where its zip archive lies below OGB's address; the folder in it has the same name.
        kind, metric, outputs: As in `Dataset`.
        split: Its name, and that of its folder.
        inverse: Whether the files give each edge in one direction and both are meant.
        features: Which features there are, of "node" and "edge".
        further: Further files of numbers, one line for each "node" or "edge".
    """

    archive: str
    kind: Kind
    metric: str
    outputs: int
    split: str
    inverse: bool = True
    features: tuple[str, ...] = ("node", "edge")
    further: tuple[str, ...] = ()


def _molecules(name: str, kind: Kind, metric: str, outputs: int) -> Facts:
    return Facts(f"graphproppred/csv_mol_download/{name}", kind, metric, outputs, "scaffold")


SETS = {
    "ogbg-molbace": _molecules("bace", "multilabel", "roc_auc", 1),
    "ogbg-molbbbp": _molecules("bbbp", "multilabel", "roc_auc", 1),
    "ogbg-molchembl": _molecules("chembl", "multilabel", "roc_auc", 1310),
    "ogbg-molclintox": _molecules("clintox", "multilabel", "roc_auc", 2),
    "ogbg-molesol": _molecules("esol", "regression", "rmse", 1),
    "ogbg-molfreesolv": _molecules("freesolv", "regression", "rmse", 1),
    "ogbg-molhiv": _molecules("hiv", "multilabel", "roc_auc", 1),
    "ogbg-mollipo": _molecules("lipophilicity", "regression", "rmse", 1),
    "ogbg-molmuv": _molecules("muv", "multilabel", "ap", 17),
    "ogbg-molpcba": _molecules("pcba", "multilabel", "ap", 128),
    "ogbg-molsider": _molecules("sider", "multilabel", "roc_auc", 27),
    "ogbg-moltox21": _molecules("tox21", "multilabel", "roc_auc", 12),
    "ogbg-moltoxcast": _molecules("toxcast", "multilabel", "roc_auc", 617),
    "ogbg-ppa": Facts(
        "graphproppred/ogbg_ppi_medium", "multiclass", "accuracy", 37, "species",
        features=("edge",),
    ),
    "ogbn-arxiv": Facts(
        "nodeproppred/arxiv", "multiclass", "accuracy", 40, "time",
        inverse=False, features=("node",), further=("node_year",),
    ),
    "ogbn-products": Facts(
        "nodeproppred/products", "multiclass", "accuracy", 47, "sales_ranking",
        features=("node",),
    ),
    "ogbn-proteins": Facts(
        "nodeproppred/proteins", "multilabel", "roc_auc", 112, "species",
        features=("edge",), further=("node_species",),
    ),
    "ogbl-citation2": Facts(
        "linkproppred/citation-v2", "link", "mrr", 1, "time",
        inverse=False, features=("node",), further=("node_year",),
    ),
    "ogbl-collab": Facts(
        "linkproppred/collab", "link", "hits@50", 1, "time",
        features=("node",), further=("edge_weight", "edge_year"),
    ),
    "ogbl-ddi": Facts("linkproppred/ddi", "link", "hits@20", 1, "target", features=()),
    "ogbl-ppa": Facts(
        "linkproppred/ppassoc", "link", "hits@100", 1, "throughput", features=("node",)
    ),
}  # fmt: skip


Level = Literal["graph", "node", "link"]
_LEVELS: dict[str, Level] = {"ogbg": "graph", "ogbn": "node", "ogbl": "link"}


def level(name: str) -> Level:
    """What is predicted on: the name of a set begins with it."""
    return _LEVELS[name.split("-")[0]]
