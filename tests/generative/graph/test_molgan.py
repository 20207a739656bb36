"""MolGAN: molecules as tensors and back, layers against sparse ones and loops, and the game."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from graphkit.data import Samples
from graphkit.generative import (
    load_generator,
    play,
    sample,
    save_generator,
    train_discriminator,
    train_generator,
)
from graphkit.generative.graph import (
    DenseMolecules,
    MoleculeDecoder,
    MoleculeGenerator,
    MoleculeReader,
    MolGAN,
    OfValid,
    RelationalLayer,
    Scarce,
)
from graphkit.generative.objectives import gradient_penalty
from graphkit.graph import Graph
from graphkit.nn import MLP, GCNConv, GINEConv, MessagePassing, RGCNConv, SAGEConv

chem = pytest.importorskip("rdkit.Chem")

MOLECULES = DenseMolecules()
SMILES = ["CCO", "c1ccncc1", "C#N", "O=C1CC1F", "CC(C)(C)C(=O)OC", "C1=CNC=C1"]


def written(atoms: list[int], bonds: dict[tuple[int, int], int], n: int = 5) -> Tensor:
    """Molecules written by hand: numbers of elements, and of bonds."""
    code = DenseMolecules(n)
    x = torch.zeros(1, n, dtype=torch.int64)
    a = torch.zeros(1, n, n, dtype=torch.int64)
    x[0, : len(atoms)] = torch.tensor(atoms)
    for (i, j), kind in bonds.items():
        a[0, i, j] = a[0, j, i] = kind
    one_hot = torch.nn.functional.one_hot
    return code.pack(one_hot(x, 5).float(), one_hot(a, 4).float())


def test_molecules_come_back():
    packed = MOLECULES.encode(SMILES)
    assert packed.shape == (6, 9, 5 + 9 * 4)
    assert packed.sum(dim=2).eq(1 + 9).all()  # one type for every atom and pair
    canonical = [chem.MolToSmiles(chem.MolFromSmiles(one)) for one in SMILES]
    assert MOLECULES.decode(packed) == canonical
    assert MOLECULES.decode(packed, largest=False) == canonical
    atoms, bonds = MOLECULES.unpack(packed)
    assert torch.equal(MOLECULES.pack(atoms, bonds), packed)
    assert torch.equal(bonds, bonds.transpose(1, 2))
    # Ethanol: two carbons and an oxygen in a row, no other atom.
    assert atoms[0].argmax(dim=1).tolist() == [1, 1, 3, 0, 0, 0, 0, 0, 0]
    assert bonds[0].argmax(dim=2).nonzero().tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    # Pyridine, with double and single bonds in turns.
    assert bonds[1, :6, :6].argmax(dim=2).sum() == 2 * (3 * 2 + 3 * 1)


def test_encoding_agrees_with_a_permutation():
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    atoms, bonds = MOLECULES.unpack(MOLECULES.encode(SMILES))
    turned = MOLECULES.pack(atoms[:, order], bonds[:, order][:, :, order])
    assert MOLECULES.decode(turned) == MOLECULES.decode(MOLECULES.pack(atoms, bonds))


def test_what_is_corrected_and_what_is_not():
    code = DenseMolecules(5)
    cases: list[tuple[Tensor, str | None, str | None]] = [
        # A carbon with two double bonds; with three.
        (written([1, 3, 3], {(0, 1): 2, (0, 2): 2}), "O=C=O", "O=C=O"),
        (written([1, 3, 3, 3], {(0, 1): 2, (0, 2): 2, (0, 3): 2}), None, None),
        # Two parts: the larger one is taken.
        (written([1, 2, 4], {(0, 1): 3}), "C#N", None),
        # A bond to an atom that is none.
        (written([1, 0, 3], {(0, 1): 1, (1, 2): 1, (0, 2): 1}), "CO", "CO"),
        (written([], {}), None, None),
    ]
    for molecule, largest, whole in cases:
        assert code.decode(molecule) == [largest]
        assert code.decode(molecule, largest=False) == [whole]


@pytest.mark.parametrize(
    ("smiles", "fits"),
    [
        ("CCCCCCCCC", True),
        ("CCCCCCCCCC", False),
        ("CS", False),
        ("C[NH3+]", False),
        ("C.O", False),
        ("[CH3]", False),
        ("[13CH4]", False),
    ],
)
def test_what_fits(smiles: str, fits: bool):
    assert MOLECULES.fits(smiles) == fits
    if not fits:
        with pytest.raises(ValueError, match="smiles: expected at most 9 atoms of C, N, O, F"):
            MOLECULES.encode([smiles])


@pytest.mark.parametrize("relaxation", ["threshold", "gumbel", "soft"])
def test_generated_molecules_are_symmetric_and_distributions(relaxation: str):
    torch.manual_seed(0)
    generator = MoleculeGenerator(MOLECULES, relaxation=relaxation, temperature=0.7)
    noise = torch.randn(6, 32)
    made = generator(noise)
    atoms, bonds = MOLECULES.unpack(made)
    assert torch.equal(bonds, bonds.transpose(1, 2))
    assert torch.allclose(atoms.sum(-1), torch.ones(6, 9))
    assert torch.allclose(bonds.sum(-1), torch.ones(6, 9, 9))
    assert bonds.diagonal(dim1=1, dim2=2)[:, 0].eq(1).all()  # no atom is joined to itself
    hard = made.detach().isclose(made.detach().round()).all()
    assert hard == (relaxation != "soft")
    (slope,) = torch.autograd.grad((made * torch.randn_like(made)).sum(), [generator.bonds.weight])
    assert slope.abs().max() > 0
    drawn = generator.eval()(noise)
    assert drawn.sum(dim=2).eq(1 + 9).all()
    assert set(drawn.unique().tolist()) == {0.0, 1.0}


def test_the_greatest_logits_are_taken():
    torch.manual_seed(0)
    generator = MoleculeGenerator(MOLECULES, temperature=0.5)
    noise = torch.randn(6, 32)
    atoms, bonds = MOLECULES.unpack(generator(noise))
    x, a = MOLECULES.unpack(MoleculeDecoder.forward(generator, noise))
    assert torch.equal(atoms.argmax(dim=-1), x.argmax(dim=-1))
    assert torch.equal(bonds.argmax(dim=-1), a.argmax(dim=-1))
    assert torch.equal(generator(noise), generator(noise))
    weight = torch.randn_like(atoms)
    found = torch.autograd.grad((atoms * weight).sum(), generator.atoms.bias)
    x, _ = MOLECULES.unpack(MoleculeDecoder.forward(generator, noise))
    soft = (x / 0.5).softmax(dim=-1)
    assert torch.allclose(*found, *torch.autograd.grad((soft * weight).sum(), generator.atoms.bias))


def test_drawn_types_follow_the_softmax():
    torch.manual_seed(0)
    generator = MoleculeGenerator(MOLECULES, relaxation="gumbel").eval()
    with torch.no_grad():
        generator.atoms.weight *= 20
        noise = torch.randn(1, 32)
        logits = generator.atoms(generator.body(noise)).view(9, 5)
        atoms, _ = MOLECULES.unpack(generator(noise.expand(4000, -1)))
    assert (atoms.mean(dim=0) - logits.softmax(dim=1)).abs().max() < 0.03


def test_layer_is_a_loop_over_bonds():
    torch.manual_seed(0)
    layer = RelationalLayer(5, 4).double()
    atoms, bonds = (part.double() for part in MOLECULES.unpack(MOLECULES.encode(SMILES)))
    bonds = bonds * torch.rand_like(bonds)  # soft ones, too
    found = layer(atoms, bonds)
    maps = layer.relations.weight.view(3, 4, 5), layer.relations.bias.view(3, 4)
    expected = layer.root(atoms)
    for i in range(9):
        for j in range(9):
            for y in range(3):
                sent = atoms[:, j] @ maps[0][y].T + maps[1][y]
                expected[:, i] = expected[:, i] + bonds[:, i, j, y + 1, None] * sent
    assert torch.allclose(found, expected.tanh())


def test_layer_is_the_sparse_one_on_a_molecule():
    torch.manual_seed(0)
    layer = RelationalLayer(5, 4)
    sparse = RGCNConv(5, 4, num_relations=3, aggr="sum")
    with torch.no_grad():
        layer.relations.bias.zero_()  # the sparse one has no bias for a relation
        sparse.weight.copy_(layer.relations.weight.view(3, 4, 5).transpose(1, 2))
        assert sparse.root is not None
        assert sparse.bias is not None
        sparse.root.copy_(layer.root.weight.T)
        sparse.bias.copy_(layer.root.bias)
    atoms, bonds = MOLECULES.unpack(MOLECULES.encode([SMILES[3]]))
    kind = bonds[0].argmax(dim=2)
    ends = kind.nonzero().T
    graph = Graph(ends, 9)
    expected = sparse(atoms[0], graph, kind[ends[0], ends[1]] - 1).tanh()
    assert torch.allclose(layer(atoms, bonds)[0], expected, atol=1e-6)


class Own(MessagePassing):
    """A layer that a user writes."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__(aggr="sum")
        self.lin = nn.Linear(i, o)

    def forward(self, x: Tensor, edge_index: Graph, edge_weight: Tensor | None = None) -> Tensor:
        return self.lin(x) + self.propagate(edge_index, x=x, edge_weight=edge_weight)

    def message(self, x_j: Tensor, edge_weight: Tensor) -> Tensor:
        return edge_weight.view(-1, 1) * self.lin(x_j)


