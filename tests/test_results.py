"""The README quotes the measured results as they are."""

from __future__ import annotations

import csv
from pathlib import Path

from graphkit.benchmark import Results, read_all, summaries
from graphkit.experiment import recipe_of

ROOT = Path(__file__).parent.parent


def rows(name: str) -> list[dict[str, str]]:
    with open(ROOT / "benchmarks" / "results" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def steps(system: str) -> dict[str, dict[str, str]]:
    """What a peer measured on the graph of ogbn-arxiv's size, by layer."""
    return {
        row["layer"]: row
        for row in rows("steps")
        if (row["workload"], float(row["scale"])) == ("power-law", 1)
        and (row["system"], row["base"], row["allocator"]) == (system, "graphkit", "stock")
        and row["times_base"]
    }


def speed_table() -> str:
    """Layers that PyTorch Geometric or DGL was measured with; a dash where one could not be."""
    lines = ["| | PyTorch Geometric | its peak memory | DGL |", "|---|---|---|---|"]
    pyg, dgl = steps("pyg"), steps("dgl")
    for layer in dict.fromkeys([*pyg, *dgl]):
        cells = [
            f"{float(found[layer][column]):.1f}" if layer in found else "–"
            for found, column in (
                (pyg, "times_base"),
                (pyg, "peak_times_base"),
                (dgl, "times_base"),
            )
        ]
        lines.append(f"| {layer} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def gpu_table() -> str:
    """Steps on a GPU, with the memory that PyTorch Geometric needs."""
    found = {(row["layer"], row["system"]): row for row in rows("gpu")}
    lines = ["| | ms | eager | compiled | eager's peak memory in ours |", "|---|---|---|---|---|"]
    for layer in ("gcn", "sage-max", "gat", "gatv2", "transformer", "gate"):
        ours, eager, compiled = (
            found[layer, system] for system in ("graphkit", "pyg", "pyg-compile")
        )
        cells = [1000 * float(ours["seconds_median"])]
        cells += [float(row["times_base"]) for row in (eager, compiled)]
        cells += [float(eager["peak_times_base"])]
        lines.append(f"| {layer} | {' | '.join(f'{cell:.1f}' for cell in cells)} |")
    return "\n".join(lines) + "\n"


def experiments_table() -> str:
    """Models on the public splits of Planetoid."""
    files = sorted((ROOT / "benchmarks/results/experiments").glob("*.csv"), reverse=True)
    records = [record for file in files for record in Results(file).records.values()]
    found = {
        (s.config.model, s.config.dataset): f"{s.mean:.1f} ± {s.deviation or 0.0:.1f} "
        f"({s.published.value:.1f})"
        for s in summaries(read_all(ROOT / "benchmarks/configs"), records)
        if s.config.split == "public" and s.config.task == "node" and s.published is not None
    }
    sets = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}
    lines = [f"| | {' | '.join(sets.values())} |", "|---|---|---|---|"]
    for model in sorted({model for model, _ in found}):
        cells = (found.get((model, name), "–") for name in sets)
        lines.append(f"| {recipe_of(model).title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_readme_quotes_the_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert speed_table() in text
    assert gpu_table() in text
    assert experiments_table() in text
    assert f"a step is {float(steps('pyg-csr')['gcn']['times_base']):.1f} times faster" in text
    assert f"wrote, {float(steps('pyg-compile')['gate']['times_base']):.1f} times" in text
