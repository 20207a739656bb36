"""Batches of large graphs: sampled neighbours, clusters, random walks, and pairs not linked."""

from graphkit.sampling.inference import layerwise_inference
from graphkit.sampling.loader import Loader, NeighborLoader
from graphkit.sampling.neighbour import Blocks, NeighborSampler

__all__ = ["Blocks", "Loader", "NeighborLoader", "NeighborSampler", "layerwise_inference"]
