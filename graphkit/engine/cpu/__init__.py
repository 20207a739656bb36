"""Numba: one row-wise kernel, specialised on the expression."""
