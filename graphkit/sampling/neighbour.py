"""Neighbour sampling: a few neighbours of every node, hop by hop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from graphkit._attributes import move
from graphkit.engine.cpu.sample.frontier import Drawn, Rows
from graphkit.graph import Graph
from graphkit.sampling._seeds import Seed, check_number, derive, seed_of
from graphkit.sampling._source import (
    Source,
    SubgraphDrawn,
    check_graph,
    check_seeds,
    check_weights,
    join,
    rows_towards,
    sorted_graph,
)

FORMS = ("blocks", "subgraph")


@dataclass(frozen=True, eq=False)
class Blocks:
    """A batch for as many layers as there are fan-outs.

    Attributes:
        blocks: one bipartite Graph for each layer, in the order in which layers are applied. The
            first destinations of a block are its first sources, and the destinations of one block
            are the sources of the next. The edges come sorted, with the graph's edge attributes.
        n_id: ``[num_src of the first block]`` the nodes that features are needed of. The first
            ``n`` of them are the nodes of a layer with ``n`` sources or destinations.
        e_id: for every block, the number of each edge in the graph.
        batch_size: the number of seeds, which are the first nodes.
        x: features of the nodes `n_id`, if the graph has any.
        y: targets of the seeds, if the graph has targets of nodes.
    """

    blocks: list[Graph]
    n_id: Tensor
    e_id: list[Tensor]
    batch_size: int
    x: Any = None
    y: Any = None

    @property
    def seeds(self) -> Tensor:
        """``[batch_size]`` the nodes that the batch was drawn for."""
        return self.n_id[: self.batch_size]

    def to(self, device: torch.device | str | int) -> Blocks:
        """The batch on another device."""
        device = torch.empty(0, device=device).device
        return Blocks(
            [block.to(device) for block in self.blocks],
            self.n_id.to(device),
            [edges.to(device) for edges in self.e_id],
            self.batch_size,
            move(self.x, device),
            move(self.y, device),
        )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{block.num_src} -> {block.num_dst}" for block in self.blocks)
        return f"Blocks({sizes}, batch_size={self.batch_size})"


class NeighborSampler:
    r"""Draws neighbours hop by hop; Hamilton et al. 2017, algorithm 2.

    For every node of a hop ``fanouts[hop]`` of its neighbours are drawn, or all where it has no
    more than that. What is drawn depends on the seed alone, not on the number of threads.

    As **blocks**, every hop draws neighbours for all nodes met so far: one bipartite graph for
    each layer, see :class:`Blocks`. As a **subgraph**, every hop draws neighbours for the nodes it
    meets first: one Graph with the nodes' and edges' attributes and with ``n_id``, ``e_id`` and
    ``batch_size``, on which all layers run.

    Args:
        graph: a Graph, or anything graph-like, on the CPU.
        fanouts: neighbours for each hop, beginning at the seeds; -1 takes all.
        replace: draw with replacement: a node with any neighbour gets exactly its fan-out.
        weight_attr: name of an edge attribute ``[E]`` in proportion to which edges are drawn.
            Edges of weight 0 are never taken, not even by -1.
        flow: "source_to_target" draws among the nodes with an edge to a node,
            "target_to_source" among those it has an edge to; the edges of blocks are then turned
            round, so that messages reach the seeds.
        form: "blocks" or "subgraph".

    Raises:
        TypeError, ValueError: Names the argument, what was expected and what came.
    """

    def __init__(
        self,
        graph: Any,
        fanouts: Sequence[int],
        replace: bool = False,
        weight_attr: str | None = None,
        flow: str = "source_to_target",
        form: str = "blocks",
    ) -> None:
        graph = check_graph(graph)
        self.fanouts = _check_fanouts(fanouts)
        if form not in FORMS:
            raise ValueError(f"form: expected one of {', '.join(FORMS)}, got {form!r}")
        self.replace, self.form = replace, form
        weight = None if weight_attr is None else check_weights(graph, weight_attr)
        rows = Rows.of(rows_towards(graph, flow), weight, replace)
        self._source = Source.of(graph, rows, flow)
        self._frontiers = self._source.frontiers()

    def sample(self, seeds: Tensor, seed: Seed = None) -> Blocks | Graph:
        """A batch for `seeds`, which are distinct nodes."""
        return self.draw(seeds, seed).finish()

    @torch.inference_mode(False)
    def draw(self, seeds: Tensor, seed: Seed = None) -> BlocksDrawn | SubgraphDrawn:
        """What `sample` returns, as plain tensors that a worker process can send."""
        seeds, seed = check_seeds("seeds", seeds, self._source.num_nodes), seed_of(seed)
        hops: list[Drawn] = []
        with self._frontiers.borrow() as frontier:
            place = frontier.start(seeds)
            if place >= 0:
                node = int(seeds[place])
                raise ValueError(f"seeds: expected distinct nodes, got node {node} twice")
            sizes = [frontier.size]
            for hop, fanout in enumerate(self.fanouts):
                first = sizes[-2] if self.form == "subgraph" and hop else 0
                hops.append(
                    frontier.draw(self._source.rows, first, fanout, self.replace, derive(seed, hop))
                )
                sizes.append(frontier.size)
            nodes = frontier.nodes
        if self.form == "subgraph":
            return SubgraphDrawn.of(self._source, nodes, join(hops), batch_size=sizes[0])
        return BlocksDrawn.of(self._source, nodes, hops, sizes)


def _check_fanouts(fanouts: Any) -> tuple[int, ...]:
    if not isinstance(fanouts, (list, tuple)) or not fanouts:
        raise TypeError(f"fanouts: expected a list with a number for each hop, got {fanouts!r}")
    checked = tuple(check_number("fanouts", fanout, -1) for fanout in fanouts)
    if 0 in checked:
        raise ValueError(f"fanouts: expected positive numbers, or -1 for all, got {fanouts!r}")
    return checked


@dataclass(eq=False)
class BlocksDrawn:
    """A batch of blocks before its Graphs are made."""

    nodes: Tensor
    hops: list[Drawn]
    sizes: list[int]
    edge_attrs: list[dict[str, Any]]
    x: Any
    y: Any

    @classmethod
    def of(cls, source: Source, nodes: Tensor, hops: list[Drawn], sizes: list[int]) -> BlocksDrawn:
        edges = [source.edges(hop.edge) for hop in hops]
        x, y = source.node("x", nodes), source.node("y", nodes[: sizes[0]])
        return cls(nodes, hops, sizes, edges, x, y)

    def finish(self) -> Blocks:
        blocks = []
        for hop, drawn in enumerate(self.hops):
            block = sorted_graph(drawn, (self.sizes[hop + 1], self.sizes[hop]), bipartite=True)
            blocks.append(block.replace(edge_attrs=self.edge_attrs[hop]))
        blocks.reverse()
        e_id = [drawn.edge for drawn in reversed(self.hops)]
        return Blocks(blocks, self.nodes, e_id, self.sizes[0], self.x, self.y)
