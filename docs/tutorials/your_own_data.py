r"""
Your own data
=============

Three kinds of files become a data set with one option of the command line, or one function: tables
of edges, GraphML, and a table of molecules. What you get is the same `Dataset` that
`graphkit.data.load` gives for published sets, so that every model and every task goes on from
there. This page writes small files of each kind first, and then reads them.
"""

# %%
# A graph in tables
# -----------------
#
# A folder with ``edges.csv`` is a graph. Nodes are called what you like. ``nodes.csv`` holds their
# features, ``labels.csv`` what is to be predicted; a node may be in no table but that of the edges.
# Here: who saw whom in Zachary's karate club, and whose side they took when it split.

import csv
import tempfile
from pathlib import Path

import networkx as nx

place = Path(tempfile.mkdtemp())


def write(file, *rows):
    file.parent.mkdir(exist_ok=True)
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows(rows)


club = nx.karate_club_graph()
write(
    place / "club" / "edges.csv",
    ["one", "other", "weight"],
    *([f"member {a}", f"member {b}", w] for a, b, w in club.edges(data="weight")),
)
write(
    place / "club" / "labels.csv",
    ["member", "side"],
    *([f"member {a}", side] for a, side in club.nodes(data="club")),
)
print((place / "club" / "edges.csv").read_text()[:60])

# %%
# ``load_csv`` reads the folder. Without ``nodes.csv`` the features are the identity matrix, kept
# sparse, so that a model learns a vector for every member. Text in the labels names classes.

from graphkit.data import load_csv

dataset = load_csv(place / "club")
print(dataset)
print(dataset.graph)
print("classes:", dataset.further["classes"])

# %%
# From here it is like any other data set. An `Experiment` trains a model by its recipe, with
# several seeds, and tests each at its best validation epoch.

from graphkit.experiment import Experiment

outcome = Experiment(dataset, "gcn", epochs=50).run(range(5))
print(f"accuracy {outcome.mean:.1f} ± {outcome.std:.1f} % over {len(outcome.values)} seeds")

# %%
# The same on the command line, where the first name is what you call the set::
#
#     graphkit run club gcn --csv path/to/club --epochs 50 --seeds 5
#
# A mistake in a table is told with its line:

write(place / "wrong" / "edges.csv", ["one", "other", "weight"], ["Ann", "Bob", "often"])
try:
    load_csv(place / "wrong")
except ValueError as error:
    print(str(error).replace(str(place), "..."))

# %%
# A folder of GraphML
# -------------------
#
# Many programs write GraphML. Each file of a folder is one graph; attributes of nodes and edges
# become features, and ``labels.csv`` says what is to be predicted for each graph, here whether it
# is a tree.

folder = place / "shapes"
folder.mkdir()
labels = []
for k in range(60):
    tree = k % 2 == 0
    shape = nx.random_labeled_tree(8, seed=k) if tree else nx.cycle_graph(5 + k % 4)
    nx.write_graphml(shape, folder / f"shape-{k:02}.graphml")
    labels.append([f"shape-{k:02}", "tree" if tree else "ring"])
write(folder / "labels.csv", ["file", "shape"], *labels)

from graphkit.data import load_graphml

shapes = load_graphml(folder)
print(shapes)
outcome = Experiment(shapes, "gin", epochs=20).run(range(3))
print(f"accuracy {outcome.mean:.1f} %")

# %%
# On the command line: ``graphkit run shapes gin --graphml path/to/shapes``.
#
# Molecules
# ---------
#
# A table with a column ``smiles`` is a set of molecules; the other columns are what to predict.
# Here the boiling points of alkanes, in degrees Celsius.

alkanes = {
    "CC": -88.6,
    "CCC": -42.1,
    "CCCC": -0.5,
    "CC(C)C": -11.7,
    "CCCCC": 36.1,
    "CCC(C)C": 27.8,
    "CC(C)(C)C": 9.5,
    "CCCCCC": 68.7,
    "CCCC(C)C": 60.3,
    "CCC(C)CC": 63.3,
    "CCC(C)(C)C": 49.7,
    "CC(C)C(C)C": 58.0,
    "CCCCCCC": 98.4,
    "CCCCC(C)C": 90.0,
    "CCCC(C)CC": 92.0,
    "CCCC(C)(C)C": 79.2,
    "CCC(C)C(C)C": 89.8,
    "CC(C)CC(C)C": 80.5,
    "CCC(C)(C)CC": 86.1,
    "CCC(CC)CC": 93.5,
    "CC(C)C(C)(C)C": 80.9,
    "CCCCCCCC": 125.7,
    "CCCCCC(C)C": 117.6,
    "CCCCC(C)CC": 118.9,
    "CCCC(C)CCC": 117.7,
    "CC(C)CC(C)(C)C": 99.2,
    "CCCCCCCCC": 150.8,
    "CCCCCCCCCC": 174.1,
}
write(place / "alkanes.csv", ["smiles", "celsius"], *alkanes.items())

from graphkit.data import load_smiles_csv

boiling = load_smiles_csv(place / "alkanes.csv")
print(boiling)

# %%
# Sum as the readout, since a longer chain boils at a higher temperature. The small number of
# molecules shows in the deviation over the seeds, each of which draws another split; the deviation
# of the temperatures themselves is what a model without insight would reach.

settings = {"hidden": 32, "mlp_hidden": 32, "layers": 2, "dropout": 0.0, "pool": "sum", "lr": 0.01}
outcome = Experiment(boiling, "gin", epochs=150, settings=settings).run(range(5))
print(f"RMSE {outcome.mean:.1f} ± {outcome.std:.1f} degrees over {len(outcome.values)} seeds")
print(f"deviation of the temperatures: {boiling.y.std().item():.1f} degrees")

# %%
# On the command line: ``graphkit run alkanes gin --smiles path/to/alkanes.csv --set pool=sum``.
# With ``--json FILE`` the outcome goes to a file, too, and with ``--out FOLDER`` every seed's
# history and model.
