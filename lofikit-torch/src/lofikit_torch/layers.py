"""The layers of networks, laid out (batch, time, values).

Convolutions and dense layers keep their weights in core's layout (:mod:`lofikit.models.layers`);
only the kernels of recurrent layers are transposed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from lofikit.models.configs import Activation
from lofikit.streaming.attention import NORM_EPSILON
from lofikit_torch.gated import fits, gated_recurrence

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": functional.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "elu": functional.elu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "softplus": functional.softplus,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
}


class Dense(nn.Module):
    """``x @ weight + bias``; without a bias, ``x @ weight``."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """Maps (..., in) to (..., out), or to the outputs from the ``first`` on."""
        bias = None if self.bias is None else self.bias[first:]
        return functional.linear(x, self.weight[:, first:].t(), bias)


def rms_norm(x: Tensor, scale: Tensor) -> Tensor:
    """See :class:`lofikit.streaming.attention.RMSNorm`."""
    mean = x.square().mean(dim=-1, keepdim=True)
    return x * torch.rsqrt(mean + NORM_EPSILON) * scale


class CausalConv(nn.Module):
    """A causal dilated convolution; frames before the first are zeros.

    Computed as one product of the taps side by side: on CPUs faster than torch's own convolution
    for the few taps and small batches that train best.
    """

    def __init__(
        self, kernel: int, inputs: int, outputs: int, dilation: int, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(kernel, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.dilation = dilation

    @property
    def span(self) -> int:
        """Frames before the newest that an output depends on."""
        return (self.weight.shape[0] - 1) * self.dilation

    def history(self, like: Tensor) -> History:
        """Returns an empty history of the streams, the device and the type of some inputs."""
        return History(like.shape[0], self.span, self.weight.shape[1], like)

    def forward(self, x: Tensor, history: History | None = None) -> Tensor:
        """Maps (batch, time, in) to (batch, time, out), after what a history remembers."""
        if history is None:
            return self.after(functional.pad(x, (0, 0, self.span, 0)))
        return self.after(history.append(x))

    def after(self, seen: Tensor) -> Tensor:
        """Maps (batch, span + time, in) to the outputs of the last ``time`` frames."""
        batch, time = seen.shape[0], seen.shape[1] - self.span
        if time == 1:
            taps = seen[:, :: self.dilation].reshape(batch, 1, -1)
        else:
            starts = range(0, self.span + 1, self.dilation)
            taps = torch.cat([seen[:, start : start + time] for start in starts], dim=2)
        return functional.linear(taps, self.weight.flatten(0, 1).t(), self.bias)


class History:
    """The newest inputs of a convolution, so that none of its work is done twice.

    Frames are written one after the other into a buffer; when it is full, the newest ``span``
    move to its front. So appending costs the same for any span.

    Args:
        batch: Streams.
        span: Frames before the newest one that are kept.
        width: Values a frame.
        like: Gives the device and the type.
    """

    ROOM = 1024

    def __init__(self, batch: int, span: int, width: int, like: Tensor) -> None:
        self._buffer = like.new_zeros(batch, span + self.ROOM, width)
        self._span = self._end = span

    def append(self, x: Tensor) -> Tensor:
        """Returns the ``span`` frames before ``x``, and ``x`` of at most ``ROOM`` frames."""
        time, span = x.shape[1], self._span
        if self._end + time > self._buffer.shape[1]:
            self._buffer[:, :span] = self._buffer[:, self._end - span : self._end].clone()
            self._end = span
        self._buffer[:, self._end : self._end + time] = x
        self._end += time
        return self._buffer[:, self._end - time - span : self._end]


class LSTMLayer(nn.LSTM):
    """An LSTM with one bias, as Keras has it.

    torch adds two, which an optimiser would move together, twice as fast: the second stays zero.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__(inputs, units, batch_first=True)
        nn.init.zeros_(self.bias_hh_l0)
        self.bias_hh_l0.requires_grad_(False)

    def weights(self, name: str) -> dict[str, nn.Parameter]:
        """Returns what is learned, by core's names; kernels lie transposed."""
        return {
            f"{name}.kernel": self.weight_ih_l0,
            f"{name}.recurrent": self.weight_hh_l0,
            f"{name}.bias": self.bias_ih_l0,
        }


class GRULayer(nn.Module):
    """A GRU in core's order of gates; see :class:`lofikit.streaming.recurrent.GRU`."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(3 * units, inputs))
        self.recurrent = nn.Parameter(torch.empty(3 * units, units))
        self.bias = nn.Parameter(torch.empty(3 * units))
        self.recurrent_bias = nn.Parameter(torch.empty(3 * units))

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Maps (batch, time, in) to (batch, time, units), and returns the state to carry on."""
        units = self.recurrent.shape[1]
        if state is None:
            state = x.new_zeros(1, x.shape[0], units)
        if fits(x, units):
            given = functional.linear(x.transpose(0, 1), self.kernel, self.bias)
            states = gated_recurrence(given, state[0], self.recurrent, self.recurrent_bias)
            return states.transpose(0, 1), states[-1:]
        # torch has the reset gate before the update gate.
        weights = []
        for weight in (self.kernel, self.recurrent, self.bias, self.recurrent_bias):
            update, reset, candidate = weight.split(units)
            weights.append(torch.cat([reset, update, candidate]))
        outputs, left = torch.gru(x, state, weights, True, 1, 0.0, self.training, False, True)
        return outputs, left

    def weights(self, name: str) -> dict[str, nn.Parameter]:
        """Returns what is learned, by core's names; kernels lie transposed."""
        return {f"{name}.{field}": value for field, value in self.named_parameters()}


def dropout_masks(
    count: int, shape: tuple[int, ...], rate: float, generator: torch.Generator
) -> list[Tensor]:
    """Draws factors of 0 or ``1 / (1 - rate)``; none at all for a rate of 0."""
    if not rate:
        return []
    kept = [
        torch.rand(shape, generator=generator, device=generator.device) >= rate
        for _ in range(count)
    ]
    return [mask.float() / (1 - rate) for mask in kept]
