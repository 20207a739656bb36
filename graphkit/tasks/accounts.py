"""Accounts among few labels: bots, adults' channels, kinds of pages."""

from __future__ import annotations

from dataclasses import replace

from graphkit.data.dataset import Dataset
from graphkit.data.split import split_per_class


def few_labels(dataset: Dataset, train: int = 20, val: int = 30) -> Dataset:
    """The same set with the labels of a few nodes alone, as with accounts checked by hand.

    Args:
        dataset: Nodes with classes, or with one label that is yes or no.
        train, val: Labelled nodes of each class for training and validation; all others are for
            the test.

    Returns:
        The Dataset with one split for every seed.

    Raises:
        ValueError: Targets are neither classes nor one label, or one is not known.
    """
    y = dataset.y
    if dataset.level == "node" and dataset.kind == "multilabel" and y.size(1) == 1:
        if y.isnan().any():
            raise ValueError(f"dataset: expected a label for every node of {dataset.name}, got NaN")
        classes = y[:, 0].long()
    elif dataset.level == "node" and dataset.kind == "multiclass":
        classes = y
    else:
        raise ValueError(
            f"dataset: expected nodes with classes or one label, got {dataset.level} "
            f"{dataset.kind} with {dataset.num_outputs} outputs"
        )
    return replace(
        dataset,
        splits=lambda seed: split_per_class(classes, train, val, seed=seed),
        split_name=f"{train}/{val} per class by seed",
    )
