"""Graph learning in PyTorch: write a layer as its paper does, and it runs as one fused kernel."""

__version__ = "0.1.0.dev0"
