"""Triton: one kernel for every walk over the edges, written out from the expression."""
