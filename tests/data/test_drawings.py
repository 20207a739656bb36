"""Drawings: captions say what is drawn, figures have their joints, fonts give their characters."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from graphkit.data.drawings import (
    ASPECTS,
    JOINTS,
    WORDS,
    caption,
    draw_characters,
    draw_persons,
    draw_sticks,
    draw_things,
    random_looks,
    random_poses,
)

# ------------------------------------------------------------------ things


def test_captions_are_different_and_made_of_the_words() -> None:
    assert caption([7, 1, 0, 0]) == "a green seven"
    assert caption([10, 2, 1, 1]) == "a small blue square on the left"
    every = itertools.product(*(range(len(names)) for names in ASPECTS.values()))
    captions = [caption(aspects) for aspects in every]
    assert len(set(captions)) == len(captions) == 13 * 5 * 2 * 3
    assert {word for words in captions for word in words.split()} == set(WORDS)


def halves() -> tuple[Tensor, Tensor]:
    """Ink in the upper half is a three, in the lower half a five."""
    digits = torch.zeros(2, 28, 28)
    digits[0, :14], digits[1, 14:] = 1, 1
    return digits, torch.tensor([3, 5])


def centre(pictures: Tensor) -> Tensor:
    """``[B, 2]`` of the ink (right, down), in pixels."""
    ink = pictures.sum(dim=1)
    at = torch.arange(pictures.size(-1)).float()
    return torch.stack([(ink.sum(1) * at).sum(1), (ink.sum(2) * at).sum(1)], 1) / ink.sum(
        (1, 2)
    ).unsqueeze(1)


def test_what_is_drawn_is_what_the_caption_says() -> None:
    torch.manual_seed(0)
    digits, labels = halves()
    square, green, yellow = 10, 1, 3
    rows = {
        "middle": [square, green, 0, 0],
        "left": [square, green, 0, 1],
        "right": [square, green, 0, 2],
        "small": [square, yellow, 1, 0],
        "three": [3, green, 0, 0],
        "five": [5, green, 0, 0],
    }
    found = {
        name: draw_things(torch.tensor(row).expand(40, 4), digits, labels)
        for name, row in rows.items()
    }
    for pictures in found.values():
        assert pictures.shape == (40, 3, 32, 32)
        assert pictures.min() >= 0
        assert pictures.max() <= 1
    at = {name: centre(pictures) for name, pictures in found.items()}
    assert at["left"][:, 0].max() < at["middle"][:, 0].min()
    assert at["middle"][:, 0].max() < at["right"][:, 0].min()
    assert at["three"][:, 1].max() < at["five"][:, 1].min()
    area = {name: (pictures.amax(1) > 0.4).sum((1, 2)).float() for name, pictures in found.items()}
    assert area["small"].max() < 0.6 * area["middle"].min()
    for name, colour in (("middle", (0.2, 0.9, 0.3)), ("small", (1.0, 0.9, 0.2))):
        brightest = found[name].amax(dim=(2, 3))
        share = brightest / torch.tensor(colour)
        torch.testing.assert_close(share, share[:, :1].expand(-1, 3))
        assert bool(((share >= 0.85) & (share <= 1)).all())


def test_things_that_cannot_be_drawn_are_refused() -> None:
    digits, labels = halves()
    with pytest.raises(ValueError, match="digits: expected images of zero, got none"):
        draw_things(torch.tensor([[0, 0, 0, 0]]), digits, labels)
    for wrong in (torch.tensor([[3, 5, 0, 0]]), torch.tensor([[3, 0, 0]]), torch.zeros(1, 4)):
        with pytest.raises(ValueError, match=r"aspects: expected integers \[B, 4\] below \[13, 5"):
            draw_things(wrong, digits, labels)


# ------------------------------------------------------------------ persons


def joint(poses: Tensor, name: str) -> Tensor:
    return poses[:, JOINTS.index(name)]


def test_poses_differ_and_bones_do_not() -> None:
    torch.manual_seed(0)
    poses = random_poses(300)
    bones = {("hip", "neck"): 0.24, ("neck", "head"): 0.12}
    for side in ("left", "right"):
        bones |= {("neck", f"{side} elbow"): 0.15, (f"{side} elbow", f"{side} hand"): 0.13}
        bones |= {("hip", f"{side} knee"): 0.17, (f"{side} knee", f"{side} foot"): 0.16}
    for (a, b), length in bones.items():
        found = (joint(poses, a) - joint(poses, b)).norm(dim=1)
        torch.testing.assert_close(found, torch.full((300,), length), rtol=1e-4, atol=0)
    assert poses.min() > 0.02
    assert poses.max() < 0.98
    assert bool((joint(poses, "left knee")[:, 0] < joint(poses, "right knee")[:, 0]).all())
    torch.manual_seed(0)
    assert torch.equal(random_poses(300), poses)


def test_sticks_are_where_the_bones_are() -> None:
    """Beside the distance to points set close together on every bone."""
    torch.manual_seed(1)
    poses, size = random_poses(3), 40
    drawn = draw_sticks(poses, size)
    at = (torch.arange(size) + 0.5) / size
    pixels = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).view(-1, 2)
    bones = {
        0: ["head neck", "neck hip"],
        1: [
            "neck left_elbow",
            "left_elbow left_hand",
            "neck right_elbow",
            "right_elbow right_hand",
        ],
        2: ["hip left_knee", "left_knee left_foot", "hip right_knee", "right_knee right_foot"],
    }
    for channel, names in bones.items():
        points = []
        for name in names:
            a, b = (joint(poses, part.replace("_", " ")) for part in name.split())
            points.append(
                torch.lerp(a[:, None], b[:, None], torch.linspace(0, 1, 400)[None, :, None])
            )
        distance = torch.cdist(pixels.expand(3, -1, -1), torch.cat(points, dim=1)).amin(dim=2)
        expected = ((0.8 / size - distance) * size + 0.5).clamp(0, 1).view(3, size, size)
        torch.testing.assert_close(drawn[:, channel], expected, rtol=0, atol=2e-3)


def test_a_person_keeps_clothes_and_background_in_another_pose() -> None:
    torch.manual_seed(0)
    looks = random_looks(20)
    plain = looks._replace(shirt=torch.zeros(20, dtype=torch.long))
    here, there = random_poses(20), random_poses(20)
    pictures = [draw_persons(poses, plain, 64) for poses in (here, there)]
    (one, covered), (other, also_covered) = pictures
    free = ((covered == 0) & (also_covered == 0)).expand_as(one)
    assert 0.3 < free.double().mean() < 0.95
    assert torch.equal(one[free], other[free])
    for poses, (picture, person) in zip((here, there), pictures, strict=True):
        assert picture.min() >= 0
        assert picture.max() <= 1
        head, foot = joint(poses, "head"), joint(poses, "right foot")
        for place, part in ((head, 0), (foot, 5)):
            column, row = (place * 64).long().T
            k = torch.arange(20)
            torch.testing.assert_close(picture[k, :, row, column], looks.colours[:, part])
            assert bool((person[k, 0, row, column] == 1).all())


def test_a_pattern_turns_with_the_person() -> None:
    """The stripes across a trunk are level if it is upright, and stand if it lies."""
    torch.manual_seed(0)
    looks = random_looks(1)._replace(
        shirt=torch.ones(1, dtype=torch.long), build=torch.ones(1), turn=torch.zeros(1)
    )
    colours = torch.zeros(1, 8, 3)
    colours[:, 3] = 1  # the pattern
    looks = looks._replace(colours=colours)
    upright = torch.full((1, len(JOINTS), 2), 0.95)  # all joints but two in a corner
    lying = upright.clone()
    neck, hip = JOINTS.index("neck"), JOINTS.index("hip")
    upright[0, neck], upright[0, hip] = torch.tensor([0.3, 0.2]), torch.tensor([0.3, 0.6])
    lying[0, neck], lying[0, hip] = torch.tensor([0.2, 0.3]), torch.tensor([0.6, 0.3])
    standing, flat = (draw_persons(poses, looks, 60)[0][0, 0] for poses in (upright, lying))
    trunk = standing[20:34, 15:21]  # rows along it, columns across
    assert trunk.std(dim=1).max() < 0.02
    assert trunk.std(dim=0).min() > 0.3
    torch.testing.assert_close(flat[15:21, 20:34].T, trunk, rtol=0, atol=1e-3)


def test_every_pose_needs_its_look() -> None:
    with pytest.raises(ValueError, match=r"poses: expected shape \[2, 11, 2\].*got \[3, 11, 2\]"):
        draw_persons(random_poses(3), random_looks(2))


# ------------------------------------------------------------------ characters


@pytest.fixture(scope="module")
def plain_font() -> str:
    from matplotlib.font_manager import findfont

    return findfont("DejaVu Sans")


def test_a_font_gives_the_characters_it_has(plain_font: str) -> None:
    drawn = draw_characters(plain_font, {"none": range(0xE123, 0xE125), "ab": range(0x61, 0x63)})
    assert (drawn.characters, drawn.names, drawn.groups.tolist()) == ("ab", ("ab",), [0, 0])
    assert drawn.pictures.shape == (2, 3, 32, 32)
    assert drawn.pictures.min() < 0.2  # ink
    assert drawn.pictures[:, :, 0].min() > 0.9  # and a margin
    assert not torch.equal(drawn.pictures[0], drawn.pictures[1])
    rows, columns = (drawn.pictures[1, 0] < 0.5).nonzero().T  # b is higher than wide
    assert rows.max() - rows.min() == pytest.approx(32 / 1.1, abs=2)
    assert (columns.max() + columns.min()).item() == pytest.approx(31, abs=2)
    assert len(draw_characters(plain_font, size=16).pictures) > 300
    with pytest.raises(ValueError, match="font: expected one with characters of none, got"):
        draw_characters(plain_font, {"none": range(0xE123, 0xE125)})


def test_a_coloured_font_keeps_its_colours(tmp_path: Path) -> None:
    """A font with one character: a red square with a green one in its middle."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    def square(low: int, high: int) -> object:
        pen = TTGlyphPen(None)
        pen.moveTo((low, low))
        for corner in ((low, high), (high, high), (high, low)):
            pen.lineTo(corner)
        pen.closePath()
        return pen.glyph()

    glyphs = {".notdef": (0, 0), "face": (0, 900), "outer": (0, 900), "inner": (300, 600)}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({0x1F600: "face"})
    builder.setupGlyf({name: square(*ends) for name, ends in glyphs.items()})
    builder.setupHorizontalMetrics({name: (1000, low) for name, (low, _) in glyphs.items()})
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.setupCPAL([[(1, 0, 0, 1), (0, 1, 0, 1)]])
    builder.setupCOLR({"face": [("outer", 0), ("inner", 1)]})
    builder.save(tmp_path / "squares.ttf")

    drawn = draw_characters(tmp_path / "squares.ttf", size=33)
    assert (drawn.names, drawn.characters) == (("faces",), "\U0001f600")
    for place, colour in ((16, (0, 1, 0)), (6, (1, 0, 0)), (0, (1, 1, 1))):
        found = drawn.pictures[0, :, place, place]
        torch.testing.assert_close(found, torch.tensor(colour).float(), rtol=0, atol=0.02)


def test_angles_are_from_straight_down() -> None:
    """An arm's first bone never leaves its side, whichever way it points."""
    torch.manual_seed(3)
    poses = random_poses(200)
    away = joint(poses, "right elbow") - joint(poses, "neck")
    angle = torch.atan2(away[:, 0], away[:, 1])
    assert 0.1 <= angle.min() < 0.3
    assert 2.4 < angle.max() <= 2.6 < math.pi
