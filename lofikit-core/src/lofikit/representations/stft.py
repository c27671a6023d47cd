"""Frames of a discrete Fourier transform: the paper's spectra, and two better kept variants."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from lofikit.options import Options, option
from lofikit.representations.base import Decoder, Frames, FrameSpec, Representation, Samples
from lofikit.representations.overlap import OverlapAdd, dual, hann, windows


class STFTConfig(Options):
    """Options of :class:`STFT`."""

    frame: int = option(500, "Samples that one frame is made of.", unit="samples", ge=2, le=65_536)
    hop: int | None = option(
        None,
        "Samples from one frame to the next; none for the frame's length, without overlap "
        "(the paper's).",
        unit="samples",
        ge=1,
    )
    window: Literal["rectangular", "sqrt-hann", "hann"] = option(
        "rectangular",
        "Analysis window; the others than rectangular need a hop of at most half a frame.",
    )
    half: bool = option(
        False,
        "Keep only the bins that determine the rest: half the values, the same information.",
    )
    scaling: Literal["raw", "orthonormal"] = option(
        "raw",
        "raw: the plain sum of the DFT (the paper's); orthonormal: divided by sqrt(frame).",
    )

    @model_validator(mode="after")
    def _check_overlap(self) -> Self:
        if self.hop is not None and self.hop > self.frame:
            raise ValueError(f"a hop of {self.hop} skips samples between frames of {self.frame}")
        if self.window != "rectangular" and 2 * (self.hop or self.frame) > self.frame:
            raise ValueError(
                f"a {self.window} window of {self.frame} samples needs a hop of at most "
                f"{self.frame // 2}, or the samples at its ends are lost"
            )
        return self


class STFT(Representation):
    """Short-time Fourier transform, laid out as real values.

    By default the paper's: 500 samples without overlap, their DFT of 500 complex values laid out
    as 1000 reals, the 500 real parts first and then the 500 imaginary parts. With ``half`` a
    frame has as many values as samples: the real parts of bins 0 to ``frame // 2``, then the
    imaginary parts of bins 1 to ``(frame - 1) // 2``; those left out are zero or mirror images.

    The raw DFT sums 500 samples, so music at -20 dBFS RMS gives values with an RMS of about 1.6,
    which is what networks train on well without any further scaling; the orthonormal DFT gives
    the same values divided by sqrt(500), about 0.07.

    Overlapping frames are decoded by weighted overlap-add with the canonical dual window
    (Griffin and Lim 1984, eq. 6), which is exact for any hop that leaves no gap and nearest in
    the squared error for spectra that belong to no signal. Spectra without the symmetry of real
    samples, as a model may predict, decode to the real part.
    """

    config: STFTConfig

    def __init__(self, config: STFTConfig, sample_rate: int) -> None:
        super().__init__(config, sample_rate)
        frame, self._hop = config.frame, config.hop or config.frame
        self._norm: Literal["backward", "ortho"] = (
            "backward" if config.scaling == "raw" else "ortho"
        )
        analysis = _window(config.window, frame)
        synthesis = dual(analysis, self._hop)
        self._analysis = analysis.astype(np.float32)
        self._synthesis = synthesis.astype(np.float32)

    @property
    def spec(self) -> FrameSpec:
        """Two values a sample of the frame, or one with ``half``."""
        size = self.config.frame if self.config.half else 2 * self.config.frame
        return FrameSpec(sample_rate=self.sample_rate, hop=self._hop, size=size)

    @property
    def window(self) -> int:
        """Samples that one frame is made of."""
        return self.config.frame

    def encode(self, samples: Samples) -> Frames:
        """Returns float32 spectra of shape (batch, time, size)."""
        frame = self.config.frame
        blocks = windows(samples, frame, self._hop) * self._analysis
        if self.config.half:
            spectra = np.fft.rfft(blocks, norm=self._norm)
            parts = (spectra.real, spectra.imag[..., 1 : (frame + 1) // 2])
        else:
            spectra = np.fft.fft(blocks, norm=self._norm)
            parts = (spectra.real, spectra.imag)
        return np.concatenate(parts, axis=-1).astype(np.float32, copy=False)

    def decoder(self, batch: int = 1) -> Decoder:
        """Returns a decoder that holds back the samples that later frames reach."""
        return OverlapAdd(self._synthesise, batch, self.config.frame, self._hop)

    def _synthesise(self, frames: Frames) -> Samples:
        frame = self.config.frame
        bins = frame // 2 + 1 if self.config.half else frame
        spectra = np.zeros((*frames.shape[:2], bins), np.complex64)
        spectra.real = frames[..., :bins]
        if self.config.half:
            spectra.imag[..., 1 : (frame + 1) // 2] = frames[..., bins:]
            blocks = np.fft.irfft(spectra, frame, norm=self._norm)
        else:
            spectra.imag = frames[..., bins:]
            blocks = np.fft.ifft(spectra, norm=self._norm).real
        return blocks.astype(np.float32, copy=False) * self._synthesis


def _window(name: str, length: int) -> NDArray[Any]:
    """Returns a periodic window, float64, shape (length,)."""
    if name == "rectangular":
        return np.ones(length)
    return np.sqrt(hann(length)) if name == "sqrt-hann" else hann(length)
