"""Graph layers; one paper, one file."""

from graphkit.nn.conv.aggregate_combine_conv import AggregateCombineConv
from graphkit.nn.conv.agnn_conv import AGNNConv
from graphkit.nn.conv.appnp import APPNP
from graphkit.nn.conv.arma_conv import ARMAConv
from graphkit.nn.conv.cheb_conv import ChebConv
from graphkit.nn.conv.edge_conv import EdgeConv
from graphkit.nn.conv.gat_conv import GATConv
from graphkit.nn.conv.gatv2_conv import GATv2Conv
from graphkit.nn.conv.gcn2_conv import GCN2Conv
from graphkit.nn.conv.gcn_conv import GCNConv, gcn_norm
from graphkit.nn.conv.gcne_conv import GCNEConv
from graphkit.nn.conv.gin_conv import GINConv
from graphkit.nn.conv.gine_conv import GINEConv
from graphkit.nn.conv.gps_conv import GPSConv
from graphkit.nn.conv.graph_conv import GraphConv
from graphkit.nn.conv.lg_conv import LGConv
from graphkit.nn.conv.nn_conv import NNConv
from graphkit.nn.conv.pna_conv import PNAConv
from graphkit.nn.conv.res_gated_graph_conv import ResGatedGraphConv
from graphkit.nn.conv.rgcn_conv import RGCNConv
from graphkit.nn.conv.sage_conv import SAGEConv
from graphkit.nn.conv.sg_conv import SGConv
from graphkit.nn.conv.signed_conv import SignedConv
from graphkit.nn.conv.tag_conv import TAGConv
from graphkit.nn.conv.transformer_conv import TransformerConv

__all__ = [
    "APPNP",
    "AGNNConv",
    "ARMAConv",
    "AggregateCombineConv",
    "ChebConv",
    "EdgeConv",
    "GATConv",
    "GATv2Conv",
    "GCN2Conv",
    "GCNConv",
    "GCNEConv",
    "GINConv",
    "GINEConv",
    "GPSConv",
    "GraphConv",
    "LGConv",
    "NNConv",
    "PNAConv",
    "RGCNConv",
    "ResGatedGraphConv",
    "SAGEConv",
    "SGConv",
    "SignedConv",
    "TAGConv",
    "TransformerConv",
    "gcn_norm",
]
