"""ogbl-ddi: which drugs interact, by learnt embeddings of nodes; Hits@20.

    python benchmarks/ogb/ogbl_ddi.py sage --seeds 10 --csv benchmarks/results/ogb.csv
    python benchmarks/ogb/ogbl_ddi.py common-neighbours

Models: ``gcn`` and ``sage``, two layers on a learnt embedding of every node and a perceptron on the
product of two nodes' codes, as in the benchmark's own examples, with as many parameters; and what
needs no learning, ``common-neighbours``, ``adamic-adar``, ``resource-allocation``. Messages pass
along all training links, those that a batch predicts among them, as in the examples. The epoch
with the best validation score is tested, once. An epoch is a pass over all links, and takes more
than half a minute on one core, most of it in layers that all 2.1 million messages pass.
"""

from __future__ import annotations

import argparse

from leaderboard import set_up
from link_level import add_link_options, run_links

from graphkit.data import load


def main() -> None:
    parser = argparse.ArgumentParser(description="ogbl-ddi, Hits@20")
    add_link_options(parser, epochs=200, lr=0.005, dropout=0.5, every=5)
    options = parser.parse_args()
    set_up(options)
    split = load("ogbl-ddi").further["links"].to(options.device)
    run_links("ogbl-ddi", split, 2, options, split.graph)


if __name__ == "__main__":
    main()
