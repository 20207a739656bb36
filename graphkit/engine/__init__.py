"""The engine: how messages become kernels. The only package that knows kernels."""
