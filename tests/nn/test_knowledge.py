"""Scores of triples: against the formula in float64, against PyG, and by gradcheck."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphkit import Graph
from graphkit.nn import (
    ComplEx,
    DistMult,
    KnowledgeModel,
    RGCNDistMult,
    RotatE,
    TransE,
)
from graphkit.nn.models import knowledge

N, R, C = 7, 3, 4
MODELS: list[tuple[type[KnowledgeModel], dict[str, Any]]] = [
    (DistMult, {}),
    (ComplEx, {}),
    (TransE, {}),
    (TransE, {"p_norm": 2.0, "normalize": False}),
    (RotatE, {"margin": 2.5}),
    (RotatE, {"p_norm": 1.0}),
    (RotatE, {"p_norm": 3.0}),
    (RGCNDistMult, {}),
]
IDS = [f"{kind.__name__}{options or ''}" for kind, options in MODELS]


def graph() -> Graph:
    ends = torch.tensor([[0, 1, 2, 2, 5, 5], [1, 2, 0, 0, 3, 5]])
    return Graph(ends, N, undirected=False, edge_attrs={"edge_type": torch.arange(6) % R})


def made(kind: type[KnowledgeModel], options: dict[str, Any]) -> tuple[KnowledgeModel, Tensor]:
    torch.manual_seed(0)
    model = kind(N, R, C, **options).double().eval()
    return model, model.encode(graph())


def triples(n: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randint(k, (n,), generator=generator) for k in (N, R, N))  # type: ignore


def by_formula(model: KnowledgeModel, h: int, r: int, t: int) -> float:
    """The docstring's formula, number by number."""
    node, rel = model.node_emb.weight.tolist(), model.rel_emb.weight.tolist()
    if isinstance(model, RGCNDistMult):
        node = model.encode(graph()).tolist()
    if isinstance(model, DistMult):
        return sum(a * b * c for a, b, c in zip(node[h], rel[r], node[t], strict=True))
    if isinstance(model, TransE):
        p = model.p_norm

        def norm(v: list[float]) -> float:
            return sum(abs(a) ** p for a in v) ** (1 / p)

        size = [norm(v) if model.normalize else 1.0 for v in node]
        rows = zip(node[h], rel[r], node[t], strict=True)
        return -norm([a / size[h] + b - c / size[t] for a, b, c in rows])
    assert isinstance(model, ComplEx | RotatE)
    im = model.node_emb_im.weight.tolist()
    head, tail = ([complex(*z) for z in zip(node[i], im[i], strict=True)] for i in (h, t))
    if isinstance(model, ComplEx):
        rel_im = model.rel_emb_im.weight.tolist()
        rows = zip(head, zip(rel[r], rel_im[r], strict=True), tail, strict=True)
        return sum(a * complex(*b) * c.conjugate() for a, b, c in rows).real
    rows = zip(head, rel[r], tail, strict=True)
    off = [abs(a * complex(math.cos(b), math.sin(b)) - c) for a, b, c in rows]
    return model.margin - sum(a**model.p_norm for a in off) ** (1 / model.p_norm)


@pytest.mark.parametrize(("kind", "options"), MODELS, ids=IDS)
def test_scores_are_the_formula(kind: type[KnowledgeModel], options: dict[str, Any]) -> None:
    model, entities = made(kind, options)
    h, r, t = triples()
    expected = [
        by_formula(model, *each) for each in zip(h.tolist(), r.tolist(), t.tolist(), strict=True)
    ]
    torch.testing.assert_close(
        model.score(h, r, t, entities), torch.tensor(expected, dtype=torch.double)
    )


@pytest.mark.parametrize("chunk", [1, 2**20])
@pytest.mark.parametrize(("kind", "options"), MODELS, ids=IDS)
def test_all_tails_and_all_heads(
    kind: type[KnowledgeModel], options: dict[str, Any], chunk: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(knowledge, "_CHUNK", chunk)
    model, entities = made(kind, options)
    h, r, t = triples()
    everyone = torch.arange(N)
    tails, heads = model.score_tails(h, r, entities), model.score_heads(r, t, entities)
    assert tails.shape == heads.shape == (len(h), N)
    for i in range(len(h)):
        known, relation = h[i].expand(N), r[i].expand(N)
        torch.testing.assert_close(tails[i], model.score(known, relation, everyone, entities))
        known = t[i].expand(N)
        torch.testing.assert_close(heads[i], model.score(everyone, relation, known, entities))


def test_questions_of_both_sides_at_once() -> None:
    model, _ = made(ComplEx, {})
    h, r, t = triples()
    both = model.answer(torch.cat([t, h]), torch.cat([r + R, r]))
    torch.testing.assert_close(both, torch.cat([model.score_heads(r, t), model.score_tails(h, r)]))


@pytest.mark.parametrize(
    ("kind", "options"),
    [(DistMult, {}), (ComplEx, {}), (TransE, {}), (TransE, {"p_norm": 2.0}), (RotatE, {})],
)
def test_scores_are_those_of_pyg(kind: type[KnowledgeModel], options: dict[str, Any]) -> None:
    from torch_geometric.nn import kge

    torch.manual_seed(0)
    theirs = getattr(kge, kind.__name__)(N, R, C, **options)
    ours = kind(N, R, C, **options)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(*triples()), theirs(*triples()))


