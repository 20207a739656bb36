"""ogbn-arxiv: the subject of a paper, one of 40, from its words and its citations; accuracy.

    python benchmarks/ogb/ogbn_arxiv.py gcn --seeds 10 --csv benchmarks/results/ogb.csv
    python benchmarks/ogb/ogbn_arxiv.py label-propagation

Models: ``gcn``, ``sage`` and ``mlp``, which sees no citations, three layers with batch norm, as in
the benchmark's own examples, with as many parameters; and ``label-propagation``, which sees no
words and learns nothing. Citations count both ways. An epoch is one step on the whole graph, with
a loss on the papers up to 2017; 2018 is validation, later ones are the test. The epoch with the
best validation score is tested, once.
"""

from __future__ import annotations

import argparse

from leaderboard import run_seeds, set_up
from node_level import add_node_options, by_labels, on_whole_graph

from graphkit.data import load

MODELS = ("gcn", "sage", "mlp", "label-propagation")


def main() -> None:
    parser = argparse.ArgumentParser(description="ogbn-arxiv, accuracy")
    add_node_options(parser, MODELS, epochs=500, lr=0.01)
    options = parser.parse_args()
    set_up(options)
    dataset = load("ogbn-arxiv")
    graph, split, classes = dataset.graph.to_undirected(), dataset.split(), dataset.num_outputs
    if options.model == "label-propagation":
        run = by_labels("ogbn-arxiv", graph, split, classes, options)
        options.seeds, names = 1, ("alpha",)
    else:
        run = on_whole_graph(
            "ogbn-arxiv", graph, split, options, classes=classes, norm="batch_norm"
        )
        names = ("epochs", "channels", "dropout", "lr")
    settings = {name: getattr(options, name) for name in names}
    run_seeds("ogbn-arxiv", options.model, settings, run, options)


if __name__ == "__main__":
    main()
