"""Encoders as files, frozen and thawed, under other heads."""

import json
import os

import pytest
import torch
from safetensors import safe_open
from torch import nn

import graphkit
from graphkit.graph import Graph
from graphkit.nn import (
    GAT,
    GCN,
    GraphHead,
    NodeHead,
    Predictor,
    freeze,
    load_encoder,
    save_encoder,
    thaw,
)

GRAPH = Graph(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]]), x=torch.rand(4, 5))
SIZES = {"in_channels": 5, "hidden_channels": 6, "num_layers": 2}


class Tied(nn.Module):
    """Two names for one weight, a buffer, and nothing that graphkit knows."""

    def __init__(self, size):
        super().__init__()
        self.first = nn.Linear(size, size, bias=False)
        self.second = nn.Linear(size, size, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("seen", torch.tensor(3))

    def forward(self, x):
        return self.second(self.first(x))


def assert_same_state(module, other):
    state, expected = module.state_dict(), other.state_dict()
    assert state.keys() == expected.keys()
    for name, value in state.items():
        assert value.dtype == expected[name].dtype, name
        assert torch.equal(value, expected[name]), name


@pytest.fixture
def file(tmp_path):
    return tmp_path / "folder" / "encoder.safetensors"


class TestRoundTrip:
    @pytest.mark.parametrize(
        ("cls", "options"),
        [
            (GCN, {"norm": "batch_norm", "dropout": 0.5}),
            (GAT, {"heads": 2, "out_channels": 3, "v2": True, "edge_dim": None}),
            (GCN, {"jk": "lstm", "out_channels": 3, "act": "LeakyReLU", "act_kwargs": None}),
        ],
    )
    def test_same_output(self, cls, options, file):
        encoder = cls(**SIZES, **options)
        encoder(GRAPH.x, GRAPH)  # moves the running statistics
        save_encoder(encoder, file, **SIZES, **options)
        again = load_encoder(file)
        assert type(again) is cls
        assert_same_state(again, encoder)
        assert torch.equal(again.eval()(GRAPH.x, GRAPH), encoder.eval()(GRAPH.x, GRAPH))

    def test_sizes_from_the_first_input(self, file):
        sizes = {**SIZES, "in_channels": -1}
        encoder = GCN(**sizes)
        with pytest.raises(ValueError, match=r"expected every size known, but convs.0.lin.weight"):
            save_encoder(encoder, file, **sizes)
        encoder(GRAPH.x, GRAPH)
        save_encoder(encoder, file, **sizes)
        assert_same_state(load_encoder(file), encoder)

    def test_double_precision(self, file):
        encoder = GCN(**SIZES).double()
        save_encoder(encoder, file, **SIZES)
        assert_same_state(load_encoder(file), encoder)

    def test_tied_weights_stay_tied(self, file):
        encoder = Tied(4).double()
        save_encoder(encoder, file, size=4)
        again = load_encoder(file, Tied)
        assert_same_state(again, encoder)
        assert again.first.weight is again.second.weight

    def test_what_is_built_by_a_function(self, file):
        def build(size, hidden):
            return nn.Sequential(nn.Linear(size, hidden), nn.ReLU())

        encoder = build(3, 4)
        save_encoder(encoder, file, build, size=3, hidden=4)
        assert_same_state(load_encoder(file, build), encoder)

    def test_random_numbers_go_on_as_if_nothing_was_built(self, file):
        encoder = GCN(**SIZES)
        torch.manual_seed(0)
        expected = torch.rand(1)
        torch.manual_seed(0)
        save_encoder(encoder, file, **SIZES)
        load_encoder(file)
        assert torch.equal(torch.rand(1), expected)

    def test_what_the_header_says(self, file):
        save_encoder(GCN(**SIZES), file, **SIZES)
        with safe_open(file, "pt") as opened:
            description = json.loads(opened.metadata()["graphkit"])
        assert description == {
            "class": "graphkit.nn.GCN",
            "arguments": SIZES,
            "versions": {"graphkit": graphkit.__version__, "torch": torch.__version__},
        }


class TestErrors:
    def test_arguments_of_another_encoder(self, file):
        with pytest.raises(ValueError, match=r"encoder: expected the weights of GCN") as caught:
            save_encoder(GCN(**SIZES), file, **{**SIZES, "hidden_channels": 7, "num_layers": 3})
        assert "convs.0.lin.weight: expected shape [7, 5], got [6, 5]" in str(caught.value)
        assert "convs.2.bias is missing" in str(caught.value)
        assert not file.exists()

    def test_what_else_is_built_from_the_file(self, file):
        save_encoder(GCN(**SIZES), file, **SIZES)

        def wider(**arguments):
            return GCN(**{**arguments, "in_channels": 8, "num_layers": 1})

        with pytest.raises(ValueError, match=str(file)) as caught:
            load_encoder(file, wider)
        assert "convs.0.lin.weight: expected shape [6, 8], got [6, 5]" in str(caught.value)
        assert "convs.1.bias [6] is unknown" in str(caught.value)

    def test_arguments_that_are_no_json(self, file):
        with pytest.raises(TypeError, match="act: expected what JSON can hold, got <"):
            save_encoder(GCN(**SIZES), file, **SIZES, act=torch.relu)

    def test_a_class_that_is_not_ours(self, file):
        save_encoder(Tied(4), file, size=4)
        with pytest.raises(ValueError, match=r"build: expected what makes .* as .*Tied is not of"):
            load_encoder(file)

    def test_what_is_no_tensor(self, file):
        class Odd(nn.Linear):
            def get_extra_state(self):
                return {"a": 1}

        with pytest.raises(TypeError, match="encoder: expected tensors alone, got dict"):
            save_encoder(Odd(1, 1), file, in_features=1, out_features=1)

    def test_no_file(self, file):
        with pytest.raises(FileNotFoundError, match=r"file: expected an encoder, got .* not exist"):
            load_encoder(file)

    @pytest.mark.parametrize("keep", [0, 4, 60, -1])
    def test_a_damaged_file(self, keep, file):
        save_encoder(GCN(**SIZES), file, **SIZES)
        file.write_bytes(file.read_bytes()[:keep])
        with pytest.raises(ValueError, match="file: expected an encoder that save_encoder wrote"):
            load_encoder(file)

    def test_a_file_of_others(self, file):
        from safetensors.torch import save_file

        file.parent.mkdir()
        save_file({"a": torch.rand(1)}, file)
        with pytest.raises(ValueError, match="file: expected an encoder that save_encoder wrote"):
            load_encoder(file)

    def test_a_failed_save_leaves_the_old_file(self, file, monkeypatch):
        save_encoder(GCN(**SIZES), file, **SIZES)
        before = file.read_bytes()

        def fail(*_):
            raise OSError("no space left")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="no space left"):
            save_encoder(GCN(**SIZES), file, **SIZES)
        assert file.read_bytes() == before
        assert os.listdir(file.parent) == [file.name]


