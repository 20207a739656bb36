"""Completion of knowledge graphs: which entity answers (head, relation, ?) and which
(?, relation, tail)?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.data.dataset import Dataset
from graphkit.data.knowledge import TripleSplit, triples_of
from graphkit.graph import Graph
from graphkit.metrics import ranking_quality, target_ranks
from graphkit.nn import KnowledgeModel
from graphkit.tasks.task import Phase, Phases, Task

TRAINING = ("1-vs-all", "k-vs-all", "negatives")
"""How a :class:`KnowledgeTask` is learnt."""

_SHORT = (torch.bfloat16, torch.float16)
_ROWS = 512  # questions that are ranked at a time


class Answers:
    """What is known to answer which question, found by the question.

    A question is a known entity and what is asked of it: a relation r for the tails of (entity, r,
    ?), or `num_relations` + r for the heads of (?, r, entity). Every triple answers two.

    Args:
        triples: ``[3, n]`` heads, relations, tails.
        num_relations: How many relations there are.

    Attributes:
        questions: ``[2, Q]`` entity and what is asked, each question once.
    """

    def __init__(self, triples: Tensor, num_relations: int) -> None:
        self.num_relations = num_relations
        entity, asked, answer = both_sides(triples, num_relations)
        number = entity * 2 * num_relations + asked
        number, order = number.sort(stable=True)
        self._number, counts = number.unique_consecutive(return_counts=True)
        self._start = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self._answer = answer[order]
        self._triple = order % triples.size(1)
        asked = self._number % (2 * num_relations)
        self.questions = torch.stack([self._number // (2 * num_relations), asked])

    def find(self, entity: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """Known answers of questions.

        Returns:
            ``[2, K]`` row of the question and entity that answers it; and ``[K]`` which of the
            triples says so.
        """
        wanted = entity * 2 * self.num_relations + asked
        place = torch.searchsorted(self._number, wanted).clamp_(max=len(self._number) - 1)
        start, end = self._start[place], self._start[place + 1]
        counts = (end - start) * (self._number[place] == wanted)
        row = torch.arange(len(wanted), device=wanted.device).repeat_interleave(counts)
        within = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
        at = start[row] + within
        return torch.stack([row, self._answer[at]]), self._triple[at]


def both_sides(triples: Tensor, num_relations: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of ``n`` triples the ``2 n`` questions: entities, what is asked of them, and the answers."""
    head, relation, tail = triples
    return (
        torch.cat([head, tail]),
        torch.cat([relation, relation + num_relations]),
        torch.cat([tail, head]),
    )


class Questions(NamedTuple):
    """A batch: questions, and candidates for their answers.

    Attributes:
        entity, asked: ``[Q]`` the questions, as :class:`Answers` has them.
        answer: ``[2, K]`` rows and entities that are right, if all entities are candidates; else
            ``[Q, 1 + k]`` candidates, of which the first is right.
        triples: Which training triples the answers are of.
    """

    entity: Tensor
    asked: Tensor
    answer: Tensor
    triples: Tensor


class Ranked(NamedTuple):
    """A phase that is judged: questions, the answer of each, and which others are right, too."""

    entity: Tensor
    asked: Tensor
    answer: Tensor
    known: Answers
    graph: Graph


