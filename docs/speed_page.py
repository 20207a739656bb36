"""The tables and figures of the page on speed, made of the rows in benchmarks/results."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
TABLES = Path(__file__).parent / "_tables"
PEERS = ("pyg", "pyg-csr", "pyg-edgeindex", "pyg-compile", "dgl", "index-add")
GPU_PEERS = ("graphkit-bf16", "reference", "pyg", "pyg-csr", "pyg-compile")
WORKLOADS = {
    ("power-law", "1.0"): "Training steps on a graph of the size of ogbn-arxiv",
    ("power-law", "0.5"): "Half that graph, where the peers' tensors of edges fit into memory",
    ("molecules", "1.0"): "Batches of molecules",
    ("large", "1.0"): "Twenty million edges",
    ("dense", "1.0"): "As dense as Reddit",
}
Row = dict[str, str]


def rows_of(name: str, **wanted: str) -> list[Row]:
    """The rows of a file in which some columns have certain values; none if there is no file."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def write_speed() -> None:
    """The sections of the page for which there are rows, with their tables and figures."""
    lines: list[str] = []
    for (workload, scale), title in WORKLOADS.items():
        for allocator in ("stock", "kept"):
            wanted = {"workload": workload, "scale": scale, "allocator": allocator}
            rows = rows_of("steps", base="graphkit", **wanted)
            if rows:
                kept = "" if allocator == "stock" else ", freed memory kept"
                name = f"{workload}_{scale}_{allocator}".replace(".", "_")
                lines += heading(title + kept) + steps(name, rows)
    if rows := rows_of("steps", base="graphkit-bf16"):
        lines += heading("bfloat16")
        lines += ["Features and weights in bfloat16 on our side, float32 on the others'.", ""]
        lines += table("steps_bf16", "layer system seconds_median times_base peak_mb note", rows)
    growing = rows_of("steps", workload="large", allocator="stock", base="graphkit")
    growing = [row for row in growing if float(row["scale"]) < 1 and row["seconds_median"]]
    if growing:
        lines += heading("Growth") + growth(growing)
    if rows := [row | {"peak_mb": row["gpu_mb"]} for row in rows_of("gpu")]:
        lines += heading("On a GPU") + on_gpu(rows)
    if rows := rows_of("roofline"):
        lines += heading("Against the memory's bandwidth")
        lines += ["The sum over neighbours alone, forward, into memory used before.", ""]
        columns = "features system threads gb_per_second of_gather of_triad"
        lines += table("roofline", columns, rows)
    if rows := rows_of("accelerate", nodes="169343"):
        lines += heading("Models of PyTorch Geometric, accelerated")
        lines += ["Their steps on the first of these graphs, before and after.", ""]
        lines += table("accelerate", "model system seconds_median times_base peak_mb", rows)
    if rows := rows_of("first_call"):
        lines += heading("Until the first result")
        lines += [
            "Seconds of imports, and of the first call of a message with its backward pass.",
            "",
        ]
        lines += table("first_call", "what seconds_median seconds_min seconds_max", rows)
    (TABLES / "speed.txt").write_text("\n".join(lines), encoding="utf-8")


def heading(title: str) -> list[str]:
    return ["", title, "-" * len(title), ""]


def table(name: str, columns: str, rows: Iterable[Row]) -> list[str]:
    """Some columns of the rows, as they are."""
    with open(TABLES / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns.split(), extrasaction="ignore")
        writer.writerow({column: column.replace("_", " ") for column in columns.split()})
        writer.writerows(rows)
    return [".. csv-table::", f"   :file: {name}.csv", "   :header-rows: 1", ""]


