"""Networks that make images of images, and the game they play."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.generative import Translation, train_discriminator, train_generator
from graphkit.generative.image.superresolution import SRDiscriminator, SRResNet
from graphkit.generative.image.unet import PatchDiscriminator, UNet


def squares(count: int) -> tuple[Tensor, Tensor]:
    """Bright squares in noise, and where they are."""
    mask = torch.zeros(count, 1, 16, 16)
    for k in range(count):
        top, left = torch.randint(0, 10, (2,)).tolist()
        mask[k, :, top : top + 6, left : left + 6] = 1
    return (mask + 0.5 * torch.randn_like(mask)), mask


def test_a_unet_has_images_of_the_same_size_and_says_which_it_cannot_have() -> None:
    network = UNet(2, 3, width=4, depth=2, last=nn.Tanh())
    out = network(torch.randn(2, 2, 12, 20))
    assert out.shape == (2, 3, 12, 20)
    assert out.abs().max() <= 1
    for shape in ((2, 2, 12, 18), (2, 3, 12, 20), (2, 12, 20)):
        with pytest.raises(ValueError, match=r"x: expected shape \[B, 2, H, W\] .* 4 divides, got"):
            network(torch.zeros(shape))


def test_what_is_in_a_corner_reaches_the_same_corner_unblurred() -> None:
    """The halves of the hourglass are joined at full size, or no weight could do this."""
    network = UNet(1, 1, width=1, depth=1).eval()
    for p in network.parameters():
        nn.init.zeros_(p)
    with torch.no_grad():
        for convolution in (network.down[0][0], network.down[0][3], network.up[0][3]):
            convolution.weight[0, 0, 1, 1] = 1
        network.up[0][0].weight[0, 0, 1, 1] = 1  # of what the way down passed on
        network.head.weight.fill_(1)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(1)
    x = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(network(x), x, rtol=1e-3, atol=0)  # batch norm divides by 1 + 1e-5


def test_a_patch_says_nothing_of_far_pixels() -> None:
    judge = PatchDiscriminator(1, width=2, layers=2).eval()
    x = torch.zeros(1, 1, 64, 64, requires_grad=True)
    judge(x)[0, 0, 0, 0].backward()
    seen = x.grad[0, 0].abs() > 0
    assert seen[:10, :10].any()
    assert not seen[40:, :].any()
    assert not seen[:, 40:].any()


@pytest.mark.parametrize("scale", [2, 4])
def test_superresolution_starts_from_bicubic(scale: int) -> None:
    x = torch.rand(1, 3, 6, 7)
    network = SRResNet(3, scale, width=4, blocks=1)
    expected = F.interpolate(x, scale_factor=scale, mode="bicubic", align_corners=False)
    torch.testing.assert_close(network(x), expected)
    with pytest.raises(ValueError, match="scale: expected 2 or 4, got 3"):
        SRResNet(scale=3)


def test_superresolution_learns_what_bicubic_cannot() -> None:
    torch.manual_seed(0)
    large = (torch.rand(16, 1, 4, 4) > 0.5).float().repeat_interleave(8, 2).repeat_interleave(8, 3)
    small = F.avg_pool2d(large, 2)
    network = SRResNet(1, 2, width=8, blocks=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    before = F.mse_loss(network(small), large).item()
    for _ in range(60):
        optimizer.zero_grad()
        F.mse_loss(network(small), large).backward()
        optimizer.step()
    assert F.mse_loss(network(small), large).item() < 0.5 * before


def test_a_segmenter_learns_against_a_judge() -> None:
    torch.manual_seed(0)
    game = Translation(
        UNet(1, 1, width=4, depth=2, last=nn.Sigmoid()),
        PatchDiscriminator(2, width=4, layers=1),
        content=F.binary_cross_entropy,
        content_weight=10.0,
    )
    first = torch.optim.Adam(game.generator.parameters(), lr=1e-2)
    second = torch.optim.Adam(game.discriminator.parameters(), lr=1e-3)
    for _ in range(80):
        batch = squares(8)
        train_discriminator(game, batch, second)
        train_generator(game, batch, first)
    game.eval()
    x, mask = squares(32)
    found = game.generator(x) > 0.5
    dice = 2 * (found & (mask > 0)).sum() / (found.sum() + mask.sum())
    threshold = x > 0.5
    plain = 2 * (threshold & (mask > 0)).sum() / (threshold.sum() + mask.sum())
    assert dice > plain + 0.1


def test_without_an_adversary_the_judge_is_not_asked() -> None:
    class Unasked(nn.Module):
        def forward(self, *images: Tensor) -> Tensor:
            raise AssertionError("was asked")

    game = Translation(nn.Conv2d(1, 1, 1), Unasked(), adversarial_weight=0.0, content_weight=2.0)
    x, y = torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    loss = game.generator_loss((x, y))
    torch.testing.assert_close(loss, 2 * (game.generator(x) - y).abs().mean())


def test_a_judge_of_samples_alone_does_not_see_the_input() -> None:
    torch.manual_seed(0)
    game = Translation(
        nn.Conv2d(3, 3, 1), SRDiscriminator(3, width=2, levels=2), "hinge", paired=False
    )
    x, y = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    game.discriminator_loss((x, y)).backward()
    assert game.said[0].shape == (2,)
    assert game.generator.weight.grad is None
