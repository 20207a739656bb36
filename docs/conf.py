"""Sphinx: the reference from docstrings, the tutorials from scripts that are executed."""

import csv
import os
import re
import statistics
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("MPLBACKEND", "agg")
sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

from speed_page import write_speed

import graphkit
from graphkit.benchmark import Results, as_rows, read_all, summaries
from graphkit.data.cards import all_cards
from graphkit.data.load import FAMILIES
from graphkit.experiment import names, recipe_of

project = "graphkit"
author = "graphkit contributors"
copyright = "graphkit contributors"
version = release = graphkit.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_tables", "tutorials", "examples"]
default_role = "code"

html_theme = "furo"
html_title = f"graphkit {version}"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Shapes"]

sphinx_gallery_conf = {
    "examples_dirs": ["tutorials"],
    "gallery_dirs": ["auto_tutorials"],
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

# A tutorial that warns is a tutorial that teaches something wrong.
warnings.filterwarnings("error", module=r"graphkit")


def write_tables() -> None:
    """Of the measured results, the columns that a reader wants."""
    here = Path(__file__).parent
    (here / "_tables").mkdir(exist_ok=True)
    columns = {
        "accuracy": "dataset split model seeds mean deviation published source",
        "cora_epochs": "system threads allocator seconds_median times_base peak_mb note",
        "transfer": "source target way metric seeds mean deviation",
        "molecules": "dataset model metric seeds mean deviation published source",
        "translation": "task system metric value steps seconds",
        "speech": "task source before_db after_db gain_db deviation_of_gain",
        "anomalies": "dataset detector roc_auc roc_auc_deviation ap seeds seconds",
        "molgan": "system molecules seed valid valid_part unique novel qed diversity "
        "valid_published unique_published novel_published steps seconds",
        "design": "score judge before after gain gain_deviation gain_by_judge improved edits "
        "molecules budget judge_error",
        "graphgan": "dataset model start auc auc_deviation ap ap_deviation accuracy "
        "accuracy_deviation seeds",
        "reactions": "model f1_macro f1_macro_deviation all_right all_right_deviation seeds "
        "seconds",
        "gae_epochs": "system threads allocator seconds_median times_base peak_mb auc",
        "molgan_steps": "system threads allocator seconds_median times_base peak_mb",
        "digits_vae": "model seed nll published draws epochs seconds",
        "image_gans": "task system metric value deviation runs steps seconds",
        "uses": "use system setting metric mean deviation runs seconds",
        "sampling": "system threads seconds_median edges_per_batch times_base peak_mb",
    }
    for name, wanted in columns.items():
        with open(here.parent / "benchmarks/results" / f"{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        with open(here / "_tables" / f"{name}.csv", "w", newline="") as file:
            table = csv.DictWriter(file, wanted.split(), extrasaction="ignore")
            table.writerow({column: column.replace("_", " ") for column in wanted.split()})
            table.writerows(rows)


def write_experiments() -> None:
    """Reproductions beside what was published, as `graphkit bench --table` writes them."""
    here = Path(__file__).parent
    folder = here.parent / "benchmarks"
    records = [
        record
        for file in sorted((folder / "results/experiments").glob("*.csv"))
        for record in Results(file).records.values()
    ]
    found = summaries(read_all(folder / "configs"), records)
    _write("experiments", as_rows(found))
    autoencoders = [s for s in found if recipe_of(s.config.model).kind == "autoencoder"]
    left_out = ("task", "protocol", "p", "source", "shortened", "tuned")
    _write(
        "graph_autoencoders",
        [{k: v for k, v in row.items() if k not in left_out} for row in as_rows(autoencoders)],
    )


def write_leaderboards() -> None:
    """The Open Graph Benchmark: of every seed's scores means and deviations."""
    here = Path(__file__).parent
    with open(here.parent / "benchmarks/results/ogb.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    runs = dict.fromkeys((r["dataset"], r["model"], r["settings"], r["machine"]) for r in rows)
    table = []
    for run in runs:
        of = [r for r in rows if (r["dataset"], r["model"], r["settings"], r["machine"]) == run]
        scores = {}
        for part in ("test", "val"):
            values = [float(r[part]) for r in of]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            scores[part] = f"{statistics.fmean(values):.2f}{spread}"
        names = ("dataset", "model", "settings", "machine")
        of_run = dict(zip(names, run, strict=True))
        machine = of_run.pop("machine")
        more = {"seeds": len(of), "parameters": of[0]["parameters"], "machine": machine}
        table.append(of_run | scores | more)
    _write("ogb", table)


def _write(name: str, rows: list[dict[str, Any]]) -> None:
    with open(Path(__file__).parent / f"_tables/{name}.csv", "w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def write_gans() -> None:
    """Of the players' figures with every seed, means and deviations."""
    here = Path(__file__).parent
    with open(here.parent / "benchmarks/results/digits_gan.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    figures = ("frechet_distance", "precision", "recall", "class_entropy", "seconds")
    games = dict.fromkeys((row["players"], row["objective"]) for row in rows)
    with open(here / "_tables/digits_gan.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["players", "objective", "seeds", *(name.replace("_", " ") for name in figures)]
        )
        for game in games:
            of = [row for row in rows if (row["players"], row["objective"]) == game]
            cells = []
            for name in figures:
                values = [float(row[name]) for row in of]
                spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
                cells.append(f"{statistics.fmean(values):.3g}{spread}")
            table.writerow([*game, len(of), *cells])


def write_datasets() -> None:
    """Of the cards of all data sets, a table and what one should know of each."""
    cards = all_cards().values()
    counts = ("graphs", "nodes", "edges", "features", "outputs")
    with open(Path(__file__).parent / "_tables/datasets.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["name", "predicted", *counts, "metric", "split"])
        for card in cards:
            sizes = [card.statistics.get(count) for count in counts]
            if card.level == "graph" and sizes[0]:
                sizes[1:3] = [f"{total / sizes[0]:.1f}" for total in sizes[1:3] if total]
            spelt = [f"{size:,}" if isinstance(size, int) else size for size in sizes]
            about = [f"{card.level}, {card.kind}", *spelt, card.metric, card.split]
            table.writerow([f":ref:`{card.name} <set-{card.name}>`", *about])
    lines: list[str] = []
    for card in cards:
        lines += ["", f".. _set-{card.name}:", "", card.title, "~" * len(card.title), ""]
        lines += [f"``{card.name}``, {card.family}. {plain(card.about)}", ""]
        lines += [f"* {plain(note)}" for note in card.notes]
        lines += [f"* Files: {card.state}; from {plain(', '.join(card.origin))}."]
        lines += [f"* Paper: {plain(card.paper)}.", f"* Licence: {plain(card.licence)}."]
    (Path(__file__).parent / "_tables/cards.txt").write_text("\n".join(lines), encoding="utf-8")
    further = sorted({name for family in FAMILIES for name in family.further} - all_cards().keys())
    names = ", ".join(f"``{name}``" for name in further)
    (Path(__file__).parent / "_tables/further.txt").write_text(names, encoding="utf-8")


def write_recipes() -> None:
    """The models that `graphkit run` knows, and what their settings follow."""
    with open(Path(__file__).parent / "_tables/recipes.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["name", "model", "settings follow"])
        for recipe in map(recipe_of, names()):
            table.writerow([f"``{recipe.name}``", recipe.title, recipe.paper])


def plain(text: str) -> str:
    """Text in which nothing is a mark of reStructuredText."""
    return re.sub(r"([*`|\\]|_(?!\w))", r"\\\1", text)


write_tables()
write_experiments()
write_leaderboards()
write_gans()
write_datasets()
write_recipes()
write_speed()
