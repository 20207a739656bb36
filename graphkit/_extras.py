"""Packages that are optional: one clear sentence where one is missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def require(module: str, *, extra: str, what: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: Full name of the module: "rdkit.Chem".
        extra: The extra of graphkit that brings it.
        what: What it is needed for: "reading SMILES".

    Raises:
        ImportError: It is not installed; says what needs it and how to get it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise  # the package is there, and lacks something of its own
        package = module.split(".")[0]
        raise ImportError(
            f"{what} needs {package}, which is not installed: "
            f"pip install 'graphkit-torch[{extra}]'",
            name=package,
        ) from None
