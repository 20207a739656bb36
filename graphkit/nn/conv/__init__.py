"""Graph layers; one paper, one file."""

from graphkit.nn.conv.aggregate_combine_conv import AggregateCombineConv
from graphkit.nn.conv.edge_conv import EdgeConv
from graphkit.nn.conv.gat_conv import GATConv
from graphkit.nn.conv.gatv2_conv import GATv2Conv
from graphkit.nn.conv.gcn_conv import GCNConv, gcn_norm
from graphkit.nn.conv.gin_conv import GINConv
from graphkit.nn.conv.gine_conv import GINEConv
from graphkit.nn.conv.graph_conv import GraphConv
from graphkit.nn.conv.sage_conv import SAGEConv
from graphkit.nn.conv.transformer_conv import TransformerConv

__all__ = [
    "AggregateCombineConv",
    "EdgeConv",
    "GATConv",
    "GATv2Conv",
    "GCNConv",
    "GINConv",
    "GINEConv",
    "GraphConv",
    "SAGEConv",
    "TransformerConv",
    "gcn_norm",
]
