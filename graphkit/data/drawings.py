"""Pictures that are drawn here: of a caption, of a person's pose, and of a font's characters.

All that is random is drawn with torch's generator.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# ------------------------------------------------------------------ a thing with its caption

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_COLOURS = {
    "red": (1.0, 0.2, 0.2),
    "green": (0.2, 0.9, 0.3),
    "blue": (0.25, 0.45, 1.0),
    "yellow": (1.0, 0.9, 0.2),
    "white": (1.0, 1.0, 1.0),
}
ASPECTS = {
    "thing": (*_DIGITS, "square", "circle", "triangle"),
    "colour": tuple(_COLOURS),
    "size": ("large", "small"),
    "place": ("middle", "left", "right"),
}
"""What a caption speaks of, and what it may say of it."""

WORDS = ("a", "small", "on", "the", "left", "right", *_COLOURS, *ASPECTS["thing"])
"""All words of the captions."""

_THINGS_SIDE = 32  # pixels of a picture


def caption(aspects: Sequence[int]) -> str:
    """In words: "a green seven", "a small blue square on the left".

    Args:
        aspects: numbers of a thing, a colour, a size and a place of :data:`ASPECTS`. Large things
            and those in the middle go without saying.
    """
    thing, colour, size, place = (
        names[k] for names, k in zip(ASPECTS.values(), aspects, strict=True)
    )
    small = "small " if size == "small" else ""
    where = "" if place == "middle" else f" on the {place}"
    return f"a {small}{colour} {thing}{where}"


def draw_things(aspects: Tensor, digits: Tensor, labels: Tensor) -> Tensor:
    """Pictures of what the captions say, on black, in [0, 1].

    Of every digit one of the given images is taken at random. Place, size and brightness vary a
    little.

    Args:
        aspects: ``[B, 4]``, rows as :func:`caption` takes them.
        digits: ``[n, H, W]`` images of handwritten digits in [0, 1].
        labels: ``[n]`` what they show.

    Shapes:
        output ``[B, 3, 32, 32]``.
    """
    counts = [len(names) for names in ASPECTS.values()]
    inside = aspects.dim() == 2 and aspects.size(1) == 4 and not aspects.is_floating_point()
    if not inside or not bool(((aspects >= 0) & (aspects < torch.tensor(counts))).all()):
        raise ValueError(
            f"aspects: expected integers [B, 4] below {counts}, got {list(aspects.shape)} "
            f"from {aspects.min().item()} to {aspects.max().item()}"
        )
    masks = torch.stack([_mask(int(thing), digits, labels) for thing in aspects[:, 0]])
    colours = torch.tensor(list(_COLOURS.values()))[aspects[:, 1]]
    n = len(aspects)
    scale = torch.tensor([22, 13])[aspects[:, 2]] / _THINGS_SIDE * (0.94 + 0.12 * torch.rand(n))
    right = torch.tensor([0.0, -0.36, 0.36])[aspects[:, 3]] + 0.12 * (torch.rand(n) - 0.5)
    down = 0.25 * (torch.rand(n) - 0.5)
    rows = [1 / scale, 0 * scale, -right / scale, 0 * scale, 1 / scale, -down / scale]
    grid = F.affine_grid(
        torch.stack(rows, dim=1).view(n, 2, 3),
        [n, 1, _THINGS_SIDE, _THINGS_SIDE],
        align_corners=False,
    )
    placed = F.grid_sample(masks[:, None], grid, align_corners=False)
    brightness = 0.85 + 0.15 * torch.rand(n, 1, 1, 1)
    return (placed * brightness * colours[:, :, None, None]).clamp(0, 1)


def _mask(thing: int, digits: Tensor, labels: Tensor) -> Tensor:
    """``[H, W]``"""
    if thing < len(_DIGITS):
        members = (labels == thing).nonzero()[:, 0]
        if not len(members):
            raise ValueError(f"digits: expected images of {_DIGITS[thing]}, got none")
        return digits[members[int(torch.randint(len(members), ()))]]
    down, right = (torch.linspace(-1, 1, side) for side in digits.shape[1:])
    down, right = down[:, None], right[None]
    shape = ASPECTS["thing"][thing]
    if shape == "square":
        return (torch.maximum(down.abs(), right.abs()) < 0.7).float()
    if shape == "circle":
        return (down.square() + right.square() < 0.75**2).float()
    return ((down < 0.7) & (right.abs() < (down + 0.8) / 1.9)).float()


# ------------------------------------------------------------------ persons and their poses

JOINTS = (
    "head",
    "neck",
    "hip",
    "left elbow",
    "left hand",
    "left knee",
    "left foot",
    "right elbow",
    "right hand",
    "right knee",
    "right foot",
)
"""Of a person, seen from the front; left and right are the picture's."""

