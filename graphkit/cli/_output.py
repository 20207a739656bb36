"""What all commands do with their results and their errors."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

INTERRUPTED = 130  # what shells report for a program ended by Ctrl-C


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with a sentence and status 2, without a traceback, where the input is at fault."""
    from graphkit.data import DataError

    try:
        yield
    except (ValueError, DataError, ImportError, OSError, FloatingPointError) as error:
        typer.secho(f"Error: {error}", fg="red", err=True)
        raise typer.Exit(2) from None


def write(text: str, file: str) -> None:
    if file == "-":
        print(text)
    else:
        Path(file).write_text(text + "\n", encoding="utf-8")


def check_folder(folder: Path, option: str) -> None:
    """Make the folder and try to write there, so that nobody trains for nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise typer.BadParameter(
            f"expected a folder to write to, got {folder}: {error.strerror}", param_hint=option
        ) from None


def check_json(file: str) -> None:
    """Raise now if the results could not be written to what `--json` names."""
    if file in ("", "-"):
        return
    check_folder(Path(file).absolute().parent, "--json")
    if Path(file).is_dir():
        raise typer.BadParameter(f"expected a file, got the folder {file}")
