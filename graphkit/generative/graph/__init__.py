"""Graphs coded, decoded and generated, by the layers that also predict."""

from graphkit.generative.graph.edit import PredictedScore, Step, design, neighbours
from graphkit.generative.graph.gae import (
    LINKS,
    DistMult,
    InnerProduct,
    Links,
    MLPDecoder,
    Products,
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
from graphkit.generative.graph.graphvae import OrderedReader, graph_vae
from graphkit.generative.graph.maskgae import MaskGAE
from graphkit.generative.graph.molecules import (
    DenseMolecules,
    MoleculeDecoder,
    MoleculeReader,
    RelationalLayer,
)
from graphkit.generative.graph.molgan import (
    MoleculeGenerator,
    MolGAN,
    OfValid,
    Scarce,
    molecule_generator,
)
from graphkit.generative.graph.netgan import (
    NetGAN,
    Relaxed,
    WalkBatches,
    WalkCritic,
    WalkGenerator,
    assemble,
    generated_graph,
    train_netgan,
    walk_counts,
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
    "MoleculeDecoder",
    "MoleculeGenerator",
    "MoleculeReader",
    "NeighbourBatches",
    "NetGAN",
    "OfValid",
    "OrderedReader",
    "PairDiscriminator",
    "PredictedScore",
    "Products",
    "RelationalLayer",
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
    "generated_graph",
    "graph_vae",
    "link_error",
    "molecule_generator",
    "neighbours",
    "train_netgan",
    "vgae",
    "walk_counts",
]