class KnowledgeTask(Task):
    r"""Triples that are missing from a knowledge graph, each ranked from both its ends.

    A model is a :class:`~graphkit.nn.KnowledgeModel`. In validation and test the tail of every
    held-out triple is ranked among all entities, and so is its head. Ranks are filtered: answers
    known from training and validation, in the test those from the test as well, are no rivals.
    The metric is the mean of 1 / rank over both sides. Of equal scores the rank is the mean.

    Training is one of three:

    - "1-vs-all" (Lacroix et al. 2018): cross-entropy of every triple's tail among all
      entities, and of its head. A batch is of questions, with all their answers: what is asked
      several times is computed once.
    - "k-vs-all": the same where every question counts once, its answers sharing its weight.
    - "negatives" (Sun et al. 2019, section 3, halved as in its code): the logistic loss
      :math:`-\frac12 \log \sigma(\gamma + s) - \frac12 \sum_i p_i \log \sigma(-\gamma - s_i)`
      against `negatives` entities drawn at random, answers among them not excepted, with weights
      :math:`p_i \propto \exp(\alpha s_i)` that no gradient passes through.

    Of a model that reads the graph the triples which a batch asks for are taken out of it.

    Args:
        training: How it is learnt.
        negatives: How many to draw for every question.
        margin: :math:`\gamma`.
        temperature: :math:`\alpha`; at 0 all negatives count the same.
        validated: Judge so many triples of validation, drawn once, the same for all seeds; None:
            all.
    """

    level = "edge"
    selection = "best validation MRR, then lowest mean log rank, then earliest epoch"

    def __init__(
        self,
        training: str = "1-vs-all",
        *,
        negatives: int = 128,
        margin: float = 0.0,
        temperature: float = 0.0,
        validated: int | None = None,
    ) -> None:
        super().__init__("link", "mrr", 1)
        if training not in TRAINING:
            raise ValueError(f"training: expected one of {', '.join(TRAINING)}; got {training!r}")
        for name, value, least in (("negatives", negatives, 1), ("temperature", temperature, 0)):
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")
        if validated is not None and validated < 1:
            raise ValueError(f"validated: expected at least 1 triple, got {validated}")
        self.training = training
        self.negatives = negatives
        self.margin = margin
        self.temperature = temperature
        self.validated = validated

    @classmethod
    def of(cls, dataset: Dataset) -> KnowledgeTask:
        triples_of(dataset)  # says what is none
        return cls()

    def loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        """As `training` says.

        Args:
            prediction: ``[Q, N]`` scores of all entities, or ``[Q, 1 + k]`` of the answer and of
                negatives.
            target: ``[2, K]`` rows and columns of right answers; of negatives it is not looked at.
        """
        if self.training == "negatives":
            scores = self.margin + prediction
            right, wrong = scores[:, 0], scores[:, 1:]
            weight = (self.temperature * wrong.detach()).softmax(dim=1)
            against = (weight * F.logsigmoid(-wrong)).sum(dim=1)
            return -(F.logsigmoid(right) + against).mean() / 2
        row, column = target
        prediction = prediction.float() if prediction.dtype in _SHORT else prediction
        lost = -F.log_softmax(prediction, dim=1)[row, column]
        if self.training == "1-vs-all":
            return lost.mean()
        counts = torch.bincount(row, minlength=len(prediction))
        return (lost / counts[row]).sum() / len(prediction)

    def score(self, prediction: Tensor, target: Tensor) -> float:
        """The mean of 1 / rank; `prediction` are ranks ``[n]``."""
        return ranking_quality(prediction, ())["mrr"]

    def evaluate(self, model: nn.Module, phase: Phase) -> tuple[float, float]:
        """MRR and mean log rank."""
        ranks = self.ranks(model, phase)
        return self.score(ranks, ranks), ranks.log().mean().item()

    def ranks(self, model: nn.Module, phase: Phase) -> Tensor:
        """``[2 n]`` ranks of the tails of validation or test, then those of the heads."""
        model.eval()
        # Under autocast scores would have so few digits that many are equal.
        device = next(model.parameters()).device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            return phase.all(model)[0]

    def phases(
        self, dataset: Dataset, seed: int, *, batch_size: int = 512, **settings: Any
    ) -> Phases:
        """`batch_size` is that of questions in a step."""
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        graph = dataset.graph
        split = triples_of(dataset).to(graph.edge_index.device)
        val = split.val
        if self.validated is not None and self.validated < val.size(1):
            chosen = torch.randperm(val.size(1), generator=torch.Generator().manual_seed(0))
            val = val[:, chosen[: self.validated].to(val.device)]
        # Validation must not know what the test asks for.
        known = torch.cat([split.train, split.val], dim=1)
        judged = [(val, known), (split.test, torch.cat([known, split.test], dim=1))]

        def rank(model: nn.Module, batch: Ranked) -> tuple[Tensor, Tensor]:
            return _rank(cast(KnowledgeModel, model), batch), batch.answer

        def phase(triples: Tensor, known: Tensor) -> Phase:
            sides = both_sides(triples, split.num_relations)
            return Phase([Ranked(*sides, Answers(known, split.num_relations), graph)], rank)

        def learn(model: nn.Module, batch: Questions) -> tuple[Tensor, Tensor]:
            return self._predict(cast(KnowledgeModel, model), batch, graph)

        draws = _Draws(self, split, batch_size, seed)
        return Phases(Phase(draws, learn), *(phase(*each) for each in judged))

    def _predict(
        self, model: KnowledgeModel, batch: Questions, graph: Graph
    ) -> tuple[Tensor, Tensor]:
        entities = model.encode(_without(graph, batch.triples) if model.reads_graph else None)
        if self.training != "negatives":
            return model.answer(batch.entity, batch.asked, entities), batch.answer
        queries = model.queries(batch.entity, batch.asked, entities).unsqueeze(1)
        return model.compare(queries, entities[batch.answer]), batch.answer


def _rank(model: KnowledgeModel, asked: Ranked) -> Tensor:
    entities = model.encode(asked.graph)
    found: list[Tensor] = []
    for part in torch.arange(len(asked.entity), device=asked.entity.device).split(_ROWS):
        question = asked.entity[part], asked.asked[part]
        known, _ = asked.known.find(*question)
        scores = model.answer(*question, entities)
        found.append(target_ranks(scores, asked.answer[part], known))
    return torch.cat(found)


class _Draws:
    """The questions of an epoch, in an order drawn anew."""

    def __init__(self, task: KnowledgeTask, split: TripleSplit, batch_size: int, seed: int) -> None:
        self.task, self.split, self.batch_size = task, split, batch_size
        self.generator = torch.Generator().manual_seed(seed)
        self.answers = Answers(split.train, split.num_relations)

    def __iter__(self) -> Iterator[Questions]:
        one_each = self.task.training == "negatives"
        device = self.split.train.device
        if one_each:
            entity, asked, answer = both_sides(self.split.train, self.split.num_relations)
        else:
            (entity, asked), answer = self.answers.questions, None
        order = torch.randperm(len(entity), generator=self.generator).to(device)
        for part in order.split(self.batch_size):
            question = entity[part], asked[part]
            if answer is None:
                candidates, triples = self.answers.find(*question)
            else:
                candidates = self._with_negatives(answer[part])
                triples = part % self.split.train.size(1)
            yield Questions(*question, candidates, triples)

    def _with_negatives(self, answer: Tensor) -> Tensor:
        size = (len(answer), self.task.negatives)
        drawn = torch.randint(self.split.num_entities, size, generator=self.generator)
        return torch.cat([answer.unsqueeze(1), drawn.to(answer.device)], dim=1)


def _without(graph: Graph, triples: Tensor) -> Graph:
    """The graph without the edges of some training triples."""
    kept = torch.ones(graph.num_edges, dtype=torch.bool, device=triples.device)
    kept[triples] = False
    return Graph(
        graph.edge_index[:, kept],
        graph.num_nodes,
        undirected=False,
        edge_attrs={"edge_type": graph.edge_type[kept]},
    )
