"""Models from layers: encoders of any depth, and heads to put on them."""

from graphkit.nn.models.autoencoder import ARGA, ARGVA, GAE, VGAE, InnerProductDecoder
from graphkit.nn.models.basic_gnn import GAT, GCN, GIN, PNA, BasicGNN, GraphSAGE
from graphkit.nn.models.gcnii import GCNII
from graphkit.nn.models.heads import EdgeHead, GraphHead, NodeHead, Predictor
from graphkit.nn.models.jumping_knowledge import JumpingKnowledge
from graphkit.nn.models.knowledge import (
    ComplEx,
    DistMult,
    KnowledgeModel,
    RGCNDistMult,
    RotatE,
    TransE,
)
from graphkit.nn.models.label_propagation import LabelPropagation
from graphkit.nn.models.lightgcn import LightGCN
from graphkit.nn.models.mlp import MLP
from graphkit.nn.models.signed_gcn import SignedGCN
from graphkit.nn.models.stack import ConvStack

__all__ = [
    "ARGA",
    "ARGVA",
    "GAE",
    "GAT",
    "GCN",
    "GCNII",
    "GIN",
    "MLP",
    "PNA",
    "VGAE",
    "BasicGNN",
    "ComplEx",
    "ConvStack",
    "DistMult",
    "EdgeHead",
    "GraphHead",
    "GraphSAGE",
    "InnerProductDecoder",
    "JumpingKnowledge",
    "KnowledgeModel",
    "LabelPropagation",
    "LightGCN",
    "NodeHead",
    "Predictor",
    "RGCNDistMult",
    "RotatE",
    "SignedGCN",
    "TransE",
]
