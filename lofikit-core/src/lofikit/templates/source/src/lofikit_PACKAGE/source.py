"""Arpeggios of plucked strings. Put your own source in its place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from lofikit.audio import Audio
from lofikit.sources.base import ClipData, Source

from lofikit_PACKAGE.config import CLASSConfig

CHORD = np.array([0, 3, 7, 10, 14])
"""A minor ninth chord, in semitones above its root."""


class CLASS(Source):
    """Yields one clip after the other, each made when it is asked for."""

    config: CLASSConfig

    def total(self) -> int:
        """The number of clips asked for."""
        return self.config.clips

    def clips(self, known: frozenset[str]) -> Iterator[ClipData]:
        """Makes the clips that the library does not hold yet."""
        config = self.config
        for number in range(config.clips):
            # The key says what the clip depends on, so that it is the same clip for ever.
            key = f"{number}-{config.seconds:g}s-{config.sample_rate}Hz"
            if key not in known:
                yield ClipData(
                    key=key,
                    audio=Audio(self._compose(number)[None], config.sample_rate),
                    title=f"Arpeggio {number + 1}",
                    artist="PACKAGE/NAME",
                    licence="CC0-1.0",
                    origin="made by lofikit-PACKAGE",
                )

    def _compose(self, number: int) -> np.ndarray:
        rate, rng = self.config.sample_rate, np.random.default_rng(number)
        samples = np.zeros(round(self.config.seconds * rate), np.float32)
        note = np.arange(rate) / rate
        root = 110 * 2 ** (rng.integers(0, 12) / 12)
        for start in range(0, len(samples), rate // 4):
            pitch = root * 2 ** (rng.choice(CHORD) / 12)
            pluck = 0.3 * np.exp(-4 * note) * np.sin(2 * np.pi * pitch * note)
            end = min(start + rate, len(samples))
            samples[start:end] += pluck[: end - start].astype(np.float32)
        return np.clip(samples, -1, 1)
