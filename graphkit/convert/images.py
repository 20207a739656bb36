"""From and to images: pixels that touch, or superpixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graphkit._extras import require
from graphkit._foreign import is_instance
from graphkit.convert._columns import to_array
from graphkit.graph import Graph

Array = np.ndarray[Any, Any]

# Types of colours that are no floating-point numbers, and what stands for full brightness.
_BRIGHTEST = {"bool": 1, "uint8": 2**8 - 1, "uint16": 2**16 - 1}


def from_image(image: Any) -> Graph:
    """The pixels of an image, each joined to the up to 8 around it.

    Args:
        image: ``[H, W]`` or ``[H, W, C]``: a tensor, an array, or an image of Pillow (with a
            palette, it is read as RGB). Values are uint8, uint16, bool or floating-point.

    Returns:
        A Graph of ``H * W`` nodes, numbered row by row, with `x` ``[H * W, C]``, the colours in
        torch's default dtype, integers divided by the highest of their type; and `pos`
        ``[H * W, 2]`` (column, row). `image_shape` and `image_dtype` are kept for
        :func:`to_image`.
    """
    pixels = _read(image)
    height, width = pixels.shape[:2]
    return Graph(
        grid_edges(height, width),
        height * width,
        x=_colours(pixels),
        pos=_places(height, width),
        undirected=True,
        graph_attrs=_kept(pixels),
    )


def from_image_superpixels(image: Any, segments: int = 75, compactness: float = 10.0) -> Graph:
    """Regions of about one colour in an image, each joined to those it touches.

    The regions are those of SLIC (Achanta et al. 2012), as scikit-image computes it. Two touch if
    a pixel of one is among the 8 around a pixel of the other.

    Args:
        image: As in :func:`from_image`.
        segments: About how many regions.
        compactness: How much nearness counts against likeness of colour; the more, the squarer
            the regions.

    Returns:
        A Graph with `x` ``[N, C + 3]``: mean colour as in :func:`from_image`, then centre
        (column, row) and number of pixels as shares of the image; `pos` ``[N, 2]``, the centre
        in pixels; and `segments` ``[H, W]``, the region of every pixel.
    """
    if segments < 1:
        raise ValueError(f"segments: expected at least 1, got {segments}")
    if not compactness > 0:
        raise ValueError(f"compactness: expected more than 0, got {compactness}")
    segmentation = require("skimage.segmentation", extra="image", what="making superpixels")
    pixels = _read(image)
    height, width = pixels.shape[:2]
    colours, size = _colours(pixels), torch.tensor([width, height])
    found = segmentation.slic(
        colours.double().view(height, width, -1).numpy(),
        segments,
        compactness,
        channel_axis=-1,
        start_label=0,
    )
    # Numbered without gaps, whatever regions were joined in the end.
    region = torch.from_numpy(np.unique(found, return_inverse=True)[1]).view(-1)
    pixels_in = torch.bincount(region).unsqueeze(1)
    count = pixels_in.numel()

    def mean(rows: Tensor) -> Tensor:
        return rows.new_zeros(count, rows.size(1)).index_add_(0, region, rows) / pixels_in

    centre = mean(_places(height, width))
    source, destination = region[grid_edges(height, width)]
    pairs = (source * count + destination)[source != destination].unique()
    return Graph(
        torch.stack([pairs // count, pairs % count]),
        count,
        x=torch.cat([mean(colours), (centre + 0.5) / size, pixels_in / size.prod()], dim=1),
        pos=centre,
        undirected=True,
        graph_attrs={"segments": region.view(height, width), **_kept(pixels)},
    )


def to_image(graph: Graph) -> Array:
    """The image a graph was made from, or what a model has made of its colours, as an array.

    Pixels come back exactly as they were, floating-point ones as exactly as torch's default dtype
    held them. Of superpixels every pixel gets the mean colour of its region. The colours are the
    first columns of `x`; those beyond what the type of the image can hold become the nearest.

    Raises:
        ValueError: The graph is none of :func:`from_image` and :func:`from_image_superpixels`, or
            a batch of them.
    """
    if graph.is_batch:
        raise ValueError("graph: expected one graph, got a batch; convert those of graph.unbatch()")
    if not {"image_shape", "image_dtype"} <= graph.graph_attrs.keys():
        raise ValueError(f"graph: expected one that was made from an image, got {graph}")
    shape, dtype = graph.image_shape, np.dtype(graph.image_dtype)
    colours = graph.x[:, : shape[2] if len(shape) == 3 else 1]
    if "segments" in graph.graph_attrs:
        colours = colours[graph.segments.view(-1)]
    if colours.numel() != np.prod(shape):
        raise ValueError(f"x: expected colours of an image {shape}, got {list(graph.x.shape)}")
    values = to_array(colours).reshape(shape)
    if dtype.name in _BRIGHTEST:
        # Rounded in double precision: 16 bits and a half do not fit into fewer.
        values = np.rint(values.astype(np.float64).clip(0, 1) * _BRIGHTEST[dtype.name])
    return values.astype(dtype)


def grid_edges(height: int, width: int) -> Tensor:
    """Edges between every pixel and its up to 8 neighbours, in both directions.

    A corner has 3 neighbours, a pixel on the border 5, one inside 8. Pixels are numbered row by
    row; edges are sorted by source, then by destination.

    Returns:
        ``[2, E]`` int64.
    """
    if height < 1 or width < 1:
        raise ValueError(f"height, width: expected at least 1, got {height} and {width}")
    pixel = torch.arange(height * width).view(height, width)
    framed = F.pad(pixel, (1, 1, 1, 1), value=-1)
    around = [
        framed[down : down + height, right : right + width]
        for down in range(3)
        for right in range(3)
        if (down, right) != (1, 1)
    ]
    destination = torch.stack(around, dim=-1).view(-1, 8)
    source = pixel.view(-1, 1).expand(-1, 8)
    inside = destination >= 0
    return torch.stack([source[inside], destination[inside]])


def _read(image: Any) -> Array:
    """``[H, W]`` or ``[H, W, C]`` of a type that can be read."""
    if isinstance(image, Tensor):
        image = to_array(image)
    elif is_instance(image, "PIL.Image", "Image"):
        if image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        image = np.asarray(image)
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"image: expected an array, a tensor or an image of Pillow, got {type(image).__name__}"
        )
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"image: expected shape [H, W] or [H, W, C], got {list(image.shape)}")
    if image.ndim == 3 and image.shape[0] in (1, 3, 4) and image.shape[2] > 4:
        raise ValueError(
            f"image: expected shape [H, W, C], got {list(image.shape)}; "
            "did you mean image.permute(1, 2, 0)?"
        )
    if image.dtype.kind != "f" and image.dtype.name not in _BRIGHTEST:
        raise TypeError(
            "image: expected values of uint8, uint16, bool or a floating-point type, "
            f"got {image.dtype}"
        )
    return image


def _colours(pixels: Array) -> Tensor:
    """``[H * W, C]`` in torch's default dtype."""
    flat = torch.from_numpy(
        pixels.reshape(pixels.shape[0] * pixels.shape[1], -1).astype(np.float64)
    )
    return (flat / _BRIGHTEST.get(pixels.dtype.name, 1)).to(torch.get_default_dtype())


def _places(height: int, width: int) -> Tensor:
    """``[H * W, 2]`` column and row of every pixel."""
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([column, row], dim=-1).view(-1, 2).to(torch.get_default_dtype())


def _kept(pixels: Array) -> dict[str, Any]:
    """What :func:`to_image` needs to know."""
    return {"image_shape": tuple(pixels.shape), "image_dtype": pixels.dtype.name}
