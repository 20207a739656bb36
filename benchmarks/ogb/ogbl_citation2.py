"""ogbl-citation2: which papers a new paper cites beside those it is known to; MRR.

    python benchmarks/ogb/ogbl_citation2.py gcn --seeds 10 --device cuda --every 5
    python benchmarks/ogb/ogbl_citation2.py adamic-adar

Models: ``gcn`` and ``sage``, three layers on the papers' word vectors and a perceptron on the
product of two codes, as in the benchmark's own examples, with as many parameters; and what needs
no learning, ``common-neighbours``, ``adamic-adar``, ``resource-allocation``. Links are directed,
and one of validation or test is ranked among 1000 given papers that its source does not cite;
messages pass both ways, as in the examples. In training the same paper and a random one that it
does not cite are the negative. The epoch with the best validation score is tested, once. Validation
and test have 173 million pairs to score: hence `--every`.
"""

from __future__ import annotations

import argparse

from leaderboard import set_up
from link_level import add_link_options, run_links

from graphkit.data import load


def main() -> None:
    parser = argparse.ArgumentParser(description="ogbl-citation2, MRR")
    add_link_options(parser, epochs=50, lr=0.0005)
    options = parser.parse_args()
    set_up(options)
    split = load("ogbl-citation2").further["links"].to(options.device)
    run_links("ogbl-citation2", split, 3, options, split.graph.to_undirected())


if __name__ == "__main__":
    main()
