"""`graphkit info`: what is here."""

from __future__ import annotations

from typing import Any

from graphkit.cli._output import plain_errors


def info() -> None:
    """Show versions, the engine, threads and where data sets lie."""
    import torch

    from graphkit import report
    from graphkit.data import data_folder

    lines: dict[str, Any] = report.versions()
    with plain_errors():
        lines["engine"] = report.engine()
    lines["threads"] = torch.get_num_threads()
    lines["device"] = report.device()
    lines["data"] = data_folder()
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:<{width}}  {value}")
