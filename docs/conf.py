"""Sphinx: the reference from docstrings, the tutorials from scripts that are executed."""

import csv
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")
sys.path.insert(0, str(Path(__file__).parent.parent))

import graphkit

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
        "training_step": "model system seconds_median times_graphkit peak_mb peak_times_graphkit",
    }
    for name, wanted in columns.items():
        with open(here.parent / "benchmarks/results" / f"{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        with open(here / "_tables" / f"{name}.csv", "w", newline="") as file:
            table = csv.DictWriter(file, wanted.split(), extrasaction="ignore")
            table.writerow({column: column.replace("_", " ") for column in wanted.split()})
            table.writerows(rows)


write_tables()
