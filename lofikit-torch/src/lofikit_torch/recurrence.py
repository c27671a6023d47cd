"""Diagonal linear recurrences over whole chunks: compiled loops on a CPU, products elsewhere.

A step of the recurrence is a few operations a value, and each waits for the one before. On a CPU
a plain loop, compiled, with its gradient written by hand, costs a twentieth to a fortieth of
Toeplitz products by chunks or of an FFT (64 complex values, 512 to 2048 frames, forward and
backward, one thread). On a GPU chunks are the way: two levels of matrix products.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lofikit.streaming.processor import compiled

CHUNK = 32
"""Frames of a Toeplitz product: time is cut into about its square root, twice."""


def diagonal_recurrence(values: Tensor, decay: Tensor, before: Tensor) -> Tensor:
    """Computes ``state[t] = decay * state[t - 1] + values[t]``, of complex numbers.

    Complex numbers lie as two halves of the last axis: real parts, then imaginary ones.

    Args:
        values: Shape (batch, time, 2 * n).
        decay: Of magnitude below 1, shape (2 * n,).
        before: The state before the first frame, shape (batch, 2 * n); no gradient flows to it.

    Returns:
        The states, shape (batch, time, 2 * n).
    """
    before = before.detach()
    if values.device.type == "cpu":
        states: Tensor = _Compiled.apply(values, decay, before)
        return states
    return by_chunks(values, decay, before)


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, decay: Tensor, before: Tensor) -> Tensor:
        states = np.empty(values.shape, np.float32)
        _scan(values.detach().contiguous().numpy(), decay.detach().numpy(), before.numpy(), states)
        result = torch.from_numpy(states)
        ctx.save_for_backward(decay, before, result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        decay, before, states = ctx.saved_tensors
        of_values = np.array(gradient.numpy(), order="C")
        of_decay = np.zeros(decay.shape, np.float64)
        _scan_back(decay.detach().numpy(), before.numpy(), states.numpy(), of_values, of_decay)
        return torch.from_numpy(of_values), torch.from_numpy(of_decay.astype(np.float32)), None


@compiled
def _scan(values: Any, decay: Any, before: Any, states: Any) -> None:
    batch, time, width = values.shape
    half = width // 2
    for row in range(batch):
        past = before[row]
        for now in range(time):
            given, state = values[row, now], states[row, now]
            for n in range(half):
                real, imag = past[n], past[half + n]
                state[n] = given[n] + (decay[n] * real - decay[half + n] * imag)
                state[half + n] = given[half + n] + (decay[n] * imag + decay[half + n] * real)
            past = state


@compiled
def _scan_back(decay: Any, before: Any, states: Any, gradients: Any, of_decay: Any) -> None:
    """Turns gradients of the states into those of the values, and adds up the decay's."""
    batch, time, width = gradients.shape
    half = width // 2
    for row in range(batch):
        for now in range(time - 1, -1, -1):
            gradient = gradients[row, now]
            past = states[row, now - 1] if now else before[row]
            for n in range(half):
                real, imag = gradient[n], gradient[half + n]
                of_decay[n] += real * past[n] + imag * past[half + n]
                of_decay[half + n] += imag * past[n] - real * past[half + n]
            if now:
                earlier = gradients[row, now - 1]
                for n in range(half):
                    real, imag = gradient[n], gradient[half + n]
                    earlier[n] += decay[n] * real + decay[half + n] * imag
                    earlier[half + n] += decay[n] * imag - decay[half + n] * real


def by_chunks(values: Tensor, decay: Tensor, before: Tensor) -> Tensor:
    """Within a chunk, states are a Toeplitz product of values; so are the chunks' last states."""
    batch, time, width = values.shape
    chunks = -(-time // CHUNK)
    real, imag = values.float().split(width // 2, dim=2)
    padding = (0, 0, 0, chunks * CHUNK - time)
    x = torch.complex(
        torch.nn.functional.pad(real, padding), torch.nn.functional.pad(imag, padding)
    )
    x = x.reshape(batch, chunks, CHUNK, -1).permute(3, 2, 0, 1)  # (n, chunk, batch, chunks)
    logarithm = torch.log(torch.complex(*decay.float().chunk(2)))[:, None]
    steps = torch.arange(CHUNK + 1, device=values.device)
    powers = torch.exp(logarithm * steps)
    inside = torch.bmm(_toeplitz(powers[:, :CHUNK]), x.flatten(2)).reshape(x.shape)
    # The state before each chunk: that before the first, and the chunks' own last states.
    first = torch.complex(*before.float().chunk(2, dim=1)).t()[:, :, None]
    ends = torch.cat([first, inside[:, -1, :, :-1]], dim=2)  # (n, batch, chunks)
    jumps = torch.exp(logarithm * CHUNK * torch.arange(chunks, device=values.device))
    carried = torch.bmm(ends, _toeplitz(jumps).transpose(1, 2))
    states = inside + powers[:, 1:, None, None] * carried[:, None]
    states = states.permute(2, 3, 1, 0).reshape(batch, chunks * CHUNK, -1)[:, :time]
    return torch.cat([states.real, states.imag], dim=2)


def _toeplitz(column: Tensor) -> Tensor:
    """Lower triangular matrices (n, size, size) of their first columns (n, size)."""
    size = column.shape[1]
    padded = torch.nn.functional.pad(column, (size - 1, 0))
    place = torch.arange(size, device=column.device)
    return padded[:, place[:, None] - place + size - 1]