_STICKS = (
    # from, to, channel of the stick figure
    ("head", "neck", 0),
    ("neck", "hip", 0),
    *(
        (a if a in JOINTS else f"{side} {a}", f"{side} {b}", channel)
        for side in ("left", "right")
        for a, b, channel in (
            ("neck", "elbow", 1),
            ("elbow", "hand", 1),
            ("hip", "knee", 2),
            ("knee", "foot", 2),
        )
    ),
)


class Looks(NamedTuple):
    """How persons look, and what is behind them.

    Attributes:
        colours: ``[B, 8, 3]`` of skin, hair, shirt, its pattern, trousers, shoes, and two of the
            background.
        shirt: ``[B]`` its pattern: plain, stripes across or along, or checks.
        build: ``[B]`` how stout.
        turn: ``[B]`` the direction in which the background changes its colour, in radians.
    """

    colours: Tensor
    shirt: Tensor
    build: Tensor
    turn: Tensor


def random_looks(count: int) -> Looks:
    """Persons whose colours, patterns and builds are drawn independently: strong colours, one of
    eight each, of hair and clothes, and light ones of the background."""
    colours = 0.05 + 0.9 * torch.randint(2, (count, 8, 3)).float()
    colours[:, 6:] = 0.7 + 0.3 * torch.rand(count, 2, 3)
    pale, dark = torch.tensor([1.0, 0.85, 0.72]), torch.tensor([0.4, 0.25, 0.16])
    colours[:, 0] = torch.lerp(pale, dark, torch.rand(count, 1))
    return Looks(
        colours,
        torch.randint(4, (count,)),
        0.85 + 0.3 * torch.rand(count),
        2 * math.pi * torch.rand(count),
    )


def random_poses(count: int) -> Tensor:
    """Places (right, down) of the :data:`JOINTS` of standing and leaping persons,
    ``[count, 11, 2]``, in a picture with sides of 1."""

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count)

    def beyond(start: Tensor, angle: Tensor, length: float) -> Tensor:
        """From a joint to the next; the angle is from straight down, towards the right."""
        return start + length * torch.stack([angle.sin(), angle.cos()], dim=1)

    hip = torch.stack([between(0.43, 0.57), between(0.54, 0.6)], dim=1)
    lean = between(-0.3, 0.3)
    neck = beyond(hip, math.pi + lean, 0.24)
    joints = {
        "hip": hip,
        "neck": neck,
        "head": beyond(neck, math.pi + lean + between(-0.3, 0.3), 0.12),
    }
    for side, sign in (("left", -1), ("right", 1)):
        arm, leg = between(0.1, 2.6), between(0.05, 0.9)
        elbow = beyond(neck, sign * arm, 0.15)
        knee = beyond(hip, sign * leg, 0.17)
        joints[f"{side} elbow"] = elbow
        joints[f"{side} hand"] = beyond(elbow, sign * (arm + between(-0.5, 1.6)), 0.13)
        joints[f"{side} knee"] = knee
        joints[f"{side} foot"] = beyond(knee, sign * (leg - between(0.0, 1.0)), 0.16)
    return torch.stack([joints[name] for name in JOINTS], dim=1)


