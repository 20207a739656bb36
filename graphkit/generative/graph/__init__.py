"""Graphs coded, decoded and generated, by the layers that also predict."""

from graphkit.generative.graph.edit import PredictedScore, Step, design, neighbours
from graphkit.generative.graph.gae import (
    LINKS,
    DistMult,
    InnerProduct,
    Links,
    MLPDecoder,
    draw_links,
    gae,
    link_error,
    vgae,
)
from graphkit.generative.graph.graphgan import (
    GraphGAN,
    NeighbourBatches,
    PairDiscriminator,
    TreeGenerator,
    Trees,
)
from graphkit.generative.graph.maskgae import MaskGAE
from graphkit.generative.graph.molgan import (
    DenseMolecules,
    MoleculeGenerator,
    MoleculeReader,
    MolGAN,
    Scarce,
)
from graphkit.generative.graph.netgan import (
    NetGAN,
    Relaxed,
    WalkBatches,
    WalkCritic,
    WalkGenerator,
    assemble,
    train_netgan,
)

__all__ = [
    "LINKS",
    "DenseMolecules",
    "DistMult",
    "GraphGAN",
    "InnerProduct",
    "Links",
    "MLPDecoder",
    "MaskGAE",
    "MolGAN",
    "MoleculeGenerator",
    "MoleculeReader",
    "NeighbourBatches",
    "NetGAN",
    "PairDiscriminator",
    "PredictedScore",
    "Relaxed",
    "Scarce",
    "Step",
    "TreeGenerator",
    "Trees",
    "WalkBatches",
    "WalkCritic",
    "WalkGenerator",
    "assemble",
    "design",
    "draw_links",
    "gae",
    "link_error",
    "neighbours",
    "train_netgan",
    "vgae",
]
