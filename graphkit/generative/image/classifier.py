"""A small classifier of pictures, in whose features generated ones are measured."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkit.data import Images, Samples
from graphkit.data.images import check_images
from graphkit.train import fit


class Classifier(nn.Module):
    """Three convolutions of stride 2, a hidden layer, and a class.

    Args:
        channels: of the pictures.
        size: pixels a side.
        classes: how many.
        width: channels of the first convolution.
        hidden: size of the hidden layer, which are the features.

    Shapes:
        ``[B, channels, size, size]``; output ``[B, classes]``.
    """

    def __init__(
        self, channels: int, size: int, classes: int, width: int = 32, hidden: int = 64
    ) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        side = size
        layers: list[nn.Module] = []
        for i, o in ((channels, width), (width, 2 * width), (2 * width, 2 * width)):
            layers += [nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
            side = -(-side // 2)
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(2 * width * side * side, hidden), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(hidden, classes))

    def features(self, images: Tensor) -> Tensor:
        """What the class is read off, ``[B, hidden]``."""
        if images.shape[1:] != self.shape:
            # Pictures a little larger or smaller have as many cells left after three convolutions.
            raise ValueError(
                f"images: expected shape [B, {', '.join(map(str, self.shape))}], "
                f"got {list(images.shape)}"
            )
        return self.layers(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def train_classifier(
    images: Images, *, epochs: int = 3, batch_size: int = 128, lr: float = 2e-3
) -> Classifier:
    """Train a classifier of a set's training pictures, of which a tenth selects the epoch.

    Raises:
        ValueError: There are fewer than two classes, or pictures are not square or not in [0, 1].
    """
    check_images(images.train)
    if len(images.classes) < 2 or len(images.train_labels.unique()) < 2:
        raise ValueError(
            f"images: expected at least two classes, got {len(images.train_labels.unique())}"
        )
    _, channels, size, width = images.train.shape
    if width != size:
        raise ValueError(
            f"images: expected squares, got {width} x {size} pixels; load_images(..., size={size}) "
            "makes them square"
        )
    model = Classifier(channels, size, len(images.classes))
    order = torch.randperm(len(images.train))
    count = max(1, len(order) // 10)
    if (len(order) - count) % batch_size == 1:
        count += 1  # batch norm needs two pictures where one pixel is left
    held_out, train = order.tensor_split([count])
    x, y = images.train[held_out], images.train_labels[held_out]

    def accuracy() -> float:
        found = torch.cat([model(part).argmax(dim=1) for part in x.split(1024)])
        return (found == y).double().mean().item()

    fit(
        model,
        torch.optim.Adam(model.parameters(), lr=lr),
        Samples(images.train[train], images.train_labels[train], batch_size=batch_size),
        lambda batch: F.cross_entropy(model(batch[0]), batch[1]),
        accuracy,
        epochs=epochs,
    )
    return model
