"""Graph autoencoders as experiments: links that were taken out, by an encoder of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from graphkit.data.dataset import Dataset
from graphkit.experiment import models
from graphkit.experiment.recipes import recipe_of
from graphkit.experiment.run import Experiment, Outcome, Trained
from graphkit.generative import Autoencoder, CodeAdversary, frozen, train_discriminator
from graphkit.generative.autoencoder import perceptron
from graphkit.generative.graph import Links, MaskGAE, draw_links, gae, vgae
from graphkit.metrics import METRICS
from graphkit.tasks import LinkTask
from graphkit.train import Epoch

Batch = tuple[Tensor, Any, Links]
Loss = Callable[[Batch], Tensor]


class LinkModel(nn.Module):
    """An autoencoder, asked for logits of pairs."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    @property
    def encoder(self) -> nn.Module:
        return self.autoencoder.encoder

    def forward(self, x: Tensor, graph: Any, pairs: Tensor) -> Tensor:
        return self.autoencoder.decoder(self.autoencoder.encode(x, graph))(pairs)


class AutoencoderExperiment(Experiment):
    """A graph autoencoder, trained on the links that are left, tested on those taken out.

    GAE and VGAE (Kipf & Welling 2016) reconstruct all entries of :math:`A + I` of the training
    links, or, above `whole_up_to` nodes, those that are 1 and a sample of the others. ARGA and
    ARVGA (Pan et al. 2018) have an adversary on the code besides: an epoch is `reconstructions`
    steps without it, one of the discriminator's and one against it, as in the authors' code.
    MaskGAE (Li et al. 2023) reconstructs links that were hidden from the encoder.
    The setting `encoder` is the name of any other model of `graphkit run`, and what no setting here
    says of it is as in its own recipe.
    """

    def __init__(self, dataset: Dataset, model: str, *, level: Any = None, **options: Any) -> None:
        if level not in (None, "edge"):
            raise ValueError(f"task: expected 'link' for {model}, got {level!r}")
        super().__init__(dataset, model, level="edge", **options)

    def build(self, seed: int) -> LinkModel:
        s, graph = SimpleNamespace(**self.settings), self.dataset.graphs[0]
        if not isinstance(self.task, LinkTask):
            raise ValueError(
                f"dataset: expected one graph whose links are predicted, got {self.dataset.name}"
            )
        if s.encoder not in models.MODELS:
            raise ValueError(
                f"encoder: expected one of {', '.join(models.MODELS)}, got {s.encoder!r}"
            )
        kind = self.recipe.layers["kind"]
        if kind == "maskgae" and s.code != s.hidden:
            raise ValueError(f"code: expected {s.hidden} as `hidden` for maskgae, got {s.code}")
        interface = models.Interface(
            features=graph.x.size(1),
            edges=0,
            outputs=2 * s.code if kind == "vgae" else s.code,
            plain_last=kind != "maskgae",
            degrees=cache(lambda: models.degrees_of(self.dataset.graphs)),
        )
        own = recipe_of(s.encoder).settings([self.dataset.name], "edge", {})
        encoder = models.build(s.encoder, interface, SimpleNamespace(**own | self.settings))
        if kind == "vgae":
            model = vgae(encoder, graph.num_nodes)
        elif kind == "maskgae":
            model = MaskGAE(encoder, s.code, s.decoder_hidden, s.degrees)
        else:
            model = gae(encoder)
        return LinkModel(model).to(self.device)

    def train(self, seed: int, on_epoch: Callable[[Epoch], Any] | None = None) -> Trained:
        torch.manual_seed(seed)
        s, task = self.settings, self.task
        assert isinstance(task, LinkTask)
        split = task.split_of(self.dataset, seed)
        phases = task.phases(self.dataset, seed)
        model = self.build(seed)
        x, generator = self.dataset.graph.x, torch.Generator().manual_seed(seed)

        def draw() -> Batch:
            if self.recipe.layers["kind"] == "maskgae":
                graph, hidden, unlinked = split.draw(s["supervised"], generator)
                return x, graph, Links(hidden, unlinked)
            return x, split.graph, draw_links(split, generator, s["whole_up_to"])

        steps = _Steps(self._losses(model.autoencoder), draw)
        fitted = self.minimise(model, steps, lambda step: step[0](step[1]), phases.val, on_epoch)
        with torch.no_grad():
            found = phases.test.all(model)
        return Trained(seed, model, fitted, task.score(*found), {"ap": METRICS["ap"].score(*found)})

    def _losses(self, model: Autoencoder) -> list[Loss]:
        """What the steps of an epoch minimise."""

        def reconstruct(batch: Batch) -> Tensor:
            return model.loss(*batch[:-1], target=batch[-1])

        if not self.recipe.layers.get("adversary"):
            return [reconstruct]
        s = self.settings
        judge = perceptron([s["code"], 16, 64, 1]).to(self.device)
        game = CodeAdversary(model, judge, targets=True, weight=s["adversary"])
        optimizer = torch.optim.Adam(judge.parameters(), lr=s["adversary_lr"])

        def play(batch: Batch) -> Tensor:
            train_discriminator(game, batch, optimizer)
            with frozen(judge):
                return game.generator_loss(batch)

        return [*[reconstruct] * s["reconstructions"], play]

    def outcome(self) -> Outcome:
        outcome = super().outcome()
        outcome.published_further = {
            "ap": self.recipe.published(self.dataset.name, "edge", self.protocol, "ap")
        }
        return outcome


class _Steps:
    """The steps of an epoch: what each minimises, and its batch, drawn anew."""

    def __init__(self, losses: Sequence[Loss], draw: Callable[[], Batch]) -> None:
        self.losses, self.draw = losses, draw

    def __iter__(self) -> Iterator[tuple[Loss, Batch]]:
        for loss in self.losses:
            yield loss, self.draw()
