"""Small graphs as dense tensors: a row of nodes and an adjacency matrix for each."""

from graphkit.nn.dense.convert import to_dense_adj, to_dense_batch

__all__ = ["to_dense_adj", "to_dense_batch"]