class Scores(nn.Module):
    """All that a model computes, from its parameters."""

    def __init__(self, model: KnowledgeModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, h: Tensor, r: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        entities = self.model.encode(graph())
        return (
            self.model.score(h, r, t, entities),
            self.model.score_tails(h, r, entities),
            self.model.score_heads(r, t, entities),
        )


@pytest.mark.parametrize(("kind", "options"), MODELS, ids=IDS)
def test_gradients(kind: type[KnowledgeModel], options: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(knowledge, "_CHUNK", 2 * C)  # in several parts
    scores = Scores(made(kind, options)[0])
    names = [name for name, _ in scores.named_parameters()]

    def compute(*values: Tensor) -> Any:
        held = dict(zip(names, values, strict=True))
        return torch.func.functional_call(scores, held, triples(2))

    inputs = tuple(p.detach().clone().requires_grad_() for p in scores.parameters())
    assert torch.autograd.gradcheck(compute, inputs)


@pytest.mark.parametrize("p_norm", [1.0, 2.0])
@pytest.mark.parametrize("kind", [TransE, RotatE])
def test_a_distance_of_0_has_a_finite_gradient(kind: type[KnowledgeModel], p_norm: float) -> None:
    model = kind(N, R, C, p_norm=p_norm)  # type: ignore[call-arg]
    nn.init.zeros_(model.rel_emb.weight)  # nothing is moved: an entity is its own answer
    h, r, _ = triples()
    (model.score(h, r, h).sum() + model.score_tails(h, r).sum()).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_symmetric_and_antisymmetric_relations() -> None:
    """DistMult cannot tell head from tail; ComplEx can, by imaginary parts."""
    h, r, t = triples()
    model, _ = made(DistMult, {})
    torch.testing.assert_close(model.score(h, r, t), model.score(t, r, h))
    model, _ = made(ComplEx, {})
    assert not torch.allclose(model.score(h, r, t), model.score(t, r, h))
    nn.init.zeros_(model.rel_emb.weight)
    torch.testing.assert_close(model.score(h, r, t), -model.score(t, r, h))


@pytest.mark.parametrize("kind", [DistMult, ComplEx])
def test_the_penalty_is_its_formula(kind: type[DistMult | ComplEx]) -> None:
    torch.manual_seed(0)
    model = kind(N, R, C).double()
    tables = [model.node_emb.weight, model.rel_emb.weight]
    if isinstance(model, ComplEx):
        images = model.node_emb_im.weight, model.rel_emb_im.weight
        tables = [torch.complex(*both) for both in zip(tables, images, strict=True)]
    node, rel = (table.abs() ** 3 for table in tables)
    h, r, t = triples()
    expected = (node[h] + rel[r] + node[t]).sum(dim=1) / 3
    torch.testing.assert_close(model.cubes(h, r, t), expected)
    nn.init.zeros_(model.node_emb.weight)
    model.cubes(h, r, t).sum().backward()
    assert model.node_emb.weight.grad is not None
    assert model.node_emb.weight.grad.isfinite().all()


def test_messages_reach_the_encoder() -> None:
    model, entities = made(RGCNDistMult, {"num_layers": 1})
    lonely = Graph(
        torch.empty(2, 0, dtype=torch.long), N, edge_attrs={"edge_type": torch.empty(0).long()}
    )
    alone = model.encode(lonely)
    assert torch.equal(alone[[4, 6]], entities[[4, 6]])  # no triple knows these
    assert not torch.allclose(alone[3], entities[3])  # only a tail
    assert not torch.allclose(alone[2], entities[2])  # both


@pytest.mark.parametrize("options", [{"num_bases": 2}, {"num_blocks": 2}])
def test_matrices_of_relations_share_parameters(options: dict[str, Any]) -> None:
    shared = sum(p.numel() for p in RGCNDistMult(N, R, C, **options).parameters())
    assert shared < sum(p.numel() for p in RGCNDistMult(N, R, C).parameters())


def test_new_start_values() -> None:
    for kind, options in MODELS:
        model, _ = made(kind, options)
        before = [p.clone() for p in model.parameters()]
        model.reset_parameters()  # type: ignore[operator]
        for name, old in zip(dict(model.named_parameters()), before, strict=True):
            new = model.get_parameter(name)
            assert name.endswith("bias") or not torch.equal(old, new), f"{kind.__name__}: {name}"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m, i: m.score(i + N, i, i), "head: expected 0 to 6, got 7"),
        (lambda m, i: m.score(i, i + R, i), "relation: expected 0 to 2, got 3"),
        (lambda m, i: m.score(i, i, i - 1), "tail: expected 0 to 6, got -1"),
        (lambda m, i: m.score_tails(i, i + R), "relation: expected 0 to 2, got 3"),
        (lambda m, i: m.score_heads(i, i + N), "entity: expected 0 to 6, got 7"),
        (lambda m, i: m.answer(i, i + 2 * R), "asked: expected 0 to 5, got 6"),
        (lambda m, i: m.score(i.float(), i, i), "head: expected int64, got torch.float32"),
    ],
)
def test_what_does_not_exist_is_named(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call(DistMult(N, R, C), torch.zeros(1, dtype=torch.long))


def test_models_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="num_relations: expected at least 1, got 0"):
        ComplEx(N, 0, C)
    with pytest.raises(ValueError, match="num_layers: expected at least 1, got 0"):
        RGCNDistMult(N, R, C, num_layers=0)
    model = RGCNDistMult(N, R, C)
    with pytest.raises(ValueError, match="graph: expected the graph of the known triples"):
        model.encode()
    with pytest.raises(ValueError, match="graph: expected 7 nodes, as many as entities, got 2"):
        model.encode(Graph(torch.tensor([[0], [1]]), 2))
    with pytest.raises(ValueError, match="graph: expected the relation of every edge"):
        model.encode(Graph(torch.tensor([[0], [1]]), N))
