"""Data sets as Graphs, splits that do not leak, and batches."""

from graphkit.data.batches import Batches, Samples
from graphkit.data.checks import check_split, check_targets
from graphkit.data.components import largest_component
from graphkit.data.dataset import Dataset
from graphkit.data.digits import digits_neighbours, digits_pixels
from graphkit.data.edge_list import load_csv, load_edge_list
from graphkit.data.family import DataError
from graphkit.data.features import normalize_features
from graphkit.data.folder import data_folder
from graphkit.data.graphml import load_graphml
from graphkit.data.grid import grid_edges
from graphkit.data.images import Images, load_images
from graphkit.data.interactions import Interactions, interactions_of, load_interactions
from graphkit.data.knowledge import TripleSplit, load_triples, triple_indices, triples_of
from graphkit.data.links import LinkSplit, RankedLinks, split_edges, split_links
from graphkit.data.load import Available, available, load
from graphkit.data.negatives import UnlinkedPairs, UnlinkedTargets
from graphkit.data.ogb_evaluator import official_score
from graphkit.data.scaffolds import split_by_scaffold
from graphkit.data.scenes import digit_scenes
from graphkit.data.smiles_csv import load_smiles_csv
from graphkit.data.social import karate_club, les_miserables
from graphkit.data.split import (
    Split,
    split_at_random,
    split_folds,
    split_per_class,
    split_stratified,
)
from graphkit.data.toys import longest_path, two_rings

__all__ = [
    "Available",
    "Batches",
    "DataError",
    "Dataset",
    "Images",
    "Interactions",
    "LinkSplit",
    "RankedLinks",
    "Samples",
    "Split",
    "TripleSplit",
    "UnlinkedPairs",
    "UnlinkedTargets",
    "available",
    "check_split",
    "check_targets",
    "data_folder",
    "digit_scenes",
    "digits_neighbours",
    "digits_pixels",
    "grid_edges",
    "interactions_of",
    "karate_club",
    "largest_component",
    "les_miserables",
    "load",
    "load_csv",
    "load_edge_list",
    "load_graphml",
    "load_images",
    "load_interactions",
    "load_smiles_csv",
    "load_triples",
    "longest_path",
    "normalize_features",
    "official_score",
    "split_at_random",
    "split_by_scaffold",
    "split_edges",
    "split_folds",
    "split_links",
    "split_per_class",
    "split_stratified",
    "triple_indices",
    "triples_of",
    "two_rings",
]
