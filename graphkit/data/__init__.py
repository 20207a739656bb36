"""Data sets as Graphs, splits that do not leak, and batches."""

from graphkit.data.batches import Batches
from graphkit.data.checks import check_split, check_targets
from graphkit.data.digits import digits_neighbours, digits_pixels
from graphkit.data.folder import data_folder
from graphkit.data.grid import grid_edges
from graphkit.data.links import LinkSplit, split_links
from graphkit.data.social import les_miserables
from graphkit.data.split import (
    Split,
    split_at_random,
    split_folds,
    split_per_class,
    split_stratified,
)

__all__ = [
    "Batches",
    "LinkSplit",
    "Split",
    "check_split",
    "check_targets",
    "data_folder",
    "digits_neighbours",
    "digits_pixels",
    "grid_edges",
    "les_miserables",
    "split_at_random",
    "split_folds",
    "split_links",
    "split_per_class",
    "split_stratified",
]
