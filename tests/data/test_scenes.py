"""Scenes of digits: relations are what they say, and no image is in two parts."""

import pytest
import torch

from graphkit.data import Dataset, check_split, digit_scenes
from graphkit.data.scenes import scene_picture


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    return digit_scenes(30, 10, 10, seed=1)


def test_relations_are_what_they_say(scenes: Dataset):
    names = scenes.further["relations"]
    for graph in scenes.graphs:
        for edge, (i, j) in enumerate(graph.edge_index.T.tolist()):
            relation = names[int(graph.y[edge])]
            (x, y), (other_x, other_y) = graph.pos[i].tolist(), graph.pos[j].tolist()
            others = [k for k in range(graph.num_nodes) if k != i]
            distance = {k: (graph.pos[i] - graph.pos[k]).norm().item() for k in others}
            if distance[j] == min(distance.values()) and relation not in ("none", "same digit as"):
                offset = {
                    "left of": other_x - x,
                    "right of": x - other_x,
                    "above": other_y - y,
                    "below": y - other_y,
                }
                assert offset[relation] == max(abs(x - other_x), abs(y - other_y))
            else:
                same = graph.digit[i] == graph.digit[j]
                assert relation == ("same digit as" if same else "none")
        spatial = (graph.y > 0) & (graph.y < 5)
        # Every digit has one nearest neighbour.
        assert graph.edge_index[0, spatial].tolist() == list(range(graph.num_nodes))


def test_every_digit_is_joined_to_every_other(scenes: Dataset):
    for graph in scenes.graphs:
        n = graph.num_nodes
        assert 5 <= n <= 8
        assert graph.num_edges == n * (n - 1)
        assert len({tuple(pair) for pair in graph.edge_index.T.tolist()}) == n * (n - 1)
        assert (graph.edge_index[0] != graph.edge_index[1]).all()


def test_parts_share_no_image(scenes: Dataset):
    split = scenes.split(3)
    check_split(split, 50)
    images = [
        {tuple(row) for k in part.tolist() for row in scenes.graphs[k].x[:, :64].tolist()}
        for part in split
    ]
    assert not images[0] & images[1]
    assert not images[0] & images[2]
    assert not images[1] & images[2]


def test_the_picture_shows_the_digits(scenes: Dataset):
    graph = scenes.graphs[0]
    picture = scene_picture(graph)
    assert picture.shape == (48, 48)
    assert picture.sum() == pytest.approx(graph.x[:, :64].sum().item(), rel=1e-5)


def test_one_seed_one_data_set(scenes: Dataset):
    again, other = digit_scenes(30, 10, 10, seed=1), digit_scenes(30, 10, 10, seed=2)
    assert torch.equal(again.graphs[7].x, scenes.graphs[7].x)
    assert not torch.equal(
        torch.cat([graph.y for graph in other.graphs]),
        torch.cat([graph.y for graph in scenes.graphs]),
    )
