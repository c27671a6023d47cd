"""Frames that overlap: cutting samples into windows, and adding windows up again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lofikit.representations.base import Decoder, Frames, Samples


def windows(samples: Samples, window: int, hop: int) -> Samples:
    """Returns all whole windows as a read-only view.

    Args:
        samples: Shape (batch, n).
        window: Samples of a window.
        hop: Samples from one window to the next.

    Returns:
        Shape (batch, time, window), with time 0 if ``n < window``.
    """
    if samples.shape[1] < window:
        return np.zeros((samples.shape[0], 0, window), np.float32)
    view = np.lib.stride_tricks.sliding_window_view(samples, window, axis=1)
    return view[:, ::hop]


def hann(length: int) -> NDArray[np.float64]:
    """Returns a periodic Hann window, half a sample off the grid so that no value is zero."""
    return np.asarray(np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2)


def dual(analysis: NDArray[np.float64], hop: int) -> NDArray[np.float64]:
    """Returns the canonical dual of a window: weighted by it, windows add up to the samples.

    Among all windows that do, it is nearest in the squared error for spectra that belong to no
    signal (Griffin and Lim 1984, eq. 6).

    Args:
        analysis: The window that spectra are made with, shape (window,).
        hop: Samples from one window to the next, so many that none lies between windows.
    """
    window = len(analysis)
    covered = np.zeros(-(-window // hop) * hop)
    covered[:window] = analysis**2
    total = covered.reshape(-1, hop).sum(axis=0)
    return np.asarray(analysis / np.resize(total, window))


class OverlapAdd(Decoder):
    """Adds up the windows that frames stand for, and holds back what later frames reach.

    Args:
        synthesise: Turns frames (batch, time, size) into windows (batch, time, window) that
            need only be added at their places.
        batch: Number of streams.
        window: Samples of a window, at least ``hop``.
        hop: Samples from one window to the next.
    """

    def __init__(
        self, synthesise: Callable[[Frames], Samples], batch: int, window: int, hop: int
    ) -> None:
        self._synthesise = synthesise
        self._hop = hop
        self._tail: NDArray[np.float32] = np.zeros((batch, window - hop), np.float32)
        self._started = False

    def push(self, frames: Frames) -> Samples:
        """Returns ``hop`` samples a frame: those that no later frame reaches."""
        batch, time = frames.shape[0], frames.shape[1]
        if time == 0:
            return np.zeros((batch, 0), np.float32)
        parts = self._synthesise(frames)
        hop, window = self._hop, parts.shape[2]
        self._started = True
        if window == hop:
            return np.ascontiguousarray(parts.reshape(batch, time * hop), dtype=np.float32)
        out = np.zeros((batch, (time - 1) * hop + window), np.float32)
        out[:, : window - hop] = self._tail
        # The windows' last hops lie side by side, then the hops before them one hop earlier, ...
        # So a sample's windows are added from the oldest on, however the frames are pushed.
        for start in reversed(range(0, window, hop)):
            width = min(hop, window - start)
            lane = np.zeros((batch, time, hop), np.float32)
            lane[:, :, :width] = parts[:, :, start : start + width]
            length = (time - 1) * hop + width
            out[:, start : start + length] += lane.reshape(batch, time * hop)[:, :length]
        self._tail = out[:, time * hop :].copy()
        return out[:, : time * hop]

    def flush(self) -> Samples:
        """Returns the ``window - hop`` samples that the last frames reach beyond the rest."""
        tail = self._tail if self._started else self._tail[:, :0]
        self._tail = self._tail[:, :0]
        return tail
