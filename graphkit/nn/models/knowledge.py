"""Models that score the triples of a knowledge graph: does head stand in relation to tail?

Each turns head and relation into a query and compares it with the tail; or relation and tail into
one that is compared with the head. So all entities are scored as answers to many questions by one
product of matrices, or one table of distances.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphkit.graph import Graph, as_graph
from graphkit.nn.conv import RGCNConv
from graphkit.nn.dropout import Dropout
from graphkit.nn.inits import glorot, uniform

_CHUNK = 2**20  # numbers in a table of differences at a time: what a cache holds


class KnowledgeModel(nn.Module):
    """Scores of triples, higher where one is more likely to hold.

    Names of parameters, and the call, are PyTorch Geometric's (`torch_geometric.nn.kge`).

    Args:
        num_nodes: number of entities.
        num_relations: number of relations.
        hidden_channels: size of the vectors.

    Shapes:
        ``head``, ``relation``, ``tail`` int64 ``[n]``. Wherever ``entities`` is taken, it is what
        :meth:`encode` gives, ``[N, width]``; None: it is made.
    """

    reads_graph = False
    """Whether :meth:`encode` needs the graph of the known triples."""

    def __init__(self, num_nodes: int, num_relations: int, hidden_channels: int) -> None:
        super().__init__()
        for name, size in (
            ("num_nodes", num_nodes),
            ("num_relations", num_relations),
            ("hidden_channels", hidden_channels),
        ):
            if size < 1:
                raise ValueError(f"{name}: expected at least 1, got {size}")
        self.num_nodes = num_nodes
        self.num_relations = num_relations
        self.hidden_channels = hidden_channels
        self.node_emb = nn.Embedding(num_nodes, hidden_channels)
        self.rel_emb = nn.Embedding(num_relations, hidden_channels)

    def encode(self, graph: Any = None) -> Tensor:
        """Vectors of all entities, as queries are compared with."""
        return self.node_emb.weight

    def relations(self) -> Tensor:
        """Vectors of all relations."""
        return self.rel_emb.weight

    def tail_query(self, head: Tensor, relation: Tensor) -> Tensor:
        """What the vector of a tail is compared with."""
        raise NotImplementedError

    def head_query(self, tail: Tensor, relation: Tensor) -> Tensor:
        """What the vector of a head is compared with."""
        raise NotImplementedError

    def compare(self, query: Tensor, entity: Tensor) -> Tensor:
        """Scores ``[...]`` of vectors ``[..., width]``, which may be broadcast."""
        raise NotImplementedError

    def compare_all(self, query: Tensor, entities: Tensor) -> Tensor:
        """Scores ``[n, N]`` of every entity for every query."""
        raise NotImplementedError

    def score(
        self, head: Tensor, relation: Tensor, tail: Tensor, entities: Tensor | None = None
    ) -> Tensor:
        """``[n]`` scores of triples."""
        _check("head", head, self.num_nodes)
        _check("relation", relation, self.num_relations)
        _check("tail", tail, self.num_nodes)
        entities = self.encode() if entities is None else entities
        query = self.tail_query(entities[head], self.relations()[relation])
        return self.compare(query, entities[tail])

    def forward(self, head_index: Tensor, rel_type: Tensor, tail_index: Tensor) -> Tensor:
        """:meth:`score`, by PyTorch Geometric's names."""
        return self.score(head_index, rel_type, tail_index)

    def score_tails(self, head: Tensor, relation: Tensor, entities: Tensor | None = None) -> Tensor:
        """``[n, N]`` scores of all entities as tails of (head, relation, ?)."""
        _check("relation", relation, self.num_relations)
        return self.answer(head, relation, entities)

    def score_heads(self, relation: Tensor, tail: Tensor, entities: Tensor | None = None) -> Tensor:
        """``[n, N]`` scores of all entities as heads of (?, relation, tail)."""
        _check("relation", relation, self.num_relations)
        return self.answer(tail, relation + self.num_relations, entities)

    def answer(self, entity: Tensor, asked: Tensor, entities: Tensor | None = None) -> Tensor:
        """``[n, N]`` scores of all entities as answers to questions about one entity each.

        Args:
            entity: the known one.
            asked: a relation r below `num_relations` asks for the tails of (entity, r, ?), and
                `num_relations` + r for the heads of (?, r, entity).
            entities: see above.
        """
        entities = self.encode() if entities is None else entities
        return self.compare_all(self.queries(entity, asked, entities), entities)

    def queries(self, entity: Tensor, asked: Tensor, entities: Tensor) -> Tensor:
        """``[n, width]`` queries of questions, asked as in :meth:`answer`."""
        _check("entity", entity, self.num_nodes)
        _check("asked", asked, 2 * self.num_relations)
        known = entities[entity]
        relation = self.relations()[asked % self.num_relations]
        for_tail = (asked < self.num_relations).unsqueeze(1)
        tails, heads = self.tail_query(known, relation), self.head_query(known, relation)
        return torch.where(for_tail, tails, heads)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.num_nodes}, num_relations={self.num_relations}, "
            f"hidden_channels={self.hidden_channels})"
        )


