"""Frames of a cosine transform. Put your own representation in its place."""

from __future__ import annotations

import numpy as np
from lofikit.representations.base import Decoder, Frames, FrameSpec, Representation, Samples
from numpy.typing import NDArray

from lofikit_PACKAGE.config import CLASSConfig


class CLASS(Representation):
    """Each frame is the orthonormal cosine transform (DCT-II) of as many samples."""

    config: CLASSConfig

    def __init__(self, config: CLASSConfig, sample_rate: int) -> None:
        super().__init__(config, sample_rate)
        size = config.frame
        angles = np.pi / size * (np.arange(size)[:, None] + 0.5) * np.arange(size)
        basis = np.sqrt(2 / size) * np.cos(angles)
        basis[:, 0] /= np.sqrt(2)
        self._basis: NDArray[np.float32] = basis.astype(np.float32)

    @property
    def spec(self) -> FrameSpec:
        """As many real values as samples."""
        frame = self.config.frame
        return FrameSpec(sample_rate=self.sample_rate, hop=frame, size=frame)

    def encode(self, samples: Samples) -> Frames:
        """Transforms whole frames; what is left of the samples at the end is not used."""
        count = samples.shape[1] // self.config.frame
        whole = samples[:, : count * self.config.frame]
        return whole.reshape(len(samples), count, self.config.frame) @ self._basis

    def decoder(self, batch: int = 1) -> Decoder:
        """Returns a decoder."""
        return CLASSDecoder(self._basis, batch)


class CLASSDecoder(Decoder):
    """Transforms each frame back at once, and so holds nothing."""

    def __init__(self, basis: NDArray[np.float32], batch: int) -> None:
        self._basis, self._batch = basis, batch

    def push(self, frames: Frames) -> Samples:
        """Returns the samples of the frames."""
        return (frames @ self._basis.T).reshape(self._batch, -1)

    def flush(self) -> Samples:
        """Returns no more samples."""
        return np.zeros((self._batch, 0), np.float32)
