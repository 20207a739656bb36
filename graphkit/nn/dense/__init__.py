"""Small graphs as dense tensors: a row of nodes and an adjacency matrix for each."""

from graphkit.nn.dense.convert import to_dense_adj, to_dense_batch
from graphkit.nn.dense.dense_gcn_conv import DenseGCNConv
from graphkit.nn.dense.dense_sage_conv import DenseSAGEConv
from graphkit.nn.dense.diff_pool import dense_diff_pool

__all__ = [
    "DenseGCNConv",
    "DenseSAGEConv",
    "dense_diff_pool",
    "to_dense_adj",
    "to_dense_batch",
]
