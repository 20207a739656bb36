"""Graphs from and to images."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphkit.convert import from_image, from_image_superpixels, to_image
from graphkit.graph import Graph

# Left half red, right half blue, with a green corner.
FLAG = np.zeros((12, 16, 3), dtype=np.uint8)
FLAG[:, :8, 0] = 255
FLAG[:, 8:, 2] = 255
FLAG[:4, 12:] = [0, 255, 0]


@st.composite
def images(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, max_side=4))
    dtype = draw(st.sampled_from(["uint8", "uint16", "bool", "float32", "float16"]))
    width = {"float32": 32, "float16": 16}.get(dtype)
    elements = st.floats(width=width, allow_nan=False) if width else None
    return draw(hnp.arrays(dtype, shape, elements=elements))


class TestPixels:
    def test_features_and_places(self):
        graph = from_image(FLAG)
        assert graph.x.shape == (12 * 16, 3)
        assert graph.x[0].tolist() == [1, 0, 0]
        assert graph.x[15].tolist() == [0, 1, 0]
        assert graph.pos[15].tolist() == [15, 0]
        assert graph.pos[16].tolist() == [0, 1]
        assert "undirected" in repr(graph)

    def test_neighbours(self):
        graph = from_image(np.zeros((4, 5)))
        degree = graph.in_degree.view(4, 5)
        assert degree[0, 0] == degree[3, 4] == 3
        assert (degree[1:-1, 1:-1] == 8).all()
        source, destination = graph.edge_index
        far = (graph.pos[source] - graph.pos[destination]).abs().amax(1)
        assert (far == 1).all()
        assert Graph(graph.edge_index, 20).is_undirected
        assert torch.equal(source, source.sort().values)

    @pytest.mark.parametrize(("height", "width", "count"), [(1, 1, 0), (1, 5, 8), (2, 2, 12)])
    def test_small_images(self, height, width, count):
        assert from_image(np.zeros((height, width))).num_edges == count

    def test_tensors(self):
        image = torch.rand(3, 4, requires_grad=True)
        assert torch.equal(from_image(image).x, image.detach().view(-1, 1))

    @pytest.mark.parametrize(
        ("mode", "shape"), [("RGB", (2, 3, 3)), ("RGBA", (2, 3, 4)), ("L", (2, 3)), ("1", (2, 3))]
    )
    def test_pillow(self, mode, shape):
        from PIL import Image

        image = Image.new(mode, (3, 2), color="white")
        graph = from_image(image)
        assert graph.image_shape == shape
        assert (graph.x == 1).all()
        assert np.array_equal(to_image(graph), np.asarray(image))

    def test_pillow_with_a_palette(self):
        from PIL import Image

        image = Image.fromarray(FLAG).convert("P")
        assert torch.equal(from_image(image).x, from_image(FLAG).x)

    def test_batches(self):
        batch = Graph.batch([from_image(FLAG), from_image(FLAG[:3])])
        assert batch.image_shape == [(12, 16, 3), (3, 16, 3)]
        assert np.array_equal(to_image(batch.unbatch()[1]), FLAG[:3])
        with pytest.raises(ValueError, match="graph: expected one graph, got a batch"):
            to_image(batch)

    @pytest.mark.parametrize(
        ("image", "error", "message"),
        [
            (
                [[0]],
                TypeError,
                "image: expected an array, a tensor or .* got list",
            ),
            (np.zeros(3), ValueError, r"image: expected shape \[H, W\] or \[H, W, C\], got \[3\]"),
            (np.zeros((0, 3)), ValueError, r"image: expected shape .* got \[0, 3\]"),
            (torch.zeros(3, 8, 8), ValueError, r"image: .* did you mean image.permute\(1, 2, 0\)"),
            (
                np.zeros((2, 2), dtype=int),
                TypeError,
                "image: expected values of .* got int64",
            ),
        ],
    )
    def test_what_is_no_image(self, image, error, message):
        with pytest.raises(error, match=message):
            from_image(image)

    @given(images())
    def test_round_trip(self, image):
        again = to_image(from_image(image))
        assert again.dtype == image.dtype
        assert np.array_equal(again, image)

    def test_what_a_model_made_of_it(self):
        graph = from_image(FLAG)
        changed = to_image(graph.replace(x=graph.x * 3 - 1))
        assert changed.dtype == np.uint8
        assert np.array_equal(changed, FLAG)
        with pytest.raises(ValueError, match=r"x: expected colours of an image \(12, 16, 3\)"):
            to_image(graph.replace(x=graph.x[:, :2]))
        with pytest.raises(ValueError, match="graph: expected one that was made from an image"):
            to_image(Graph(torch.tensor([[0], [1]]), x=torch.rand(2, 3)))


class TestSuperpixels:
    @pytest.fixture(autouse=True)
    def _needs_skimage(self):
        pytest.importorskip("skimage")

    def test_regions_and_what_they_touch(self):
        graph = from_image_superpixels(FLAG, segments=12, compactness=0.1)
        region, count = graph.segments, graph.num_nodes
        assert region.shape == (12, 16)
        assert region.unique().tolist() == list(range(count))
        assert 3 <= count <= 24
        touching = {
            (int(region[a, b]), int(region[c, d]))
            for a in range(12)
            for b in range(16)
            for c in range(max(a - 1, 0), min(a + 2, 12))
            for d in range(max(b - 1, 0), min(b + 2, 16))
            if region[a, b] != region[c, d]
        }
        assert graph.num_edges == len(touching)
        assert set(map(tuple, graph.edge_index.t().tolist())) == touching

    def test_features(self):
        graph = from_image_superpixels(FLAG, segments=6)
        for number in range(graph.num_nodes):
            row, column = (graph.segments == number).nonzero().float().t()
            inside = torch.from_numpy(FLAG)[graph.segments == number] / 255
            torch.testing.assert_close(graph.x[number, :3], inside.mean(0))
            torch.testing.assert_close(graph.pos[number], torch.stack([column, row]).mean(1))
            torch.testing.assert_close(graph.x[number, 3], (column.mean() + 0.5) / 16)
            torch.testing.assert_close(graph.x[number, 4], (row.mean() + 0.5) / 12)
            torch.testing.assert_close(graph.x[number, 5], torch.tensor(len(row) / 192))
        torch.testing.assert_close(graph.x[:, 5].sum(), torch.tensor(1.0))

    def test_regions_of_one_colour_come_back(self):
        graph = from_image_superpixels(FLAG, segments=24, compactness=0.01)
        assert np.array_equal(to_image(graph), FLAG)

    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 4), (1, 1), (1, 6, 3)])
    def test_shapes(self, shape):
        image = np.random.default_rng(0).random(shape)
        graph = from_image_superpixels(image, segments=4)
        assert graph.x.size(1) == (shape[2] if len(shape) == 3 else 1) + 3
        assert to_image(graph).shape == shape

    @pytest.mark.parametrize(("option", "value"), [("segments", 0), ("compactness", 0.0)])
    def test_bad_options(self, option, value):
        with pytest.raises(ValueError, match=f"{option}: expected"):
            from_image_superpixels(FLAG, **{option: value})
