"""Frames of a lapped cosine transform: as many values as samples, and no jumps between frames."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lofikit.options import Options, option
from lofikit.representations.base import Decoder, Frames, FrameSpec, Representation, Samples
from lofikit.representations.overlap import OverlapAdd, windows


class MDCTConfig(Options):
    """Options of :class:`MDCT`."""

    hop: int = option(
        256,
        "Samples from one frame to the next, and values a frame; a frame is made of twice as many.",
        unit="samples",
        ge=2,
        le=32_768,
        multiple_of=2,
    )
    window: Literal["sine", "kbd"] = option(
        "sine", "Window: a half sine, or Kaiser-Bessel derived (less leakage far off)."
    )
    kbd_alpha: float = option(
        4.0, "Shape of the Kaiser-Bessel derived window; more is smoother.", ge=0.0, le=20.0
    )


class MDCT(Representation):
    """Modified discrete cosine transform (Princen, Johnson and Bradley 1987), orthonormal.

    Frame ``t`` is made of ``2 N`` samples from ``t N`` on, with ``N`` the hop::

        X[k] = sqrt(2 / N) sum_n w[n] x[n] cos(pi / N (n + 1/2 + N / 2) (k + 1/2))

    The window satisfies ``w[n] ** 2 + w[n + N] ** 2 = 1``, so the aliasing of neighbouring
    frames cancels and samples are given back exactly. Music at -20 dBFS RMS gives values with an
    RMS of 0.1.
    """

    config: MDCTConfig

    def __init__(self, config: MDCTConfig, sample_rate: int) -> None:
        super().__init__(config, sample_rate)
        kind = config.window
        shape = _sine(config.hop) if kind == "sine" else _kbd(config.hop, config.kbd_alpha)
        self._window = shape.astype(np.float32)

    @property
    def spec(self) -> FrameSpec:
        """As many real values as samples."""
        hop = self.config.hop
        return FrameSpec(sample_rate=self.sample_rate, hop=hop, size=hop)

    @property
    def window(self) -> int:
        """Samples that one frame is made of: two hops."""
        return 2 * self.config.hop

    def encode(self, samples: Samples) -> Frames:
        """Returns float32 coefficients of shape (batch, time, hop)."""
        from scipy.fft import dct

        hop = self.config.hop
        blocks = windows(samples, 2 * hop, hop) * self._window
        if blocks.shape[1] == 0:
            return np.zeros((samples.shape[0], 0, hop), np.float32)
        # The transform of quarters (a, b, c, d) is the DCT-IV of (-c_r - d, a - b_r).
        a, b, c, d = np.split(blocks, 4, axis=-1)
        folded = np.concatenate([-c[..., ::-1] - d, a - b[..., ::-1]], axis=-1)
        return np.asarray(dct(folded, type=4, norm="ortho"), dtype=np.float32)

    def decoder(self, batch: int = 1) -> Decoder:
        """Returns a decoder that holds back one hop of samples."""
        return OverlapAdd(self._synthesise, batch, 2 * self.config.hop, self.config.hop)

    def _synthesise(self, frames: Frames) -> Samples:
        from scipy.fft import dct

        # The DCT-IV is its own inverse; unfolding leaves an alias that the next frame cancels.
        folded = np.asarray(dct(frames, type=4, norm="ortho"), dtype=np.float32)
        low, high = np.split(folded, 2, axis=-1)
        unfolded = [high, -high[..., ::-1], -low[..., ::-1], -low]
        return np.concatenate(unfolded, axis=-1) * self._window


def _sine(hop: int) -> NDArray[Any]:
    return np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))


def _kbd(hop: int, alpha: float) -> NDArray[Any]:
    """Kaiser-Bessel derived window (ISO/IEC 13818-7, AAC), float64, shape (2 hop,)."""
    sums = np.cumsum(np.kaiser(hop + 1, np.pi * alpha))
    rise = np.sqrt(sums[:hop] / sums[hop])
    return np.concatenate([rise, rise[::-1]])
