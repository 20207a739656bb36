"""Multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from graphkit.nn.dropout import dropout
from graphkit.nn.inits import reset
from graphkit.nn.linear import Linear
from graphkit.nn.resolver import activation_of, norm_of, takes_batch


class MLP(nn.Module):
    r"""Multi-layer perceptron :math:`x \leftarrow \sigma(\mathrm{norm}(x W^\top + b))`, the last
    layer plain.

    Made from a list of sizes, ``MLP([16, 32, 64])``, or from ``in_channels``,
    ``hidden_channels``, ``out_channels`` and ``num_layers``.

    Args:
        channel_list: sizes of input, hidden and output features.
        in_channels, hidden_channels, out_channels, num_layers: the sizes, if not as a list.
        dropout: probability after every hidden layer, or one for every layer.
        act: name of an activation in torch.nn, a callable or None.
        act_first: apply the activation before the normalisation.
        act_kwargs: arguments of the activation.
        norm: "batch_norm", "layer_norm", a callable or None.
        norm_kwargs: arguments of the normalisation.
        plain_last: leave normalisation, activation and dropout out of the last layer.
        bias: learn biases; or whether to, for every layer.
    """

    def __init__(
        self,
        channel_list: Sequence[int] | int | None = None,
        *,
        in_channels: int | None = None,
        hidden_channels: int | None = None,
        out_channels: int | None = None,
        num_layers: int | None = None,
        dropout: float | Sequence[float] = 0.0,
        act: str | Callable[[Tensor], Tensor] | None = "relu",
        act_first: bool = False,
        act_kwargs: dict[str, Any] | None = None,
        norm: str | Callable[..., Tensor] | None = "batch_norm",
        norm_kwargs: dict[str, Any] | None = None,
        plain_last: bool = True,
        bias: bool | Sequence[bool] = True,
    ) -> None:
        super().__init__()
        if isinstance(channel_list, int):
            in_channels = channel_list
        if in_channels is not None:
            channel_list = _channels(in_channels, hidden_channels, out_channels, num_layers)
        if not isinstance(channel_list, (list, tuple)) or len(channel_list) < 2:
            raise ValueError(
                f"channel_list: expected sizes of input and output at least, got {channel_list!r}"
            )
        self.channel_list = list(channel_list)
        self.act = activation_of(act, **(act_kwargs or {}))
        self.act_first = act_first
        self.plain_last = plain_last
        self.dropout: list[Any] = self._for_every_layer("dropout", dropout)
        if plain_last and not isinstance(dropout, (list, tuple)):
            self.dropout[-1] = 0.0

        biases = self._for_every_layer("bias", bias)
        sizes = zip(self.channel_list[:-1], self.channel_list[1:], biases, strict=True)
        self.lins = nn.ModuleList(Linear(first, last, bias=b) for first, last, b in sizes)
        hidden = self.channel_list[1:-1] if plain_last else self.channel_list[1:]
        norms = [norm_of(norm, size, **(norm_kwargs or {})) for size in hidden]
        self.norms = nn.ModuleList(nn.Identity() if one is None else one for one in norms)  # type: ignore[misc]
        self.supports_norm_batch = takes_batch(self.norms[0]) if norms else False

    @property
    def in_channels(self) -> int:
        return self.channel_list[0]

    @property
    def out_channels(self) -> int:
        return self.channel_list[-1]

    @property
    def num_layers(self) -> int:
        return len(self.channel_list) - 1

    def reset_parameters(self) -> None:
        for module in (*self.lins, *self.norms):
            reset(module)

    def forward(
        self,
        x: Tensor,
        batch: Tensor | None = None,
        batch_size: int | None = None,
        return_emb: bool | None = None,
    ) -> Any:
        """The output; with ``return_emb=True`` also what went into the last layer.

        ``batch`` and ``batch_size`` are for normalisations that work graph by graph.
        """
        emb = None
        for i, norm in enumerate(self.norms):
            x = self.lins[i](x)
            if self.act is not None and self.act_first:
                x = self.act(x)
            x = norm(x, batch, batch_size) if self.supports_norm_batch else norm(x)
            if self.act is not None and not self.act_first:
                x = self.act(x)
            x = emb = dropout(x, self.dropout[i], self.training)
        if self.plain_last:
            x = dropout(self.lins[-1](x), self.dropout[-1], self.training)
        if not isinstance(return_emb, bool):
            return x
        return x, emb if return_emb else None

    def _for_every_layer(self, name: str, value: Any) -> list[Any]:
        values = list(value) if isinstance(value, (list, tuple)) else [value] * self.num_layers
        if len(values) != self.num_layers:
            raise ValueError(
                f"{name}: expected one value for each of {self.num_layers} layers, "
                f"got {len(values)}"
            )
        return values

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.channel_list))})"


def _channels(
    in_channels: int, hidden: int | None, out: int | None, num_layers: int | None
) -> list[int]:
    if num_layers is None or out is None or (num_layers > 1 and hidden is None):
        raise ValueError(
            "expected in_channels, hidden_channels, out_channels and num_layers; got "
            f"{in_channels}, {hidden}, {out}, {num_layers}"
        )
    return [in_channels, *[hidden or 0] * (num_layers - 1), out]
