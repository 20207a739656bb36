"""Layers, readouts and models for graphs, as users of torch.nn and torch_geometric.nn expect."""

from graphkit.nn import aggr
from graphkit.nn.block import GraphNetwork
from graphkit.nn.conv import (
    APPNP,
    AggregateCombineConv,
    ChebConv,
    EdgeConv,
    GATConv,
    GATv2Conv,
    GCN2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    GPSConv,
    GraphConv,
    SAGEConv,
    SGConv,
    TAGConv,
    TransformerConv,
)
from graphkit.nn.dense import to_dense_adj, to_dense_batch
from graphkit.nn.dropout import Dropout, dropout
from graphkit.nn.encoders import AtomEncoder, BondEncoder, CategoricalEncoder
from graphkit.nn.linear import Linear
from graphkit.nn.message_passing import MessagePassing, softmax
from graphkit.nn.models import (
    GAT,
    GCN,
    GIN,
    MLP,
    BasicGNN,
    EdgeHead,
    GraphHead,
    GraphSAGE,
    JumpingKnowledge,
    NodeHead,
    Predictor,
)
from graphkit.nn.norm import BatchNorm, GraphNorm, InstanceNorm, LayerNorm, PairNorm
from graphkit.nn.pool import (
    global_add_pool,
    global_max_pool,
    global_mean_pool,
    global_min_pool,
)

__all__ = [
    "APPNP",
    "GAT",
    "GCN",
    "GIN",
    "MLP",
    "AggregateCombineConv",
    "AtomEncoder",
    "BasicGNN",
    "BatchNorm",
    "BondEncoder",
    "CategoricalEncoder",
    "ChebConv",
    "Dropout",
    "EdgeConv",
    "EdgeHead",
    "GATConv",
    "GATv2Conv",
    "GCN2Conv",
    "GCNConv",
    "GINConv",
    "GINEConv",
    "GPSConv",
    "GraphConv",
    "GraphHead",
    "GraphNetwork",
    "GraphNorm",
    "GraphSAGE",
    "InstanceNorm",
    "JumpingKnowledge",
    "LayerNorm",
    "Linear",
    "MessagePassing",
    "NodeHead",
    "PairNorm",
    "Predictor",
    "SAGEConv",
    "SGConv",
    "TAGConv",
    "TransformerConv",
    "aggr",
    "dropout",
    "global_add_pool",
    "global_max_pool",
    "global_mean_pool",
    "global_min_pool",
    "softmax",
    "to_dense_adj",
    "to_dense_batch",
]
