"""Generators of graphs and molecules as `graphkit generate` trains them, and what they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from graphkit.cli._training import progress, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from graphkit.generative import Autoencoder, Round
    from graphkit.generative.graph import DenseMolecules
    from graphkit.graph import Graph

MODELS = {"molgan": 40, "graph-vae": 40, "netgan": 20}  # and epochs of training
REWARDS = ("qed", "solubility", "synthesizability")
SIZE, ELEMENTS = 9, ("C", "N", "O", "F")
_ROUND = 100  # NetGAN's steps in an epoch
_DRAWN = 12


def molecules_of(
    name: str, console: Console, list_refused: bool, limit: int | None, seed: int
) -> tuple[DenseMolecules, list[str]]:
    """The molecules of a data set or file that can be learnt from, among `limit` drawn ones."""
    import random

    from graphkit.data import data_folder, load
    from graphkit.data.qm9 import TABLE
    from graphkit.data.smiles_csv import read_smiles
    from graphkit.generative.graph import DenseMolecules

    if Path(name).suffix:
        smiles = read_smiles(name)
    elif name == "qm9" and (table := data_folder() / TABLE).is_file():
        smiles = read_smiles(table)  # without a graph of each, which takes a minute
    else:
        dataset = load(name)
        if "smiles" not in dataset.further:
            raise ValueError(f"--dataset: expected molecules, got {name}, which has no SMILES")
        smiles = dataset.further["smiles"]
    if limit is not None and limit < len(smiles):
        smiles = random.Random(seed).sample(smiles, limit)
    code = DenseMolecules(SIZE, ELEMENTS)
    found = code.chosen(smiles)
    elements = ", ".join(ELEMENTS)
    console.print(
        f"  {len(found.fitting):,} of {len(smiles):,} molecules have at most {SIZE} atoms, of "
        f"{elements}, without charges; {len(found.refused):,} are refused by rdkit",
        highlight=False,
        soft_wrap=True,
    )
    for one in found.refused if list_refused else ():
        console.print(f"  refused: {one}", highlight=False, markup=False)
    if len(found.fitting) < 2:
        raise ValueError(
            f"--dataset: expected at least 2 molecules of at most {SIZE} atoms, of {elements}, "
            f"got {len(found.fitting)} in {name}"
        )
    return code, found.fitting


def fit_molgan(
    code: DenseMolecules, smiles: list[str], epochs: int, reward: str | None, console: Console
) -> nn.Module:
    """From a graph VAE's decoder on; the game has half as many epochs as that."""
    import torch

    from graphkit import metrics
    from graphkit.data import Samples
    from graphkit.generative import play, train_discriminator
    from graphkit.generative.graph import MolGAN, OfValid, Scarce

    start = fit_graph_vae(code, smiles, epochs, console)
    assert start.noise is not None
    worth = None if reward is None else OfValid(getattr(metrics, reward))
    game = MolGAN(
        code,
        None if worth is None else Scarce(worth, floor=0.75),
        critic_share=1.0 if worth is None else 0.02,
        noise=start.noise,
    )
    game.generator.load_state_dict(start.decoder.state_dict())
    of_generator, of_judges = (
        torch.optim.Adam(player.parameters(), rate, betas=(0.5, 0.9), fused=True)
        for player, rate in ((game.generator, 2e-4), (game.discriminator, 1e-3))
    )
    molecules = code.encode(smiles)
    rows = (molecules,) if worth is None else (molecules, worth(smiles))
    batches = Samples(*rows, batch_size=32)
    for batch in batches:  # so that the generator does not follow judges who know nothing
        train_discriminator(game, batch, of_judges)
    epochs = max(1, epochs // 2)
    with progress(console, "molgan", epochs) as told:

        def on_epoch(round_: Round) -> None:
            losses = f"{round_.discriminator_loss:.3g}, {round_.generator_loss:.3g}"
            told(round_.number, f"losses {losses}")

        play(
            game,
            batches,
            of_generator,
            of_judges,
            epochs=epochs,
            discriminator_steps=min(5, len(batches)),
            on_epoch=on_epoch,
        )
    return game.generator


def fit_graph_vae(
    code: DenseMolecules, smiles: list[str], epochs: int, console: Console
) -> Autoencoder:
    from graphkit.generative import fit_autoencoder
    from graphkit.generative.graph import graph_vae

    model = graph_vae(code.size, code.elements)
    with progress(console, "graph-vae", epochs) as told:
        fit_autoencoder(
            model,
            code.encode(smiles),
            epochs=epochs,
            batch_size=64,
            on_epoch=lambda epoch: told(epoch.number, f"loss {epoch.loss:.4g}"),
        )
    return model


def fit_netgan(graph: Graph, epochs: int, console: Console) -> nn.Module:
    """NetGAN of the largest component, kept where a graph made of its walks is most like it."""
    from graphkit.generative.graph import NetGAN, generated_graph, train_netgan
    from graphkit.metrics import edge_overlap

    edges = graph.num_edges // 2
    game = NetGAN(graph.num_nodes, edges=edges)
    with progress(console, "netgan", epochs) as told:
        train_netgan(
            game,
            graph,
            lambda game: edge_overlap(graph, generated_graph(game.generator)),
            patience=epochs,
            every=_ROUND,
            limit=_ROUND * epochs,
            on_judged=lambda steps, found: told(steps // _ROUND, f"edge overlap {found:.1%}"),
        )
    return game.generator


def component_of(name: str) -> Graph:
    """The largest component of a data set's graph, undirected and without loops."""
    from graphkit import Graph
    from graphkit.data import largest_component, load

    dataset = load(name)
    if dataset.level == "graph":
        raise ValueError(f"--dataset: expected one graph, got {name}, which has many")
    edges, count = dataset.graph.edge_index, dataset.graph.num_nodes
    graph = largest_component(Graph(edges[:, edges[0] != edges[1]], count).to_undirected())
    if graph.num_edges == 0:
        raise ValueError(f"--dataset: expected a graph with edges, got {name} without any")
    return graph


def save(generator: nn.Module, file: Path) -> None:
    """With what it was made with, so that `graphkit generate FILE` makes it again."""
    from graphkit.generative import Autoencoder, save_generator
    from graphkit.generative.graph import WalkGenerator, graph_vae, molecule_generator

    if isinstance(generator, WalkGenerator):
        save_generator(
            generator,
            file,
            num_nodes=generator.num_nodes,
            length=generator.length,
            edges=generator.edges,
        )
    else:
        made_with: dict[str, Any] = {"size": SIZE, "elements": list(ELEMENTS)}
        if isinstance(generator, Autoencoder):
            save_generator(generator, file, graph_vae, **made_with)
        else:
            save_generator(generator, file, molecule_generator, **made_with, noise=generator.noise)


def write_molecules(
    file: Path, made: Any, code: DenseMolecules, correct: bool, console: Console
) -> None:
    """What is valid: SMILES line by line, or drawn; or all as arrays."""
    import numpy as np

    from graphkit import plot
    from graphkit.metrics import internal_diversity, qed, uniqueness, validity

    smiles = code.decode(made, correct=correct)
    valid = [one for one in smiles if one is not None]
    figures: dict[str, Any] = {"molecules": len(smiles), "valid": validity(smiles)}
    if valid:
        figures["unique among them"] = uniqueness(smiles)
        figures["mean QED"] = qed(valid).mean().item()
    if len(valid) > 1:
        figures["internal diversity"] = internal_diversity(valid)
    show(console, "Generated", figures)
    if file.suffix == ".npz":
        atoms, bonds = code.unpack(made)
        np.savez_compressed(file, atoms=atoms.argmax(-1).numpy(), bonds=bonds.argmax(-1).numpy())
    elif file.suffix == ".smi":
        file.write_text("".join(f"{one}\n" for one in valid), encoding="utf-8")
    else:
        drawn = sorted(set(valid), key=valid.index)[:_DRAWN]
        if not drawn:
            raise ValueError(f"--out: no molecule was valid, so there is nothing to draw in {file}")
        plot.molecules(file, drawn, [f"QED {value:.2f}" for value in qed(drawn).tolist()])


def write_graphs(file: Path, graphs: Sequence[Graph], console: Console) -> None:
    """GraphML, one file for each; all edges as arrays; or drawn."""
    import networkx as nx
    import numpy as np

    from graphkit import plot
    from graphkit.convert import to_networkx
    from graphkit.metrics import graph_statistics

    show(console, "Generated" if len(graphs) == 1 else "The first", graph_statistics(graphs[0]))
    if file.suffix == ".npz":
        arrays: dict[str, Any] = {"num_nodes": graphs[0].num_nodes}
        arrays |= {f"edge_index_{k}": graph.edge_index.numpy() for k, graph in enumerate(graphs)}
        np.savez_compressed(file, **arrays)
    elif file.suffix == ".graphml":
        for k, graph in enumerate(graphs):
            name = file if len(graphs) == 1 else file.with_stem(f"{file.stem}-{k}")
            nx.write_graphml(to_networkx(graph), name)
    else:
        drawn = list(graphs[:_DRAWN])
        titles = [f"{graph.num_nodes:,} nodes, {graph.num_edges // 2:,} edges" for graph in drawn]
        plot.networks(file, drawn, titles=titles)