def bonded(i: int, o: int) -> nn.Module:
    return GINEConv(MLP([i, o]), edge_dim=3)


def test_a_layer_of_a_users_own_reads_molecules():
    torch.manual_seed(0)
    reader = MoleculeReader(MOLECULES, layer=Own).double()
    packed = MOLECULES.encode(SMILES).double()
    atoms, bonds = MOLECULES.unpack(packed)
    own = reader.first.layer
    expected = (own.lin(atoms) + (1 - bonds[..., 0]) @ own.lin(atoms)).tanh()
    assert torch.allclose(reader.first(atoms, bonds), expected)
    one = torch.cat([reader(packed[k : k + 1]) for k in range(len(packed))])
    assert torch.allclose(reader(packed), one)


@pytest.mark.parametrize("layer", [Own, GCNConv, bonded], ids=["own", "GCN", "GINE"])
def test_a_game_with_any_layer(layer: Callable[[int, int], nn.Module]):
    torch.manual_seed(0)
    game = MolGAN(MOLECULES, carbons, critic_share=0.5, layer=layer)
    batch = MOLECULES.encode(SMILES), carbons(SMILES)
    before = {name: p.detach().clone() for name, p in game.named_parameters()}
    of_generator, of_judges = (
        torch.optim.Adam(player.parameters(), 1e-2)
        for player in (game.generator, game.discriminator)
    )
    train_discriminator(game, batch, of_judges)
    train_generator(game, batch, of_generator)
    now = dict(game.named_parameters())
    assert all(p.isfinite().all() for p in now.values())
    still = [name for name, p in now.items() if torch.equal(p, before[name])]
    # A critic's scores of real and generated molecules are compared: their shift has no gradient.
    assert still == ["discriminator.critic.head.lins.1.bias"]