class TestFrozen:
    def train(self, model, *of):
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        model.train()
        for _ in range(3):
            optimizer.zero_grad()
            model(GRAPH.x, GRAPH, *of).square().mean().backward()
            optimizer.step()
        return model

    def test_frozen_under_another_head(self, file):
        options = {**SIZES, "norm": "batch_norm", "dropout": 0.5}
        trained = self.train(Predictor(GCN(**options), NodeHead(nn.Linear(6, 2))))
        save_encoder(trained.encoder, file, **options)

        model = Predictor(load_encoder(file, frozen=True), GraphHead(nn.Linear(6, 3)))
        before = model.head.predict.weight.detach().clone()
        expected = model.encode(GRAPH.x, GRAPH)
        self.train(model, GRAPH)
        assert_same_state(model.encoder, trained.encoder)  # running statistics too
        assert torch.equal(model.encode(GRAPH.x, GRAPH), expected)  # and no dropout
        assert not torch.equal(model.head.predict.weight, before)

    def test_thawed_it_learns(self):
        encoder = thaw(freeze(GCN(**SIZES, norm="batch_norm")))
        before = {name: value.clone() for name, value in encoder.state_dict().items()}
        self.train(Predictor(encoder, NodeHead(nn.Linear(6, 2))))
        assert encoder.training
        changed = [n for n, v in encoder.state_dict().items() if not torch.equal(v, before[n])]
        assert "convs.0.lin.weight" in changed
        assert "norms.0.module.running_mean" in changed

    def test_frozen_twice_thaws_at_once(self):
        encoder = thaw(freeze(freeze(GCN(**SIZES, dropout=0.5))))
        encoder(GRAPH.x, GRAPH)
        assert encoder.training

    def test_a_copy_stays_frozen_by_itself(self):
        import copy

        encoder = freeze(GCN(**SIZES))
        other = copy.deepcopy(encoder)
        thaw(encoder)
        other.train()
        other(GRAPH.x, GRAPH)
        assert not other.training
        encoder(GRAPH.x, GRAPH)
        assert encoder.training
