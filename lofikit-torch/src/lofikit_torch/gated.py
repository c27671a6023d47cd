"""The recurrence of a GRU over whole chunks, with the engine's kernels and its gradient by hand.

A step of the recurrence is a small product, and each waits for the one before. torch's own GRU
spends much of the time between them; and its gradient, taken step by step, adds up the gradient of
the recurrent weights as often as there are frames, which is one product here. A layer, forward and
backward, takes 0.3 to 0.4 times as long (4 sequences of 160 frames, 896 inputs, 256 units), and 0.8
times where products are large (32 of 256 frames, 512 inputs and units), on one thread and on two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lofikit.streaming import vectors
from lofikit.streaming.arena import ALIGN, Arena
from lofikit.streaming.processor import compiled, this_processor
from lofikit.streaming.products import product

THREADS = 2
"""As many threads of torch's own GRU were measured to be slower; more may not be."""


def fits(x: Tensor, units: int) -> bool:
    """Whether a layer does well to take :func:`gated_recurrence`, and can.

    It does where it learns, on a CPU with few threads, in float32, with units in whole vectors.
    """
    learns = torch.is_grad_enabled() and not torch.compiler.is_compiling()
    plain = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    whole = units % ALIGN == 0 and x.numel() > 0
    few = x.device.type == "cpu" and torch.get_num_threads() <= THREADS
    return learns and plain and whole and few


def gated_recurrence(given: Tensor, before: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
    """Computes the states of a GRU; see :class:`lofikit.streaming.recurrent.GRU`.

    Args:
        given: What inputs give to the gates z, r and the candidate, with their bias, shape
            (time, batch, 3 * units).
        before: The state before the first frame, shape (batch, units).
        recurrent: Recurrent weights, shape (3 * units, units).
        bias: Their bias, shape (3 * units,).

    Returns:
        The states, shape (time, batch, units).

    Raises:
        ValueError: If shapes do not belong together, or units are not a multiple of 16.
    """
    time, batch, width = given.shape
    units = width // 3
    found = tuple(x.shape for x in (before, recurrent, bias))
    if found != ((batch, units), (width, units), (width,)) or width % (3 * ALIGN) or not time:
        raise ValueError(
            f"{time} frames of {batch} x {width} values do not go with a state, weights and a bias "
            f"of {', '.join(str(tuple(shape)) for shape in found)}"
        )
    states: Tensor = _Compiled.apply(given, before, recurrent, bias)
    return states


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, before: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
        time, batch, width = given.shape
        units = width // 3
        # One array: the state before and the states, the products' sums, the gates, the bias.
        sums = (time + 1) * batch * units
        gates = sums + given.numel()
        last = gates + given.numel()
        memory = np.empty(last + width, np.float32)
        memory[: batch * units] = before.detach().numpy().ravel()
        memory[last:] = bias.detach().numpy()
        _run(
            this_processor(), _packed(recurrent.detach().t()), memory,
            given.detach().contiguous().numpy(), sums, gates, last,
        )  # fmt: skip
        states = torch.from_numpy(memory[batch * units : sums].reshape(time, batch, units))
        # Saved by torch, which frees it after the backward pass.
        ctx.save_for_backward(recurrent, states, torch.from_numpy(memory))
        ctx.places = sums, gates
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        recurrent, states, kept = ctx.saved_tensors
        memory, (sums, gates) = kept.numpy(), ctx.places
        time, batch, units = states.shape
        of_given = np.empty((time, batch, 3 * units), np.float32)
        of_sums = np.empty(of_given.size + batch * units, np.float32)  # and of the state, last
        _run_back(
            this_processor(), _packed(recurrent.detach()), memory,
            gradient.contiguous().numpy(), sums, gates, of_given, of_sums,
        )  # fmt: skip
        at = of_given.size
        of_before = torch.from_numpy(of_sums[at:].reshape(batch, units))
        rows = torch.from_numpy(of_sums[:at].reshape(time * batch, 3 * units))
        earlier = torch.from_numpy(memory[: time * batch * units].reshape(-1, units))
        return torch.from_numpy(of_given), of_before, rows.t() @ earlier, rows.sum(0)


def _packed(matrix: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    arena = Arena()
    arena.matrix(matrix.numpy())
    return arena.filled()


@compiled
def _run(
    processor: Any, weights: Any, memory: Any, given: Any, sums: int, gates: int, bias: int
) -> None:
    """Fills a memory of the state before and the states, the sums of products, and the gates."""
    time, batch, width = given.shape
    units = width // 3
    for now in range(time):
        past, to = now * batch * units, (now + 1) * batch * units
        at = now * batch * width
        product(
            processor, weights, memory, batch, units, width,
            past, units, 0, bias, 0, sums + at,
        )  # fmt: skip
        for row in range(batch):
            line = at + row * width
            total, gate = memory[sums + line :], memory[gates + line :]
            x = given[now, row]
            for n in range(2 * units):
                gate[n] = x[n] + total[n]
            vectors.activate_sigmoid(processor, memory, gates + line, 2 * units)
            for n in range(units):
                gate[2 * units + n] = x[2 * units + n] + gate[units + n] * total[2 * units + n]
            vectors.activate_tanh(processor, memory, gates + line + 2 * units, units)
            old, new = memory[past + row * units :], memory[to + row * units :]
            for n in range(units):
                candidate = gate[2 * units + n]
                new[n] = candidate + gate[n] * (old[n] - candidate)


@compiled
def _run_back(
    processor: Any, weights: Any, memory: Any, gradient: Any, sums: int, gates: int,
    of_given: Any, of_sums: Any,
) -> None:  # fmt: skip
    """Turns gradients of the states into those of what was given, of sums, and of the state."""
    time, batch, width = of_given.shape
    units = width // 3
    one = np.float32(1)
    carried = time * batch * width  # where the gradient of a state from later frames lies
    of_sums[carried : carried + batch * units] = np.float32(0)
    for now in range(time - 1, -1, -1):
        at = now * batch * width
        for row in range(batch):
            line = at + row * width
            total, gate = memory[sums + line :], memory[gates + line :]
            past = memory[(now * batch + row) * units :]
            later = of_sums[carried + row * units :]
            to, to_sum, of_state = of_given[now, row], of_sums[line:], gradient[now, row]
            for n in range(units):
                whole = of_state[n] + later[n]
                update, reset, candidate = gate[n], gate[units + n], gate[2 * units + n]
                of_update = whole * (past[n] - candidate) * update * (one - update)
                of_candidate = whole * (one - update) * (one - candidate * candidate)
                of_reset = of_candidate * total[2 * units + n] * reset * (one - reset)
                to[n] = to_sum[n] = of_update
                to[units + n] = to_sum[units + n] = of_reset
                to[2 * units + n] = of_candidate
                to_sum[2 * units + n] = of_candidate * reset
                later[n] = whole * update
        product(
            processor, weights, of_sums, batch, width, units,
            at, width, 0, carried, units, carried,
        )  # fmt: skip