def test_a_layer_that_sees_no_bonds_is_refused():
    with pytest.raises(
        ValueError, match="layer: expected one called with edge_weight or edge_attr"
    ):
        MolGAN(MOLECULES, layer=SAGEConv)


@pytest.mark.parametrize("layer", [None, Own], ids=["relational", "own"])
def test_the_order_of_atoms_does_not_count(layer: Callable[[int, int], nn.Module] | None):
    torch.manual_seed(0)
    reader = MoleculeReader(MOLECULES, layer=layer)
    atoms, bonds = MOLECULES.unpack(MOLECULES.encode(SMILES))
    order = torch.randperm(9)
    turned = MOLECULES.pack(atoms[:, order], bonds[:, order][:, :, order])
    said = reader(MOLECULES.pack(atoms, bonds))
    assert said.shape == (6, 1)
    assert torch.allclose(said, reader(turned), atol=1e-5)
    assert said.std() > 1e-3


def carbons(smiles: Sequence[str | None]) -> Tensor:
    return torch.tensor([0.0 if one is None else one.upper().count("C") / 9 for one in smiles])


def test_the_penalty_is_of_atoms_and_bonds_together():
    torch.manual_seed(0)
    game = MolGAN(MOLECULES, penalty=3.0)
    real = MOLECULES.encode(SMILES)
    torch.manual_seed(1)
    loss = game.discriminator_loss((real,))
    torch.manual_seed(1)
    with torch.no_grad():
        fake = game.generator(torch.randn(6, 32))
    critic = game.discriminator.critic
    expected = critic(fake).mean() - critic(real).mean()
    share = torch.rand(6, 1, 1)
    atoms, bonds = (
        (share.view(-1, *[1] * (a.dim() - 1)) * a
         + (1 - share.view(-1, *[1] * (a.dim() - 1))) * b).requires_grad_()
        for a, b in zip(MOLECULES.unpack(real), MOLECULES.unpack(fake), strict=True)
    )  # fmt: skip
    slopes = torch.autograd.grad(critic(MOLECULES.pack(atoms, bonds)).sum(), (atoms, bonds))
    square = slopes[0].square().sum((1, 2)) + slopes[1].square().sum((1, 2, 3))
    assert loss.item() == pytest.approx(
        (expected + 3 * (square.sqrt() - 1).square().mean()).item(), rel=1e-5
    )
    assert gradient_penalty(critic, real, fake) >= 0


