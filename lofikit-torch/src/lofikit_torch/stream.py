"""Streams computed by torch, and streams of the compiled engine, as core's ``Stream``."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lofikit.errors import PromptError
from lofikit.models.base import Outputs, Sampling, Stream, refuse_given
from lofikit.models.guides import guides_for
from lofikit.representations.base import Frames
from lofikit.streaming.engine import EngineStream, checked_given
from lofikit_torch.bodies.base import Memory
from lofikit_torch.device import working
from lofikit_torch.guides import followed
from lofikit_torch.layers import History
from lofikit_torch.networks import FrameNetwork


class CompiledStream(Stream):
    """A stream of :mod:`lofikit.streaming`.

    Args:
        stream: The engine's.
        block: Frames that one prediction yields.
    """

    def __init__(self, stream: EngineStream, block: int) -> None:
        self._stream = stream
        self._blocks = block > 1

    def prime(self, frames: Frames) -> Outputs:
        """Feeds given frames; see :meth:`lofikit.models.base.Stream.prime`."""
        # The engine's kernels are compiled for arrays that may be written to; a clip's may not.
        return self._stream.prime(frames if frames.flags.writeable else frames.copy())

    def next(self, n: int, given: Frames | None = None) -> Frames:
        """Generates frames; see :meth:`lofikit.models.base.Stream.next`."""
        if self._blocks:
            refuse_given(given, "a model of blocks of frames")
        return self._stream.next(n, given)


class TorchStream(Stream):
    """A stream that torch computes, on any device, with carried state.

    Like the engine's, a stream that was never primed starts from zeros (of classes, the middle
    one), and of a model of blocks, priming drops what is left of a block that was generated.

    Args:
        network: Its weights are copied.
        batch: Streams side by side.
        block: Frames that one prediction yields.
        options: The model's options.
        device: Where the network lies.
        sampling: How classes are drawn.
        seed: Of the draws; stream ``i`` draws the same beside however many others.
    """

    def __init__(
        self,
        network: FrameNetwork,
        batch: int,
        block: int,
        options: Any,  # one of core's with TorchOptions
        device: torch.device,
        sampling: Sampling,
        seed: int,
    ) -> None:
        self._network = copy.deepcopy(network).requires_grad_(False)
        self._batch, self._block = batch, block
        self._options, self._device = options, device
        self._guides = guides_for(options, batch, network.spec.levels)
        self._top_p = sampling.top_p
        self._temperatures = None  # of the likeliest classes there is none
        if sampling.temperature > 0:
            temperatures = sampling.temperatures(network.spec)
            self._temperatures = torch.tensor(temperatures, device=device)
        self._uniform = _Uniform(batch, network.spec.size, seed, device)
        self._memory: Memory = []
        self._ahead: Tensor | None = None  # what the network predicts for the block to come
        self._drawn: Tensor | None = None  # a block drawn from it, and not yet fed back
        self._given = 0  # how many frames of the drawn block were asked for

    def prime(self, frames: Frames) -> Outputs:
        """Feeds given frames; see :meth:`lofikit.models.base.Stream.prime`."""
        array = np.asarray(frames)
        size = self._network.spec.size
        if array.ndim != 3 or array.shape[0] != self._batch or array.shape[2] != size:
            raise ValueError(
                f"frames have shape {array.shape}; wanted ({self._batch}, time, {size})."
            )
        if array.shape[1] % self._block:
            raise PromptError(
                f"{array.shape[1]} frames cannot prime a model of blocks of {self._block} frames",
                f"give a multiple of {self._block} frames",
            )
        dtype = torch.float32 if self._network.spec.levels is None else torch.int64
        with working(self._device, self._options, training=False), torch.inference_mode():
            self._feed_back()
            given = torch.tensor(array, dtype=dtype, device=self._device)
            piece = max(1, History.ROOM // self._block) * self._block
            parts = [
                self._extend(given[:, start : start + piece]).cpu()
                for start in range(0, given.shape[1], piece)
            ]
            if not parts:
                return self._nothing()
            return torch.cat(parts, dim=1).numpy()

    def next(self, n: int, given: Frames | None = None) -> Frames:
        """Generates frames; see :meth:`lofikit.models.base.Stream.next`."""
        if n < 0:
            raise ValueError(f"the number of frames must be 0 or more, not {n}.")
        if self._block > 1:
            refuse_given(given, "a model of blocks of frames")
        spec = self._network.spec
        told = torch.from_numpy(checked_given(given, self._batch, n, spec.size, spec.levels))
        told = told.to(self._device)
        dtype = torch.float32 if spec.levels is None else torch.int32
        with working(self._device, self._options, training=False), torch.inference_mode():
            frames = torch.empty(self._batch, n, spec.size, dtype=dtype, device=self._device)
            done = 0
            while done < n:
                if self._drawn is None or self._given == self._block:
                    self._feed_back()
                    self._drawn, self._given = self._draw(), 0
                    if given is not None:
                        now = told[:, done : done + 1]
                        self._drawn = torch.where(now.isnan(), self._drawn, now.to(self._drawn))
                take = min(n - done, self._block - self._given)
                frames[:, done : done + take] = self._drawn[:, self._given : self._given + take]
                self._given += take
                done += take
            return frames.cpu().numpy()

    def _feed_back(self) -> None:
        if self._drawn is not None:
            if self._given == self._block:
                self._extend(self._drawn)
            self._drawn = None

    def _extend(self, frames: Tensor) -> Tensor:
        inputs = self._network.inputs(frames, followed(self._guides, frames))
        outputs: Tensor = self._network(inputs, [], memory=self._memory)
        self._ahead = outputs[:, -self._block :]
        return outputs

    def _draw(self) -> Tensor:
        spec = self._network.spec
        if self._ahead is None:
            shape = (self._batch, self._block, spec.size)
            if spec.levels is None:
                self._extend(torch.zeros(shape, device=self._device))
            else:
                self._extend(torch.full(shape, spec.levels // 2, device=self._device))
        assert self._ahead is not None
        if spec.levels is None:
            return self._ahead
        return draw(self._ahead, self._temperatures, self._top_p, self._uniform.take(self._block))

    def _nothing(self) -> Outputs:
        spec = self._network.spec
        values = (spec.size,) if spec.levels is None else (spec.size, spec.levels)
        return np.empty((self._batch, 0, *values), np.float32)


class _Uniform:
    """Numbers in [0, 1): a sequence for each stream, drawn ahead to save calls."""

    AHEAD = 1024

    def __init__(self, batch: int, size: int, seed: int, device: torch.device) -> None:
        self._sources = [np.random.default_rng([seed & (2**64 - 1), i]) for i in range(batch)]
        self._size, self._device = size, device
        self._numbers = torch.empty(batch, 0, size, device=device)

    def take(self, frames: int) -> Tensor:
        """Returns the next numbers, shape (batch, frames, size)."""
        if self._numbers.shape[1] < frames:
            shape = (max(self.AHEAD, frames), self._size)
            new = np.stack([source.random(shape, np.float32) for source in self._sources])
            numbers = torch.from_numpy(new).to(self._device)
            self._numbers = torch.cat([self._numbers, numbers], dim=1)
        taken = self._numbers[:, :frames]
        self._numbers = self._numbers[:, frames:]
        return taken


def draw(logits: Tensor, temperatures: Tensor | None, top_p: float, uniform: Tensor) -> Tensor:
    """Draws a class from each distribution.

    Args:
        logits: Shape (..., levels).
        temperatures: That of each value, in a shape that goes with (...), above 0; ``None`` for
            the likeliest class.
        top_p: The probability of the nucleus.
        uniform: Numbers in [0, 1), shape (...).

    Returns:
        Class ids, shape (...).
    """
    if temperatures is None:
        return logits.argmax(dim=-1)
    weights = torch.softmax(logits / temperatures[..., None], dim=-1)
    if top_p < 1:
        # Ranked by logits, which may differ where probabilities are the same number.
        ranked, order = logits.sort(dim=-1, descending=True)
        chances = weights.gather(-1, order)
        before = chances.cumsum(dim=-1) - chances
        least = ranked.masked_fill(before >= top_p, torch.inf).amin(dim=-1, keepdim=True)
        weights = weights.masked_fill(logits < least, 0)
    reached = weights.cumsum(dim=-1)
    # The total is below 1 by rounding or by the nucleus; the last class of a weight ends it.
    wanted = uniform[..., None] * reached[..., -1:]
    drawn = (reached <= wanted).sum(dim=-1)
    last = (reached < reached[..., -1:]).sum(dim=-1)
    return torch.minimum(drawn, last)
