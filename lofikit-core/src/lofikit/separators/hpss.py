"""Percussive and harmonic stems by median filtering of the spectrogram."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import Audio
from lofikit.options import Options, option
from lofikit.separators.base import Separator

_HOPS = 4
"""Hops in an STFT frame."""
_BLOCK = 512
"""STFT hops that are separated at a time."""


class HPSSConfig(Options):
    """Options of :class:`HPSS`."""

    frame: int = option(
        2048,
        "Length of an STFT frame; its hop is a quarter of it.",
        unit="samples",
        ge=64,
        le=65_536,
        multiple_of=4,
    )
    harmonic_kernel: int = option(
        31, "Length of the median filter along time.", unit="frames", ge=3, le=501
    )
    percussive_kernel: int = option(
        31, "Length of the median filter along frequency.", unit="bins", ge=3, le=501
    )
    power: float = option(
        2.0, "Exponent of the soft mask; more parts the stems more sharply.", gt=0.0, le=16.0
    )


class HPSS(Separator):
    """Harmonic-percussive source separation (Fitzgerald 2010), by librosa.

    Steady tones are horizontal lines in a spectrogram and strokes are vertical ones; median
    filters along time and along frequency keep one or the other, and make soft masks that add up
    to one. So the two stems add up to the music. Channels are separated one by one.

    Long music is separated in blocks that lie on one grid of STFT frames and reach far enough
    into their neighbours to give what the whole at once would give, so that memory for the
    spectrogram does not grow with length.
    """

    config: HPSSConfig

    @property
    def stems(self) -> tuple[str, ...]:
        """``percussive`` and ``harmonic``."""
        return ("percussive", "harmonic")

    def separate(self, audio: Audio) -> dict[str, Audio]:
        """Returns both stems."""
        hop = self.config.frame // _HOPS
        # The filter along time reaches half its length; a frame reaches half its own to both
        # sides, once when it is analysed and once when it is put together again.
        margin = (self.config.harmonic_kernel // 2 + _HOPS + 1) * hop
        step, length = _BLOCK * hop, audio.samples.shape[1]
        percussive = np.empty(audio.samples.shape, np.float32)
        for start in range(0, length, step):
            stop = min(start + step, length)
            first = max(0, start - margin)
            part = self._percussive(audio.samples[:, first : stop + margin])
            percussive[:, start:stop] = part[:, start - first : stop - first]
        return {
            "percussive": Audio(percussive, audio.rate),
            "harmonic": Audio(audio.samples - percussive, audio.rate),
        }

    def _percussive(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the percussive stem of one stretch (channels, n)."""
        from librosa import istft, stft
        from librosa.decompose import hpss

        frame, length = self.config.frame, samples.shape[1]
        short = max(0, frame - length)  # librosa warns of signals shorter than a frame
        padded = np.pad(np.asarray(samples, np.float32), ((0, 0), (0, short)))
        spectrum = stft(padded, n_fft=frame, hop_length=frame // _HOPS)
        _, percussive = hpss(
            spectrum,
            kernel_size=(self.config.harmonic_kernel, self.config.percussive_kernel),
            power=self.config.power,
        )
        out = istft(percussive, hop_length=frame // _HOPS, n_fft=frame, length=padded.shape[1])
        return np.asarray(out[:, :length], dtype=np.float32)
