"""Kernels that draw neighbours, walks and pairs at random, compiled by Numba."""
