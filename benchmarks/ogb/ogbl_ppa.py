"""ogbl-ppa: which proteins are associated, by links from other experiments; Hits@100.

    python benchmarks/ogb/ogbl_ppa.py sage --seeds 10 --device cuda --csv benchmarks/results/ogb.csv
    python benchmarks/ogb/ogbl_ppa.py resource-allocation

Models: ``gcn`` and ``sage``, three layers on the protein's species, one of 58, and a perceptron on
the product of two codes, as in the benchmark's own examples, with as many parameters; and what
needs no learning, ``common-neighbours``, ``adamic-adar``, ``resource-allocation``. Messages pass
along all training links, those that a batch predicts among them, as in the examples. An epoch
passes messages along 42 million edges 324 times: a matter of a GPU. The epoch with the best
validation score is tested, once.
"""

from __future__ import annotations

import argparse

from leaderboard import set_up
from link_level import add_link_options, run_links

from graphkit.data import load


def main() -> None:
    parser = argparse.ArgumentParser(description="ogbl-ppa, Hits@100")
    add_link_options(parser, epochs=20, lr=0.001)
    options = parser.parse_args()
    set_up(options)
    split = load("ogbl-ppa").further["links"].to(options.device)
    graph = split.graph.replace(x=split.graph.x.float())  # one-hot, read as whole numbers
    run_links("ogbl-ppa", split, 3, options, graph)


if __name__ == "__main__":
    main()
