"""Samples as classes on a mu-law scale, fine near silence and coarse near full scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.options import Options, option
from lofikit.representations.base import Decoder, Frames, FrameSpec, Representation, Samples
from lofikit.representations.overlap import OverlapAdd


class MuLawConfig(Options):
    """Options of :class:`MuLaw`."""

    levels: int = option(256, "Classes; mu is one less.", unit="classes", ge=2, le=65_536)


class MuLaw(Representation):
    """Samples as ids of mu-law classes (ITU-T G.711's curve, continuous as in WaveNet).

    A sample ``x`` is compressed to ``y = sign(x) ln(1 + mu |x|) / ln(1 + mu)`` with
    ``mu = levels - 1``, and its class is ``round((y + 1) / 2 * mu)``: the ids are those of
    WaveNet (van den Oord et al. 2016) and torchaudio. A class decodes to the middle of its cell
    on the compressed scale, so that encoding what was decoded gives the same ids. What lies
    beyond full scale is taken for full scale.
    """

    config: MuLawConfig

    def __init__(self, config: MuLawConfig, sample_rate: int) -> None:
        super().__init__(config, sample_rate)
        ids = np.arange(config.levels)
        values = expand(2.0 * ids / (config.levels - 1) - 1.0, config.levels)
        self._values = values.astype(np.float32)

    @property
    def spec(self) -> FrameSpec:
        """One ordinal class id a sample."""
        return FrameSpec(
            sample_rate=self.sample_rate, hop=1, size=1, levels=self.config.levels, ordinal=True
        )

    def encode(self, samples: Samples) -> Frames:
        """Returns int32 class ids of shape (batch, n, 1)."""
        mu = np.float32(self.config.levels - 1)
        clipped = np.clip(samples, -1.0, 1.0)
        y = np.copysign(np.log1p(mu * np.abs(clipped)) / np.log1p(mu), clipped)
        ids: Frames = np.floor((y + 1) * (mu / 2) + 0.5).astype(np.int32)
        return ids[:, :, None]

    def decoder(self, batch: int = 1) -> Decoder:
        """Returns a decoder that holds nothing back."""
        return OverlapAdd(self._look_up, batch, 1, 1)

    def _look_up(self, frames: Frames) -> Samples:
        return np.asarray(self._values[frames])

    @property
    def tolerance(self) -> float:
        """Half of the widest cell, which lies next to full scale."""
        levels = self.config.levels
        edge = expand(np.array(1.0 - 1.0 / (levels - 1)), levels)
        return float(1.0 - edge) + 1e-6


def expand(y: NDArray[Any], levels: int) -> NDArray[Any]:
    """Undoes the compression: ``sign(y) ((1 + mu) ** |y| - 1) / mu``.

    Args:
        y: Compressed values in [-1, 1].
        levels: Classes of the scale; mu is one less.
    """
    mu = levels - 1
    return np.asarray(np.sign(y) * np.expm1(np.abs(y) * np.log1p(mu)) / mu)
