"""A lo-fi beat maker: seeded songs with their true stems, beats and chords.

``compose(seed, seconds)`` writes a song (`arrangement`, `harmony`, `parts`, `drum_patterns`),
plays it on synthesised instruments (`instruments`, `drum_kit`), runs it through tape and vinyl
(`tape`, `texture`) and levels it (`song`).
"""

from lofikit.sources.beatmaker.song import Song, compose

__all__ = ["Song", "compose"]