def test_each_player_learns_alone():
    torch.manual_seed(0)
    game = MolGAN(MOLECULES, carbons, critic_share=0.5)
    packed = MOLECULES.encode(SMILES)
    batch = packed, carbons(SMILES)
    players = game.generator, game.discriminator
    optimizers = [torch.optim.Adam(player.parameters(), 1e-3) for player in players]

    def state() -> dict[str, Tensor]:
        return {name: value.clone() for name, value in game.state_dict().items()}

    states = [state()]
    train_discriminator(game, batch, optimizers[1])
    states.append(state())
    train_generator(game, batch, optimizers[0])
    states.append(state())
    changed = [
        {name.split(".")[0] for name in a if not torch.equal(a[name], b[name])}
        for a, b in pairwise(states)
    ]
    assert changed == [{"discriminator"}, {"generator"}]
    moved = {n for n in states[0] if not torch.equal(states[0][n], states[1][n])}
    assert {name.split(".")[1] for name in moved} == {"critic", "reward"}


def test_the_generator_climbs_the_logarithm_of_the_expected_reward():
    torch.manual_seed(0)
    game = MolGAN(MOLECULES, carbons, critic_share=0.25).eval()
    packed = MOLECULES.encode(SMILES)
    game._generate = lambda like: packed  # type: ignore[method-assign]
    critic, reward = game.discriminator.critic, game.discriminator.reward
    assert reward is not None
    expected = -0.25 * critic(packed).mean() - 0.75 * reward(packed).sigmoid().log().mean()
    assert game.generator_loss((packed,)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_reward_reaches_the_generator():
    torch.manual_seed(0)
    game = MolGAN(MOLECULES, carbons, critic_share=0.0, hidden=(32,))
    batches = Samples(MOLECULES.encode(SMILES * 4), carbons(SMILES * 4), batch_size=24)
    optimizers = (
        torch.optim.Adam(player.parameters(), 5e-3)
        for player in (game.generator, game.discriminator)
    )

    def share() -> float:
        atoms, _ = MOLECULES.unpack(sample(game.generator, 300))
        return atoms[..., 1].mean().item()

    before = share()
    play(game, batches, *optimizers, epochs=80)
    assert before < 0.3
    assert share() > before + 0.2


def test_several_parts_are_worth_nothing():
    seen: list[str | None] = []

    def remember(smiles: Sequence[str | None]) -> Tensor:
        seen.extend(smiles)
        return torch.zeros(len(smiles))

    game = MolGAN(MOLECULES, remember, critic_share=0.5)
    apart = written([1, 1, 1], {(0, 1): 1}, n=9)  # C-C and C
    game._generate = lambda like: apart.expand(len(like), -1, -1)  # type: ignore[method-assign]
    game.discriminator_loss((MOLECULES.encode(SMILES), torch.zeros(len(SMILES))))
    assert seen == [None] * len(SMILES)
    assert MOLECULES.decode(apart) == ["CC"]


def test_a_score_of_what_is_valid_is_asked_once():
    asked: list[str] = []

    def score(smiles: Sequence[str]) -> Tensor:
        asked.extend(smiles)
        return torch.full((len(smiles),), 0.5)

    reward = OfValid(score)
    assert reward(["C", None, "CC", "C"]).tolist() == [0.5, 0.0, 0.5, 0.5]
    assert reward(["CC"]).tolist() == [0.5]
    assert asked == ["C", "CC"]
    assert OfValid(score, least=0.6)(["C", None]).tolist() == pytest.approx([0.8, 0.0])
    with pytest.raises(ValueError, match=r"least: expected a share from 0 to 1, got 1\.5"):
        OfValid(score, least=1.5)

    def broken(smiles: Sequence[str]) -> Tensor:
        raise RuntimeError("no score")

    game = MolGAN(MOLECULES, OfValid(broken), critic_share=0.5)
    batch = MOLECULES.encode(SMILES), torch.zeros(len(SMILES))
    before = {name: value.clone() for name, value in game.state_dict().items()}
    game._generate = lambda like: batch[0]  # type: ignore[method-assign]
    optimizer = torch.optim.Adam(game.discriminator.parameters())
    with pytest.raises(RuntimeError, match="no score"):
        train_discriminator(game, batch, optimizer)
    assert all(torch.equal(value, before[name]) for name, value in game.state_dict().items())


def test_repetitions_share_a_reward():
    half = Scarce(carbons, floor=0.5)
    assert half(["C", "CC", "C", None]).tolist() == pytest.approx([1 / 12, 2 / 9, 1 / 12, 0])
    reward = Scarce(carbons, memory=4, floor=0.0)
    assert reward(["C", "CC", "C", None]).tolist() == pytest.approx([1 / 18, 2 / 9, 1 / 18, 0])
    # Of the latest four are now None, C, CC and CC.
    assert reward(["C", "CC", "CC"]).tolist() == pytest.approx([1 / 9, 1 / 9, 1 / 9])


def test_a_saved_generator_makes_the_same(tmp_path: Path):
    torch.manual_seed(0)
    generator = MoleculeGenerator(MOLECULES, hidden=(16,))
    settings = {"hidden": [16]}
    save_generator(generator, tmp_path / "generator", molecule_generator, **settings)
    loaded = load_generator(tmp_path / "generator", molecule_generator)
    made = []
    for one in (generator, loaded):
        torch.manual_seed(1)
        made.append(sample(one, 20))
    assert torch.equal(*made)


def molecule_generator(hidden: list[int]) -> MoleculeGenerator:
    return MoleculeGenerator(MOLECULES, hidden=hidden)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="size: expected at least 2 atoms, got 1"):
        DenseMolecules(1)
    with pytest.raises(ValueError, match="elements: expected different symbols"):
        DenseMolecules(3, ("C", "C"))
    with pytest.raises(ValueError, match=r"shape \[B, 9, 41\], got \[1, 5, 25\]"):
        MOLECULES.decode(written([1], {}))
    with pytest.raises(ValueError, match="relaxation: expected threshold, gumbel or soft"):
        MoleculeGenerator(MOLECULES, relaxation="hard")
    with pytest.raises(ValueError, match="temperature: expected a positive number, got 0"):
        MoleculeGenerator(MOLECULES, temperature=0.0)
    with pytest.raises(ValueError, match="critic_share: expected a share, 1 without a reward"):
        MolGAN(MOLECULES, critic_share=0.5)
