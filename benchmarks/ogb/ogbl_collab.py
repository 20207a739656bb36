"""ogbl-collab: who will write papers together, from who did before; Hits@50.

    python benchmarks/ogb/ogbl_collab.py sage --seeds 10 --csv benchmarks/results/ogb.csv
    python benchmarks/ogb/ogbl_collab.py adamic-adar --val-edges-as-input

Models: ``gcn`` and ``sage``, three layers on the authors' word vectors and a perceptron on the
product of two codes, as in the benchmark's own examples, with as many parameters; and what needs
no learning, ``common-neighbours``, ``adamic-adar``, ``resource-allocation``. Training is up to
2017, validation is 2018 and test 2019. ``gcn`` weighs a link by the papers of its year, and a pair
of authors has a link for every year. With `--val-edges-as-input` messages pass along the links of
2018 too, when those of 2019 are scored and only then, each with weight 1; the leaderboard allows
it, and a row should say so. The epoch with the best validation score is tested, once.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from leaderboard import set_up
from link_level import add_link_options, run_links

from graphkit.data import LinkSplit, load
from graphkit.graph import Graph


def with_validation(split: LinkSplit) -> Graph:
    """The graph with the links of validation, in both directions."""
    graph, new = split.graph, torch.cat([split.val, split.val.flip(0)], dim=1)
    weight = torch.cat([graph.edge_weight, graph.edge_weight.new_ones(new.size(1))])
    return Graph(
        torch.cat([graph.edge_index, new], dim=1),
        graph.num_nodes,
        x=graph.x,
        edge_weight=weight,
        undirected=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="ogbl-collab, Hits@50")
    parser.add_argument("--val-edges-as-input", action="store_true", help="for the test scores")
    add_link_options(parser, epochs=400, lr=0.001)
    options = parser.parse_args()
    set_up(options)
    split = load("ogbl-collab").further["links"].to(options.device)
    graph = later = split.graph
    further: dict[str, Any] = {}
    if options.val_edges_as_input:
        later, further = with_validation(split), {"val_edges_as_input": True}
    run_links("ogbl-collab", split, 3, options, graph, later, **further)


if __name__ == "__main__":
    main()
