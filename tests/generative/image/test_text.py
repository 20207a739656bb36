"""Images of captions: what is read, what is matched, and what either player minimises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.generative import train_discriminator, train_generator
from graphkit.generative.image.text import (
    CaptionEncoder,
    TextDiscriminator,
    TextGenerator,
    TextToImage,
    word_numbers,
)

COLOURS = ("a", "dark", "bright", "picture")


def test_words_are_counted_from_one() -> None:
    captions = word_numbers(["a dark picture", "picture", "bright a"], COLOURS)
    assert captions.tolist() == [[1, 2, 4], [4, 0, 0], [3, 1, 0]]
    for wrong in ("a red picture", " "):
        with pytest.raises(ValueError, match=f"captions: expected words of a, dark.*'{wrong}'"):
            word_numbers(["a picture", wrong], COLOURS)


def test_what_stands_behind_a_captions_end_is_not_read() -> None:
    torch.manual_seed(0)
    encoder = CaptionEncoder(4, code=5)
    both = encoder(torch.tensor([[1, 2, 4, 3], [3, 1, 0, 0]]))
    torch.testing.assert_close(both[1:], encoder(torch.tensor([[3, 1]])))
    assert not torch.allclose(both[1:], encoder(torch.tensor([[1, 3]])))  # order counts


def test_a_caption_enters_by_its_product_with_the_features_alone() -> None:
    torch.manual_seed(0)
    judge = TextDiscriminator(4, size=28, channels=1, code=6, width=4).eval()
    x = torch.randn(3, 1, 28, 28)
    one, other = (torch.tensor([row]).expand(3, -1) for row in ([1, 2, 4], [1, 3, 4]))
    features = judge.images.layers(x).flatten(1)
    turned = judge.match.weight @ (judge.text(one) - judge.text(other)).T
    torch.testing.assert_close(
        judge(x, one) - judge(x, other), (features * turned.T).sum(1), rtol=1e-4, atol=1e-6
    )


class Brightness(nn.Module):
    """Says of a number how near it is to what the caption's first word asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor, captions: Tensor) -> Tensor:
        return self.scale * x[:, 0] * captions[:, 0]


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(0.5))

    def forward(self, noise: Tensor, captions: Tensor) -> Tensor:
        return self.value.expand(len(noise), 1)


def test_either_player_minimises_what_algorithm_1_says() -> None:
    game = TextToImage(Constant(), Brightness(), noise=2)
    real, captions = torch.tensor([[2.0], [-1.0]]), torch.tensor([[1], [3]])
    right = torch.tensor([2.0, -3.0])
    wrong = torch.tensor([6.0, -1.0])  # each beside the other's caption
    fake = torch.tensor([0.5, 1.5])
    expected = F.softplus(-right).mean() + (F.softplus(wrong).mean() + F.softplus(fake).mean()) / 2
    torch.testing.assert_close(game.discriminator_loss((real, captions)), expected)
    torch.testing.assert_close(game.generator_loss((real, captions)), F.softplus(-fake).mean())
    assert game.said is not None
    assert [len(said) for said in game.said] == [2, 4]


def test_an_equal_caption_is_not_a_wrong_one() -> None:
    game = TextToImage(Constant(), Brightness(), noise=2)
    real, captions = torch.tensor([[2.0], [-1.0]]), torch.tensor([[1], [1]])
    expected = F.softplus(-real[:, 0]).mean() + F.softplus(torch.tensor(0.5))
    torch.testing.assert_close(game.discriminator_loss((real, captions)), expected)


def test_players_learn_what_the_words_mean() -> None:
    torch.manual_seed(0)
    generator = TextGenerator(4, 28, 1, noise=4, code=8, width=4)
    discriminator = TextDiscriminator(4, 28, 1, code=8, width=4)
    game = TextToImage(generator, discriminator, 4, "hinge")
    adams = [
        torch.optim.Adam(player.parameters(), lr=2e-3, betas=(0.5, 0.999))
        for player in (discriminator, generator)
    ]
    kinds = word_numbers(["a dark picture", "a bright picture"], COLOURS)
    for _ in range(80):
        kind = torch.randint(2, (16,))
        level = (kind.float() - 0.5).view(-1, 1, 1, 1)
        batch = level + 0.1 * torch.randn(16, 1, 28, 28), kinds[kind]
        train_discriminator(game, batch, adams[0])
        train_generator(game, batch, adams[1])
    with torch.no_grad():
        # One batch of both: batch norm takes away what all of a batch have in common.
        dark, bright = generator(torch.randn(40, 4), kinds.repeat_interleave(20, 0)).split(20)
    assert dark.mean() < -0.2
    assert bright.mean() > 0.2