def draw_sticks(poses: Tensor, size: int = 64) -> Tensor:
    """Thin lines between the joints: trunk and head in the first channel, arms in the second, legs
    in the third.

    Shapes:
        poses ``[B, 11, 2]``; output ``[B, 3, size, size]`` in [0, 1].
    """
    picture = torch.zeros(len(poses), 3, size, size)
    for start, end, channel in _STICKS:
        cover = _limb(*_ends(poses, start, end), torch.tensor(0.8 / size), size).cover
        picture[:, channel] = torch.maximum(picture[:, channel], cover)
    return picture


def draw_persons(poses: Tensor, looks: Looks, size: int = 64) -> tuple[Tensor, Tensor]:
    """Persons in their clothes before a background, and where in the picture they are.

    The shirt's pattern lies on trunk and sleeves and moves with them.

    Shapes:
        poses ``[B, 11, 2]``; outputs ``[B, 3, size, size]`` and ``[B, 1, size, size]`` in [0, 1].
    """
    if poses.dim() != 3 or poses.shape[1:] != (len(JOINTS), 2) or len(poses) != len(looks.build):
        raise ValueError(
            f"poses: expected shape [{len(looks.build)}, {len(JOINTS)}, 2], one for every look, "
            f"got {list(poses.shape)}"
        )
    skin, hair, shirt, pattern, trousers, shoes, one, other = looks.colours[..., None, None].unbind(
        dim=1
    )
    at = _pixels(size) - 0.5
    along = (
        at[..., 0] * looks.turn.cos()[:, None, None] + at[..., 1] * looks.turn.sin()[:, None, None]
    )
    picture = torch.lerp(one, other, (along + 0.5).clamp(0, 1)[:, None])
    person = torch.zeros(len(poses), 1, size, size)

    def put(limb: _Limb, colour: Tensor) -> None:
        nonlocal picture, person
        cover = limb.cover[:, None]
        picture = torch.lerp(picture, colour.expand_as(picture), cover)
        person = torch.maximum(person, cover)

    def limb(start: str, end: str, radius: float) -> _Limb:
        return _limb(*_ends(poses, start, end), radius * looks.build, size)

    def cloth(limb: _Limb) -> Tensor:
        kind = looks.shirt[:, None, None]
        stripes = torch.where(kind == 1, (70 * limb.along).sin(), (70 * limb.across).sin())
        stripes = torch.where(kind == 3, (70 * limb.along).sin() * stripes, stripes)
        # Edges one pixel wide, as the limbs have them.
        share = torch.where(kind == 0, 0.0, (0.5 + stripes * size / 70).clamp(0, 1))
        return torch.lerp(shirt, pattern, share[:, None])

    for side in ("left", "right"):
        put(limb("hip", f"{side} knee", 0.042), trousers)
        put(limb(f"{side} knee", f"{side} foot", 0.034), trousers)
        put(limb(f"{side} foot", f"{side} foot", 0.04), shoes)
    trunk = limb("neck", "hip", 0.075)
    put(trunk, cloth(trunk))
    for side in ("left", "right"):
        put(limb(f"{side} elbow", f"{side} hand", 0.028), skin)
        sleeve = limb("neck", f"{side} elbow", 0.036)
        put(sleeve, cloth(sleeve))
    up = poses[:, JOINTS.index("head")] - poses[:, JOINTS.index("neck")]
    head = poses[:, JOINTS.index("head")]
    crown = head + 0.25 * up
    put(_limb(crown, crown, 0.075 * looks.build, size), hair)
    put(_limb(head, head, 0.065 * looks.build, size), skin)
    return picture, person


class _Limb(NamedTuple):
    """A stroke with round ends: how much of every pixel it covers, and the pixel's place on it.
    All ``[B, size, size]``."""

    cover: Tensor
    along: Tensor
    across: Tensor


