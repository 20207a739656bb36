"""Batches of large graphs: sampled neighbours, clusters, random walks, and pairs not linked."""

from graphkit.sampling.cluster import ClusterLoader, partition
from graphkit.sampling.embedding import walk_embedding
from graphkit.sampling.inference import layerwise_inference
from graphkit.sampling.loader import Loader, NeighborLoader
from graphkit.sampling.negative import negative_sampling, structured_negative_sampling
from graphkit.sampling.neighbour import Blocks, NeighborSampler
from graphkit.sampling.random_walk import RandomWalkLoader, RandomWalkSampler, random_walk

__all__ = [
    "Blocks",
    "ClusterLoader",
    "Loader",
    "NeighborLoader",
    "NeighborSampler",
    "RandomWalkLoader",
    "RandomWalkSampler",
    "layerwise_inference",
    "negative_sampling",
    "partition",
    "random_walk",
    "structured_negative_sampling",
    "walk_embedding",
]
