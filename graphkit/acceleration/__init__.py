"""Models of PyTorch Geometric and DGL on graphkit's engine, without a change to their code."""

from graphkit.acceleration.report import Acceleration, Layer, accelerate

__all__ = ["Acceleration", "Layer", "accelerate"]