def _limb(start: Tensor, end: Tensor, radius: Tensor, size: int) -> _Limb:
    """Args: start, end ``[B, 2]``; radius ``[B]`` or one for all."""
    line = (end - start)[:, None, None]
    length = line.norm(dim=-1).clamp_min(1e-6)
    at = _pixels(size) - start[:, None, None]
    along = (at * line).sum(dim=-1) / length
    across = (at[..., 0] * line[..., 1] - at[..., 1] * line[..., 0]) / length
    beside = at - (along.clamp_min(0).minimum(length) / length)[..., None] * line
    cover = ((radius.view(-1, 1, 1) - beside.norm(dim=-1)) * size + 0.5).clamp(0, 1)
    return _Limb(cover, along, across)


def _pixels(size: int) -> Tensor:
    """``[size, size, 2]`` centres (right, down)."""
    at = (torch.arange(size) + 0.5) / size
    return torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1)


def _ends(poses: Tensor, start: str, end: str) -> tuple[Tensor, Tensor]:
    return poses[:, JOINTS.index(start)], poses[:, JOINTS.index(end)]


# ------------------------------------------------------------------ characters of a font

EMOJI = {
    "faces": range(0x1F600, 0x1F650),
    "symbols": range(0x2600, 0x2700),
    "dingbats": range(0x2700, 0x27C0),
    "nature and things": range(0x1F300, 0x1F600),
    "transport": range(0x1F680, 0x1F700),
    "more faces and things": range(0x1F900, 0x1FA00),
}
"""Unicode's blocks of emoji and their like."""


class Characters(NamedTuple):
    """Pictures of characters.

    Attributes:
        pictures: ``[n, 3, size, size]`` in [0, 1], on white.
        groups: ``[n]`` numbers of `names`.
        names: the groups of which the font has characters.
        characters: what each picture shows.
    """

    pictures: Tensor
    groups: Tensor
    names: tuple[str, ...]
    characters: str


def draw_characters(
    font: str | os.PathLike[str],
    blocks: Mapping[str, range] = EMOJI,
    size: int = 32,
) -> Characters:
    """Draw every character that a font has in some blocks, in its colours if it has them.

    Fonts of bitmaps (Noto Color Emoji) and of outlines, in one colour or several, are read. Every
    character fills its picture but for a margin.

    Args:
        font: file, .ttf or .otf.
        blocks: by name, the code points of every group.
        size: pixels of a side.

    Raises:
        ValueError: The font has no character of these blocks.
    """
    import numpy as np
    from fontTools.ttLib import TTFont
    from PIL import Image, ImageDraw, ImageFont

    with TTFont(font, lazy=True) as tables:
        known = set(tables.getBestCmap())
        # A font of bitmaps has them in one size, and opens at no other.
        height = tables["CBLC"].strikes[0].bitmapSizeTable.ppemY if "CBLC" in tables else 4 * size
    drawn = ImageFont.truetype(os.fspath(font), height)
    pictures, groups, names, characters = [], [], [], ""
    for name, block in blocks.items():
        found = 0
        for code in block:
            left, top, right, bottom = drawn.getbbox(chr(code)) if code in known else (0, 0, 0, 0)
            side = 1.1 * max(right - left, bottom - top)
            if side == 0:
                continue
            sheet = Image.new("RGB", (round(side), round(side)), "white")
            corner = (side - right - left) / 2, (side - bottom - top) / 2
            ImageDraw.Draw(sheet).text(corner, chr(code), "black", drawn, embedded_color=True)
            small = sheet.resize((size, size), Image.Resampling.LANCZOS)
            pictures.append(torch.from_numpy(np.array(small)).permute(2, 0, 1))
            groups.append(len(names))
            characters += chr(code)
            found += 1
        if found:
            names.append(name)
    if not pictures:
        raise ValueError(
            f"font: expected one with characters of {', '.join(blocks)}, got {os.fspath(font)}"
        )
    return Characters(
        torch.stack(pictures).float() / 255, torch.tensor(groups), tuple(names), characters
    )