def steps(name: str, rows: list[Row], among: Iterable[str] = PEERS) -> list[str]:
    """A line for every layer, a column for every peer; the notes of those that could not."""
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    found = {(row["layer"], row["system"]): row for row in rows}
    peers = [peer for peer in among if any((layer, peer) in found for layer in layers)]
    lines: list[Row] = []
    notes: dict[str, list[str]] = {}
    for layer in layers:
        ours = found.get((layer, "graphkit"), {})
        line = {"layer": layer, "graphkit s": ours.get("seconds_median", "–")}
        if "gemm_seconds" in rows[0]:
            line["products s"] = ours.get("gemm_seconds") or "–"
        line["MB"] = ours.get("peak_mb") or "–"
        for peer in peers:
            row = found.get((layer, peer), {})
            line[peer] = f"× {float(row['times_base']):.1f}" if row.get("times_base") else "–"
            if row.get("peak_times_base"):
                line[peer] += f" (× {float(row['peak_times_base']):.1f})"
            if row.get("note"):
                notes.setdefault(row["note"], []).append(f"{layer} {peer}")
        lines.append(line)
    with open(TABLES / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    draw_steps(name, layers, peers, found)
    remarks = [f"* {note} ({', '.join(where)})" for note, where in notes.items()]
    nodes, edges = (int(rows[-1][size]) for size in ("nodes", "edges"))
    sizes = f"{nodes:,} nodes and {edges:,} edges, features {rows[0]['widths'].replace('-', ' → ')}"
    products = " and of its matrix products alone" if "gemm_seconds" in rows[0] else ""
    place = rows[-1].get("gpu") or f"{rows[-1]['threads']} threads"
    return [
        f"{sizes}; {place}. Seconds of our step{products}, our peak memory, and of every other the "
        "steps of ours in one of its (in brackets its peak memory in ours).",
        *["", ".. csv-table::", f"   :file: {name}.csv", "   :header-rows: 1", ""],
        *[
            f".. image:: /_tables/{name}.svg",
            f"   :alt: {name}: times of the peers",
            "",
            *remarks,
            "",
        ],
    ]


def on_gpu(rows: list[Row]) -> list[str]:
    """The steps, and the sums beside what torch has for them."""
    sums = [row for row in rows if row["layer"] == "sum"]
    return [
        *steps("steps_gpu", [row for row in rows if row["layer"] != "sum"], GPU_PEERS),
        "*reference* is graphkit without kernels. Memory is what a step allocates beyond graph, "
        "features and weights. The sum over neighbours alone, forward, takes:",
        "",
        *table("sums_gpu", "features system seconds_median gb_per_second", sums),
    ]


def draw_steps(
    name: str, layers: list[str], peers: list[str], found: dict[tuple[str, str], Row]
) -> None:
    """Bars: how many steps of ours fit into one of a peer's."""
    from matplotlib import pyplot
    from matplotlib.ticker import LogLocator, NullFormatter

    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.5 * len(layers)), layout="constrained")
    height = 0.8 / max(1, len(peers))
    for number, peer in enumerate(peers):
        rows = [found.get((layer, peer), {}) for layer in layers]
        times = [float(row.get("times_base") or "nan") for row in rows]
        places = [k + height * (number + 0.5) - 0.4 for k in range(len(layers))]
        axes.barh(places, times, height, label=peer)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel="steps of graphkit in one step")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(layers)), layers)
    axes.invert_yaxis()
    axes.legend()
    figure.savefig(TABLES / f"{name}.svg")
    pyplot.close(figure)


def growth(rows: list[Row]) -> list[str]:
    """Lines: seconds and memory over the number of edges."""
    from matplotlib import pyplot

    figure, both = pyplot.subplots(1, 2, figsize=(9, 4), layout="constrained")
    lines = sorted({(row["layer"], row["system"]) for row in rows})
    colours = {layer: f"C{k}" for k, layer in enumerate(dict.fromkeys(line[0] for line in lines))}
    for layer, system in lines:
        mine = [row for row in rows if (row["layer"], row["system"]) == (layer, system)]
        mine.sort(key=lambda row: int(row["edges"]))
        edges = [int(row["edges"]) for row in mine]
        style = "-" if system == "graphkit" else "--"
        for axes, column in zip(both, ("seconds_median", "peak_mb"), strict=True):
            values = [float(row[column]) for row in mine]
            axes.plot(
                edges, values, style, marker=".", color=colours[layer], label=f"{layer}, {system}"
            )
    for axes, label in zip(both, ("seconds of a step", "peak memory in MB"), strict=True):
        axes.set(xscale="log", yscale="log", xlabel="edges", ylabel=label)
    both[0].legend(fontsize="small")
    figure.savefig(TABLES / "growth.svg")
    pyplot.close(figure)
    image = [
        ".. image:: /_tables/growth.svg",
        "   :alt: seconds and memory over the number of edges",
    ]
    return ["One layer of 64 features, 20 edges a node.", "", *image, ""]
