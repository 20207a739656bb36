"""Graphs coded and decoded, by the layers that also predict."""

from graphkit.generative.graph.gae import (
    LINKS,
    DistMult,
    InnerProduct,
    Links,
    gae,
    link_error,
    vgae,
)

__all__ = ["LINKS", "DistMult", "InnerProduct", "Links", "gae", "link_error", "vgae"]