class _ByProduct(KnowledgeModel):
    """A score is the inner product of query and entity."""

    def compare(self, query: Tensor, entity: Tensor) -> Tensor:
        return (query * entity).sum(dim=-1)

    def compare_all(self, query: Tensor, entities: Tensor) -> Tensor:
        return query @ entities.t()

    def cubes(
        self, head: Tensor, relation: Tensor, tail: Tensor, entities: Tensor | None = None
    ) -> Tensor:
        r"""``[n]`` the nuclear 3-norm of triples, a penalty (Lacroix et al. 2018, section 4):

        .. math:: \frac13 \sum_k |h_k|^3 + |r_k|^3 + |t_k|^3
        """
        entities = self.encode() if entities is None else entities
        vectors = entities[head], self.relations()[relation], entities[tail]
        parts = [self._squares(vector).pow(1.5).sum(dim=1) for vector in vectors]
        return torch.stack(parts).sum(dim=0) / 3

    def _squares(self, vector: Tensor) -> Tensor:
        """The squared absolute values of its numbers."""
        return vector * vector


class DistMult(_ByProduct):
    r"""A bilinear form with a diagonal matrix for every relation, Yang et al. 2015, section 3.

    .. math:: s(h, r, t) = \sum_k h_k r_k t_k

    It cannot tell the head from the tail.

    Args:
        num_nodes, num_relations, hidden_channels: as of :class:`KnowledgeModel`.
    """

    def __init__(self, num_nodes: int, num_relations: int, hidden_channels: int) -> None:
        super().__init__(num_nodes, num_relations, hidden_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        glorot(self.node_emb.weight)
        glorot(self.rel_emb.weight)

    def tail_query(self, head: Tensor, relation: Tensor) -> Tensor:
        return head * relation

    def head_query(self, tail: Tensor, relation: Tensor) -> Tensor:
        return tail * relation


class ComplEx(_ByProduct):
    r"""DistMult in complex numbers, Trouillon et al. 2016, section 3.

    .. math:: s(h, r, t) = \mathrm{Re} \sum_k h_k r_k \bar t_k

    A relation whose vector is real holds both ways, one whose vector is imaginary never does.

    Args:
        num_nodes, num_relations: as of :class:`KnowledgeModel`.
        hidden_channels: complex numbers in a vector: real parts, then imaginary ones.
    """

    def __init__(self, num_nodes: int, num_relations: int, hidden_channels: int) -> None:
        super().__init__(num_nodes, num_relations, hidden_channels)
        self.node_emb_im = nn.Embedding(num_nodes, hidden_channels)
        self.rel_emb_im = nn.Embedding(num_relations, hidden_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for table in (self.node_emb, self.node_emb_im, self.rel_emb, self.rel_emb_im):
            glorot(table.weight)

    def encode(self, graph: Any = None) -> Tensor:
        return torch.cat([self.node_emb.weight, self.node_emb_im.weight], dim=1)

    def relations(self) -> Tensor:
        return torch.cat([self.rel_emb.weight, self.rel_emb_im.weight], dim=1)

    def _squares(self, vector: Tensor) -> Tensor:
        re, im = vector.chunk(2, dim=-1)
        return re * re + im * im

    # Re(a conj(b)) is the inner product of a and b as vectors of real numbers.
    def tail_query(self, head: Tensor, relation: Tensor) -> Tensor:
        return _times(head, relation)

    def head_query(self, tail: Tensor, relation: Tensor) -> Tensor:
        return _times(tail, _conjugate(relation))


class TransE(KnowledgeModel):
    r"""A relation is a translation, Bordes et al. 2013, section 2.

    .. math:: s(h, r, t) = -\lVert h + r - t \rVert_p

    Args:
        num_nodes, num_relations, hidden_channels: as of :class:`KnowledgeModel`.
        p_norm: the norm.
        normalize: divide the vector of every entity by its norm.
    """

    def __init__(
        self,
        num_nodes: int,
        num_relations: int,
        hidden_channels: int,
        *,
        p_norm: float = 1.0,
        normalize: bool = True,
    ) -> None:
        super().__init__(num_nodes, num_relations, hidden_channels)
        self.p_norm = p_norm
        self.normalize = normalize
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 6.0 / math.sqrt(self.hidden_channels)
        uniform(self.node_emb.weight, bound)
        uniform(self.rel_emb.weight, bound)
        with torch.no_grad():
            self.rel_emb.weight.copy_(F.normalize(self.rel_emb.weight, p=self.p_norm, dim=1))

    def encode(self, graph: Any = None) -> Tensor:
        weight = self.node_emb.weight
        return F.normalize(weight, p=self.p_norm, dim=1) if self.normalize else weight

    def tail_query(self, head: Tensor, relation: Tensor) -> Tensor:
        return head + relation

    def head_query(self, tail: Tensor, relation: Tensor) -> Tensor:
        return tail - relation

    def compare(self, query: Tensor, entity: Tensor) -> Tensor:
        return -torch.linalg.vector_norm(query - entity, ord=self.p_norm, dim=-1)

    def compare_all(self, query: Tensor, entities: Tensor) -> Tensor:
        return -_distances(query, entities, self.p_norm)


class RotatE(KnowledgeModel):
    r"""A relation is a rotation of complex numbers, Sun et al. 2019, section 3.

    .. math:: s(h, r, t) = \gamma - \lVert h \circ e^{i \theta_r} - t \rVert_p

    Args:
        num_nodes, num_relations: as of :class:`KnowledgeModel`.
        hidden_channels: complex numbers in a vector: real parts, then imaginary ones.
        margin: :math:`\gamma`.
        p_norm: the norm of the vector of absolute values; PyTorch Geometric has 2, the authors'
            code 1.
    """

    def __init__(
        self,
        num_nodes: int,
        num_relations: int,
        hidden_channels: int,
        margin: float = 1.0,
        p_norm: float = 2.0,
    ) -> None:
        super().__init__(num_nodes, num_relations, hidden_channels)
        self.margin = margin
        self.p_norm = p_norm
        self.node_emb_im = nn.Embedding(num_nodes, hidden_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        glorot(self.node_emb.weight)
        glorot(self.node_emb_im.weight)
        nn.init.uniform_(self.rel_emb.weight, 0.0, 2.0 * math.pi)

    def encode(self, graph: Any = None) -> Tensor:
        return torch.cat([self.node_emb.weight, self.node_emb_im.weight], dim=1)

    def relations(self) -> Tensor:
        angle = self.rel_emb.weight
        return torch.cat([angle.cos(), angle.sin()], dim=1)

    # A rotation changes no distance, so that the tail may be turned back instead.
    def tail_query(self, head: Tensor, relation: Tensor) -> Tensor:
        return _times(head, relation)

    def head_query(self, tail: Tensor, relation: Tensor) -> Tensor:
        return _times(tail, _conjugate(relation))

    def compare(self, query: Tensor, entity: Tensor) -> Tensor:
        return self.margin - _complex_norm(query - entity, self.p_norm)

    def compare_all(self, query: Tensor, entities: Tensor) -> Tensor:
        if self.p_norm == 2:
            return self.margin - _distances(query, entities, 2.0)
        # One difference for every pair of vectors: in parts, made again in the backward pass.
        size = _CHUNK if query.device.type == "cpu" else 64 * _CHUNK
        rows = max(1, size // max(1, query.numel()))
        parts = entities.split(rows)
        again = torch.is_grad_enabled() and (query.requires_grad or entities.requires_grad)

        def part_of(query: Tensor, part: Tensor) -> Tensor:
            return _complex_norm(query.unsqueeze(1) - part, self.p_norm)

        found = [
            checkpoint(part_of, query, part, use_reentrant=False) if again else part_of(query, part)
            for part in parts
        ]
        return self.margin - torch.cat(found, dim=1)


class RGCNDistMult(DistMult):
    r"""An encoder of relational graph convolutions under DistMult, Schlichtkrull et al. 2018,
    section 4.

    .. math:: s(h, r, t) = \sum_k z_{hk} r_k z_{tk}, \quad z = \mathrm{RGCN}(\text{known triples})

    Messages pass along every known triple and against it, by relations of their own. An entity
    starts from a vector that is learnt.

    Args:
        num_nodes, num_relations, hidden_channels: as of :class:`KnowledgeModel`.
        num_layers: layers.
        num_bases, num_blocks: how the matrices of relations share parameters, see
            :class:`RGCNConv`.
        dropout: of what goes into the layers.
    """

    reads_graph = True

    def __init__(
        self,
        num_nodes: int,
        num_relations: int,
        hidden_channels: int,
        num_layers: int = 2,
        num_bases: int | None = None,
        num_blocks: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        if num_layers < 1:
            raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
        super().__init__(num_nodes, num_relations, hidden_channels)
        self.convs = nn.ModuleList(
            RGCNConv(
                hidden_channels,
                hidden_channels,
                2 * num_relations,
                num_bases=num_bases,
                num_blocks=num_blocks,
            )
            for _ in range(num_layers)
        )
        self.dropout = Dropout(dropout)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        for conv in getattr(self, "convs", ()):
            conv.reset_parameters()

    def encode(self, graph: Any = None) -> Tensor:
        if graph is None:
            raise ValueError("graph: expected the graph of the known triples, got None")
        graph = as_graph(graph)
        if graph.num_nodes != self.num_nodes:
            raise ValueError(
                f"graph: expected {self.num_nodes} nodes, as many as entities, "
                f"got {graph.num_nodes}"
            )
        edge_type = getattr(graph, "edge_type", None)
        if edge_type is None:
            raise ValueError("graph: expected the relation of every edge as edge_type, got none")
        both = Graph(
            torch.cat([graph.edge_index, graph.edge_index.flip(0)], dim=1),
            self.num_nodes,
            edge_attrs={"edge_type": torch.cat([edge_type, edge_type + self.num_relations])},
        )
        z = self.node_emb.weight
        for number, conv in enumerate(self.convs):
            z = conv(self.dropout(z if number == 0 else z.relu()), both)
        return z


def _check(name: str, index: Tensor, limit: int) -> None:
    """Raise for what is no index; on a GPU looking would wait for all that was begun there."""
    if index.dtype != torch.long:
        raise ValueError(f"{name}: expected int64, got {index.dtype}")
    if index.device.type == "cpu" and index.numel():
        lowest, highest = (int(bound) for bound in index.aminmax())
        if lowest < 0 or highest >= limit:
            raise ValueError(
                f"{name}: expected 0 to {limit - 1}, got {lowest if lowest < 0 else highest}"
            )


def _times(a: Tensor, b: Tensor) -> Tensor:
    """Complex products, real parts before imaginary ones."""
    (a_re, a_im), (b_re, b_im) = a.chunk(2, dim=-1), b.chunk(2, dim=-1)
    return torch.cat([a_re * b_re - a_im * b_im, a_re * b_im + a_im * b_re], dim=-1)


def _conjugate(a: Tensor) -> Tensor:
    re, im = a.chunk(2, dim=-1)
    return torch.cat([re, -im], dim=-1)


def _complex_norm(a: Tensor, p: float) -> Tensor:
    """The norm of the vector of absolute values."""
    re, im = a.chunk(2, dim=-1)
    square = re * re + im * im
    # At 0 the root has no derivative; here it is 0.
    size = square.clamp_min(torch.finfo(a.dtype).tiny).sqrt()
    return size.sum(dim=-1) if p == 1 else torch.linalg.vector_norm(size, ord=p, dim=-1)


def _distances(a: Tensor, b: Tensor, p: float) -> Tensor:
    # By products of matrices small distances would lose most of their digits.
    return torch.cdist(a, b, p, compute_mode="donot_use_mm_for_euclid_dist")
