"""What lies below a frequency and what lies above. Put your own separator in its place."""

from __future__ import annotations

import numpy as np
from lofikit.audio import Audio
from lofikit.separators.base import Separator

from lofikit_PACKAGE.config import CLASSConfig


class CLASS(Separator):
    """Two stems that add up to the music, parted by a soft edge in the spectrum."""

    config: CLASSConfig

    @property
    def stems(self) -> tuple[str, ...]:
        """``low`` and ``high``."""
        return ("low", "high")

    def separate(self, audio: Audio) -> dict[str, Audio]:
        """Returns both stems."""
        length = audio.samples.shape[1]
        spectrum = np.fft.rfft(audio.samples, axis=1)
        frequencies = np.fft.rfftfreq(length, 1 / audio.rate)
        share = 1 / (1 + (frequencies / self.config.cutoff) ** 8)
        low = np.fft.irfft(spectrum * share, n=length, axis=1).astype(np.float32)
        return {
            "low": Audio(low, audio.rate),
            "high": Audio(audio.samples - low, audio.rate),
        }
