"""A seeded lo-fi beat maker as a source: songs that nobody need be asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lofikit.audio import Audio
from lofikit.options import Options, option
from lofikit.sources.base import ClipData, Source

BEAT_MAKER = "beats-2"
"""Another number for a beat maker that makes other songs of the same seeds."""


class SyntheticConfig(Options):
    """Options of :class:`Synthetic`."""

    clips: int = option(12, "Songs.", unit="clips", ge=1, le=1_000_000)
    seconds: float = option(45.0, "Length of a song.", unit="s", ge=1.0, le=3600.0)
    seed: int = option(0, "Another seed gives other songs.", ge=0, lt=1 << 63)
    sample_rate: int = option(44_100, "Sample rate.", unit="Hz", ge=4_000, le=192_000)


class Synthetic(Source):
    """Makes songs with :func:`lofikit.sources.beatmaker.compose`, with their true stems.

    What a song is depends on the seed, its number, its length and the rate alone, and on the beat
    maker: more clips of the same seed begin with the same songs.
    """

    config: SyntheticConfig

    def total(self) -> int:
        """The number of clips asked for."""
        return self.config.clips

    def clips(self, known: frozenset[str]) -> Iterator[ClipData]:
        """Composes one song after the other; known ones are not rendered."""
        for index in range(self.config.clips):
            key = self._key(index)
            if key not in known:
                yield self._compose(key, index)

    def _key(self, index: int) -> str:
        """What the song depends on, so that others of it are other clips."""
        config = self.config
        seconds = repr(config.seconds).removesuffix(".0")
        return f"{BEAT_MAKER}-seed-{config.seed}-clip-{index}-{seconds}s@{config.sample_rate}"

    def _compose(self, key: str, index: int) -> ClipData:
        from lofikit.sources.beatmaker import compose

        rate = self.config.sample_rate
        # Mixed, so that neighbouring seeds share no songs.
        seed = int(np.random.SeedSequence([self.config.seed, index]).generate_state(1)[0])
        song = compose(seed, self.config.seconds, rate)
        return ClipData(
            key=key,
            audio=Audio(song.mix, rate),
            title=song.title,
            artist="lofikit",
            licence="CC0-1.0",
            origin="lofikit's beat maker",
            stems={name: Audio(samples, rate) for name, samples in song.stems.items()},
            details={
                "tempo": song.tempo,
                "key": song.key,
                "swing": song.swing,
                "beats": [round(float(beat), 3) for beat in song.beats],
                "chords": [[round(start, 3), name] for start, name in song.chords],
            },
        )
