"""Layers, readouts and models for graphs, as users of torch.nn and torch_geometric.nn expect."""

from graphkit.nn import aggr
from graphkit.nn.block import GraphNetwork
from graphkit.nn.conv import (
    AggregateCombineConv,
    EdgeConv,
    GATConv,
    GATv2Conv,
    GCNConv,
    GINConv,
    GINEConv,
    GraphConv,
    SAGEConv,
    TransformerConv,
)
from graphkit.nn.dropout import Dropout, dropout
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
    "GAT",
    "GCN",
    "GIN",
    "MLP",
    "AggregateCombineConv",
    "BasicGNN",
    "BatchNorm",
    "Dropout",
    "EdgeConv",
    "EdgeHead",
    "GATConv",
    "GATv2Conv",
    "GCNConv",
    "GINConv",
    "GINEConv",
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
    "TransformerConv",
    "aggr",
    "dropout",
    "global_add_pool",
    "global_max_pool",
    "global_mean_pool",
    "global_min_pool",
    "softmax",
]
