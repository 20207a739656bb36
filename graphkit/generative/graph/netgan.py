"""NetGAN: a graph is learnt as the random walks on it, and assembled from generated ones.

The generator writes a walk node by node; a critic tells it from walks of the graph. Generated
walks are counted, and a graph is drawn from the counts (Bojchevski et al. 2018).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit import resume
from graphkit.generative.adversarial import Batch, Game, play
from graphkit.generative.generators import sample
from graphkit.graph import Graph
from graphkit.sampling import random_walk

_TINY = 1e-12


class WalkBatches:
    """Walks of a graph, drawn anew each time: what a :class:`NetGAN` is trained on.

    Every walk starts at a node drawn at random, and follows node2vec's rule, see
    :func:`~graphkit.sampling.random_walk`.

    Args:
        graph: A Graph, or anything graph-like.
        batches: in an epoch.
        batch_size: walks in a batch.
        length: nodes of a walk.
        p, q: of the second order; 1 and 1 leave the first.
        device: where the walks go; the graph stays on the CPU.
    """

    def __init__(
        self,
        graph: Any,
        batches: int,
        batch_size: int = 128,
        length: int = 16,
        p: float = 1.0,
        q: float = 1.0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.graph, self.batches, self.batch_size = graph, batches, batch_size
        self.length, self.p, self.q, self.device = length, p, q, device

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[tuple[Tensor]]:
        for _ in range(self.batches):
            start = torch.randint(self.graph.num_nodes, (self.batch_size,))
            walks = random_walk(self.graph, start, self.length - 1, self.p, self.q)
            yield (walks.to(self.device),)


class Relaxed(NamedTuple):
    """Generated walks through which a gradient flows.

    Each node is the one-hot row of what was drawn, and in the backward pass the softmax that it was
    drawn by: ``hard - soft.detach() + soft`` (Jang et al. 2017, section 2.2). No one-hot row of N
    entries is made where a product with it is wanted.
    """

    nodes: Tensor
    """``[B, T]``"""
    soft: tuple[Tensor, ...]
    """T times ``[B, N]``"""

    def one_hot(self) -> Tensor:
        """``[B, T, N]``"""
        soft = torch.stack(self.soft, dim=1)
        return F.one_hot(self.nodes, soft.size(-1)).to(soft.dtype) - soft.detach() + soft

    def times(self, weight: Tensor) -> Tensor:
        """``one_hot() @ weight``, ``[B, T, d]``."""
        columns = self.nodes.unbind(dim=1)
        rows = [_Rows.apply(s, n, weight) for s, n in zip(self.soft, columns, strict=True)]
        return torch.stack(rows, dim=1)


class _Rows(torch.autograd.Function):
    """Rows of a matrix, as products of the matrix with straight-through one-hot rows."""

    @staticmethod
    def forward(ctx: Any, soft: Tensor, nodes: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(nodes, weight)
        return weight[nodes]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        (of_rows,) = gradients
        nodes, weight = ctx.saved_tensors
        of_soft = of_rows @ weight.T if ctx.needs_input_grad[0] else None
        of_weight = None
        if ctx.needs_input_grad[2]:
            of_weight = torch.zeros_like(weight).index_add_(0, nodes, of_rows)
        return of_soft, None, of_weight


class WalkGenerator(nn.Module):
    r"""Walks of noise, by an LSTM (Bojchevski et al. 2018, section 3.1).

    .. math::
        m_0 = g_\theta(z), \quad (p_t, m_t) = \mathrm{LSTM}(m_{t-1}, v_{t-1} W_\text{down}), \quad
        v_t \sim \mathrm{Cat}(\mathrm{softmax}(p_t W_\text{up} + b))

    Args:
        num_nodes: N.
        length: T, nodes of a walk.
        noise: size of the standard normal noise.
        hidden: size of the LSTM.
        down: width of :math:`W_\text{down}`.
        edges: of the graph whose walks these are, each counted once; as many has a graph that
            :func:`generated_graph` makes.

    Shapes:
        noise ``[B, noise]``; output: nodes ``[B, T]`` int64, without gradients. With gradients,
        for training: :meth:`relaxed`.
    """

    def __init__(
        self,
        num_nodes: int,
        length: int = 16,
        noise: int = 16,
        hidden: int = 40,
        down: int = 128,
        edges: int | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("num_nodes", num_nodes), ("length", length)):
            if value < 2:
                raise ValueError(f"{name}: expected at least 2, got {value}")
        self.num_nodes, self.length, self.noise, self.edges = num_nodes, length, noise, edges
        self.start = nn.Sequential(nn.Linear(noise, hidden), nn.Tanh())
        self.memory = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh()) for _ in range(2)
        )
        self.lstm = _LSTM(down, hidden)
        self.up = nn.Linear(hidden, num_nodes)
        self.down = nn.Parameter(_xavier(num_nodes, down))

    def _begin(self, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        started = self.start(noise)
        output, memory = (part(started) for part in self.memory)
        return noise.new_zeros(len(noise), self.down.size(1)), output, memory

    @torch.no_grad()
    def forward(self, noise: Tensor) -> Tensor:
        x, output, memory = self._begin(noise)
        walk: list[Tensor] = []
        for _ in range(self.length):
            output, memory = self.lstm(self.lstm.read(x), output, memory)
            sums = self.up(output).softmax(dim=-1).cumsum(dim=-1)
            # The inverse of the distribution function: one number drawn in place of N.
            at = torch.rand(len(x), 1, dtype=x.dtype, device=x.device) * sums[:, -1:]
            node = torch.searchsorted(sums, at, right=True).squeeze(1).clamp(max=self.num_nodes - 1)
            walk.append(node)
            x = self.down[node]
        return torch.stack(walk, dim=1)

    def relaxed(self, noise: Tensor, temperature: float | Tensor) -> Relaxed:
        r"""Walks of the same distribution, drawn by
        :math:`v_t = \arg\max_i (\text{logit}_i + g_i)` with Gumbel noise g, and
        :math:`\mathrm{softmax}((\text{logits} + g) / \tau)` for the backward pass."""
        x, output, memory = self._begin(noise)
        nodes: list[Tensor] = []
        softs: list[Tensor] = []
        for _ in range(self.length):
            output, memory = self.lstm(self.lstm.read(x), output, memory)
            logits = self.up(output)
            gumbel = torch.rand_like(logits).clamp_(min=_TINY).log_().neg_().log_()
            soft = logits.sub_(gumbel).div_(temperature).softmax(dim=-1)
            node = soft.argmax(dim=-1)
            nodes.append(node)
            softs.append(soft)
            x = _Rows.apply(soft, node, self.down)
        return Relaxed(torch.stack(nodes, dim=1), tuple(softs))


class WalkCritic(nn.Module):
    """How real a walk looks, by an LSTM that reads its nodes (there, section 3.1).

    Args:
        num_nodes: N.
        hidden: size of the LSTM.
        down: width of the matrix that one-hot nodes are multiplied with.

    Shapes:
        embedded walks ``[B, T, down]``, see :meth:`embed`; output: ``[B, 1]``.
    """

    def __init__(self, num_nodes: int, hidden: int = 30, down: int = 128) -> None:
        super().__init__()
        self.down = nn.Parameter(_xavier(num_nodes, down))
        self.lstm = _LSTM(down, hidden)
        self.out = nn.Linear(hidden, 1)

    def embed(self, walks: Tensor | Relaxed) -> Tensor:
        """Of nodes ``[B, T]``, one-hot rows ``[B, T, N]``, or relaxed walks."""
        if isinstance(walks, Relaxed):
            return walks.times(self.down)
        return walks @ self.down if walks.is_floating_point() else F.embedding(walks, self.down)

    def forward(self, embedded: Tensor) -> Tensor:
        output = memory = embedded.new_zeros(embedded.size(0), self.lstm.hidden)
        for read in self.lstm.read(embedded).unbind(dim=1):
            output, memory = self.lstm(read, output, memory)
        return self.out(output)


class NetGAN(Game):
    r"""The game of walks (Bojchevski et al. 2018, section 3), of Wasserstein's kind with the
    gradient penalty of Gulrajani et al. 2017.

    Args:
        num_nodes: N.
        length: nodes of a walk.
        penalty: weight of the gradient penalty.
        temperature, least_temperature, decay: a generator's step multiplies the temperature of its
            softmax by `decay`, down to the least.
        edges: as for :class:`WalkGenerator`.

    Batches are ``(walks,)``, nodes ``[B, length]``: those of :class:`WalkBatches`.
    """

    generator: WalkGenerator
    discriminator: WalkCritic
    steps: Tensor

    def __init__(
        self,
        num_nodes: int,
        length: int = 16,
        *,
        penalty: float = 10.0,
        temperature: float = 5.0,
        least_temperature: float = 0.5,
        decay: float = 1 - 5e-5,
        edges: int | None = None,
    ) -> None:
        generator = WalkGenerator(num_nodes, length, edges=edges)
        critic = WalkCritic(num_nodes)
        super().__init__(generator, critic, "wasserstein")
        self.walk_penalty, self.decay = penalty, decay
        self.first_temperature, self.least_temperature = temperature, least_temperature
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def temperature(self) -> float:
        """Of the generator's next step."""
        return self._temperature().item()

    def _temperature(self) -> Tensor:
        falling = self.first_temperature * self.decay ** self.steps.double()
        return falling.clamp(min=self.least_temperature)

    def optimizers(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        """The generator's and the critic's, with the authors' rates."""

        def adam(player: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
            return torch.optim.Adam(
                player.parameters(),
                3e-4,
                (0.5, 0.9),
                weight_decay=weight_decay,
                fused=True,
                capturable=self.steps.is_cuda,
            )

        return adam(self.generator, 1e-7), adam(self.discriminator, 5e-5)

    def _noise(self, count: int) -> Tensor:
        return torch.randn(count, self.generator.noise, device=self.steps.device)

    def discriminator_loss(self, batch: Batch) -> Tensor:
        critic = self.discriminator
        walks = torch.cat([batch[0], self.generator(self._noise(len(batch[0])))])
        embedded = critic.embed(walks)
        real, fake = embedded.chunk(2)
        loss = self.judgement(*critic(embedded).chunk(2))
        return loss + self.walk_penalty * one_hot_penalty(critic, real, fake)

    def generator_loss(self, batch: Batch) -> Tensor:
        walks = self.generator.relaxed(self._noise(len(batch[0])), self._temperature())
        self.steps += 1
        return self.objective.generator(self.discriminator(self.discriminator.embed(walks)))


def walk_counts(generator: WalkGenerator, transitions: int, part: int = 4096) -> Any:
    """How often generated walks go from each node to each other, either way.

    Args:
        generator: of the walks.
        transitions: how many steps to count, at least.
        part: walks whose steps are held at a time.

    Returns:
        A symmetric matrix ``[N, N]`` of SciPy's, in CSR form.
    """
    from scipy.sparse import csr_array

    if transitions < 1:
        raise ValueError(f"transitions: expected at least 1, got {transitions}")
    n = generator.num_nodes
    total = csr_array((n, n), dtype=np.int64)
    walks = -(-transitions // (generator.length - 1))
    for start in range(0, walks, part):
        nodes = sample(generator, min(part, walks - start)).cpu()
        number, times = (nodes[:, :-1] * n + nodes[:, 1:]).unique(return_counts=True)
        ends = (number // n).numpy(), (number % n).numpy()
        total = total + csr_array((times.numpy(), ends), shape=(n, n))
    return (total + total.T).tocsr()


def one_hot_penalty(critic: WalkCritic, real: Tensor, fake: Tensor) -> Tensor:
    r"""The gradient penalty at one-hot walks, without one-hot walks.

    It is :func:`~graphkit.generative.objectives.gradient_penalty` of real and generated walks as
    ``[B, T, N]``. As a walk is read by :math:`W_\text{down}` first, its slope there is
    :math:`s W_\text{down}^\top`, where s is the slope at the embedded walk, and

    .. math::
        \lVert s W_\text{down}^\top \rVert^2 = \sum_t s_t W_\text{down}^\top W_\text{down} s_t^\top.

    Args:
        critic: whose embedding it is.
        real, fake: embedded walks ``[B, T, down]``.
    """
    share = torch.rand(real.size(0), 1, 1, dtype=real.dtype, device=real.device)
    between = torch.lerp(fake, real, share)
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    square = ((slope @ (critic.down.T @ critic.down)) * slope).flatten(1).sum(dim=1)
    return (square.clamp(min=_TINY).sqrt() - 1).square().mean()


def train_netgan(
    game: NetGAN,
    graph: Any,
    judge: Callable[[NetGAN], float],
    *,
    enough: float = float("inf"),
    patience: int = 5,
    every: int = 500,
    limit: int = 50_000,
    discriminator_steps: int = 3,
    batch_size: int = 128,
    folder: str | os.PathLike[str] | None = None,
    on_judged: Callable[[int, float], Any] | None = None,
) -> list[float]:
    """Train until a judge finds it enough, or no better; and take the best generator.

    The paper's two rules (section 3.2): EO stops when a graph made from the counts has the wanted
    share of the input's edges, ``judge=overlap, enough=0.5``; VAL when the links held out for
    validation are not predicted better, ``judge=auc, patience=5``.

    Args:
        game: who plays; on a GPU steps are recorded and replayed.
        graph: the training graph.
        judge: of the game as it stands, in evaluation mode, higher is better.
        enough: what the judge must find for training to stop.
        patience: how many judgements no better than the best one end it.
        every: steps of the generator between judgements.
        limit: steps of the generator in all.
        discriminator_steps: for each of them.
        batch_size: walks in a batch.
        folder: where checkpoints are kept, from which a run that was broken off goes on.
        on_judged: called with the number of steps and what the judge found.

    Returns:
        What the judge found, each time.
    """
    if min(patience, every, limit) < 1:
        raise ValueError(
            f"patience, every, limit: expected at least 1, got {patience}, {every}, {limit}"
        )
    walks = WalkBatches(
        graph,
        every * discriminator_steps,
        batch_size,
        length=game.generator.length,
        device=game.steps.device,
    )
    optimizers = game.optimizers()
    checkpoint, memory = (
        (None, None) if folder is None else (Path(folder) / n for n in ("game", "judged"))
    )
    found: list[float] = []
    best: dict[str, Tensor] = {}
    if memory is not None and memory.exists():
        state = resume.load(memory)
        found, best = state["found"], state["best"]
    while not _is_over(found, enough, patience) and len(found) * every < limit:
        number = len(found) + 1 if checkpoint is not None else 1
        play(
            game,
            walks,
            *optimizers,
            epochs=number,
            discriminator_steps=discriminator_steps,
            checkpoint=checkpoint,
            replay=game.steps.is_cuda,
        )
        found.append(float(judge(game)))
        if found[-1] == max(found):
            best = {name: value.clone() for name, value in game.generator.state_dict().items()}
        if memory is not None:
            resume.save(memory, {"found": found, "best": best})
        if on_judged is not None:
            on_judged(len(found) * every, found[-1])
    game.generator.load_state_dict(best)
    game.eval()
    return found


def _is_over(found: list[float], enough: float, patience: int) -> bool:
    if not found:
        return False
    since_best = len(found) - 1 - found.index(max(found))
    return found[-1] >= enough or since_best >= patience


def assemble(counts: Any, edges: int) -> Graph:
    """A graph drawn from the counts of walks' steps (there, section 3.3).

    Every node gets one edge first, to a node drawn in proportion to the counts of its row, so that
    none is left alone. Further edges are drawn without replacement in proportion to their counts.

    Args:
        counts: a sparse matrix ``[N, N]``, see :func:`walk_counts`. Both directions are added
            up, as in the authors' code, where the paper takes the greater. The diagonal does not
            count.
        edges: how many, each counted once.

    Returns:
        An undirected graph of N nodes.

    Raises:
        ValueError: There are fewer pairs with a count, or more nodes than edges may be.
    """
    from scipy.sparse import coo_array, triu

    matrix = coo_array(counts)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"counts: expected a square matrix, got {matrix.shape}")
    upper = triu(matrix + matrix.T, 1, format="coo")
    if (upper.data < 0).any() or not np.isfinite(upper.data.sum()):
        raise ValueError("counts: expected finite numbers of at least 0, got others")
    upper.eliminate_zeros()
    n, pairs = matrix.shape[0], len(upper.data)
    if pairs < edges:
        raise ValueError(f"counts: expected at least {edges} pairs with a count, got {pairs}")
    a, b = (torch.from_numpy(ends.astype(np.int64)) for ends in upper.coords)
    weight = torch.from_numpy(upper.data).double().log()
    met = torch.cat([a, b]).unique().numel()
    if edges < met:
        raise ValueError(f"edges: expected at least one for each of {met} nodes, got {edges}")

    def keys(size: int) -> Tensor:
        """Gumbel noise: the greatest sum with a log weight is drawn in proportion to the weight,
        and so are the next ones without replacement."""
        return -torch.empty(size, dtype=torch.double).exponential_().log()

    node, pair = torch.cat([a, b]), torch.arange(pairs).repeat(2)
    order = (keys(2 * pairs) + weight.repeat(2)).argsort(descending=True)
    first = np.unique(node[order].numpy(), return_index=True)[1]  # of every node its greatest key
    chosen = torch.zeros(pairs, dtype=torch.bool)
    chosen[pair[order[first]]] = True
    further = (keys(pairs) + weight).masked_fill(chosen, -torch.inf)
    chosen[further.topk(edges - int(chosen.sum())).indices] = True
    links = torch.stack([a[chosen], b[chosen]])
    return Graph(torch.cat([links, links.flip(0)], dim=1), n, undirected=True)


def generated_graph(generator: WalkGenerator, transitions: int | None = None) -> Graph:
    """A graph of a trained generator: its walks counted, and :func:`assemble` of the counts.

    Args:
        generator: made with `edges`, how many the graph shall have.
        transitions: steps to count; 100 for each of these edges if not given.
    """
    if generator.edges is None:
        raise ValueError("generator: expected one made with edges, got none")
    steps = 100 * generator.edges if transitions is None else transitions
    return assemble(walk_counts(generator, steps), generator.edges)


def _xavier(*size: int) -> Tensor:
    return nn.init.xavier_uniform_(torch.empty(*size))


class _LSTM(nn.Module):
    """One step after the other; what is given can be multiplied for all steps at once.

    Gates are in the order input, forget, output, candidate, so that one sigmoid serves three. They
    begin with Xavier's weights and remember (a forget bias of 1).
    """

    def __init__(self, given: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.given = nn.Parameter(_xavier(4 * hidden, given))
        self.again = nn.Parameter(_xavier(hidden, 4 * hidden))
        bias = torch.zeros(4 * hidden)
        bias[hidden : 2 * hidden] = 1.0
        self.bias = nn.Parameter(bias)

    def read(self, x: Tensor) -> Tensor:
        """What x ``[..., given]`` adds to the gates, ``[..., 4 hidden]``."""
        return F.linear(x, self.given, self.bias)

    def forward(self, read: Tensor, output: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        gates = torch.addmm(read, output, self.again)
        opens, candidate = gates.split([3 * self.hidden, self.hidden], dim=1)
        let_in, keep, let_out = opens.sigmoid().chunk(3, dim=1)
        memory = torch.addcmul(let_in * candidate.tanh(), keep, memory)
        return let_out * memory.tanh(), memory
