"""How much of generated music is the training's, note for note: found by audio fingerprints.

The fingerprint is that of Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR
2002: each frame has a bit a band, which says whether the difference to the next band rose since the
last frame. It stands noise, a change of level and coding, and since frames overlap almost wholly, a
shift by any time. Another tempo or pitch it does not recognise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lofikit.evaluation.listening import level
from lofikit.silence import SILENCE
from lofikit.spectrum import Samples

WINDOW_SECONDS = 0.37
"""Length of a frame, brought to the nearest power of two in samples (the paper's)."""
HOP_SECONDS = 0.0464
"""Time from one frame to the next: four times the paper's, and a tenth of its frame still."""
BITS = 32
"""Bits a frame (the paper's)."""
LOWEST, HIGHEST = 150.0, 2000.0
"""Range of the bands in Hz; the paper's begins at 300, which leaves out bass lines."""
PIECE_SECONDS = 2.0
"""Length of the pieces that are looked for."""
SAME = 0.35
"""Share of differing bits below which two pieces are one (the paper's threshold)."""

Fingerprint = NDArray[np.float32]

MOST_PIECES = 600
"""Pieces that are looked for at most, evenly picked."""
_AT_ONCE = 4096  # alignments that are compared at a time, to bound the memory


def fingerprint(samples: Samples, rate: int) -> Fingerprint:
    """Returns the bits of each frame as 1 and -1, shape (time, :data:`BITS`).

    Args:
        samples: Mono samples, shape (n,).
        rate: Sample rate in Hz.
    """
    from scipy.fft import rfft

    size = 2 ** round(np.log2(WINDOW_SECONDS * rate))
    hop = max(1, round(HOP_SECONDS * rate))
    if len(samples) < size + hop:
        return np.zeros((0, BITS), np.float32)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    framed = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    energies = np.concatenate(
        [
            _energies(np.abs(rfft(part * window)), rate)
            for part in np.array_split(framed, -(-len(framed) // 512))
        ]
    )
    rising = np.diff(np.diff(np.log(energies + 1e-9), axis=1), axis=0)
    return np.where(rising < 0, 1, -1).astype(np.float32)


def _energies(magnitudes: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Returns the energies of bands that are evenly spaced in pitch, shape (time, BITS + 1)."""
    size = 2 * (magnitudes.shape[1] - 1)
    highest = min(HIGHEST, 0.45 * rate)
    lowest = min(LOWEST, highest / 8)
    edges = lowest * (highest / lowest) ** (np.arange(BITS + 2) / (BITS + 1)) * size / rate
    first = np.floor(edges[:-1]).astype(np.int64)
    last = np.maximum(np.floor(edges[1:]).astype(np.int64), first + 1)  # one bin at least
    sums = np.cumsum(np.square(magnitudes, dtype=np.float64), axis=1)
    sums = np.pad(sums, ((0, 0), (1, 0)))
    return np.asarray(sums[:, last] - sums[:, first], dtype=np.float32)


class Memory:
    """The fingerprints of the training's clips, to find generated music in.

    Args:
        clips: Samples of each clip, as the model was trained on them.
        rate: Their rate in Hz.
    """

    def __init__(self, clips: Iterable[Samples], rate: int) -> None:
        self._rate = rate
        self._frames = round(PIECE_SECONDS / HOP_SECONDS)
        prints = [fingerprint(clip, rate) for clip in clips]
        self._prints = [found for found in prints if len(found) >= self._frames]

    def likeness(self, takes: Sequence[Samples]) -> NDArray[np.float32]:
        """Returns how like each piece of some takes its best match in the training is.

        Args:
            takes: Mono samples of each take. They are cut into pieces of two seconds, of which
                the silent ones are left out, and at most :data:`MOST_PIECES` are looked for.

        Returns:
            1 less twice the share of differing bits: 1 for a copy; for other music about 0.2, as
            the best of many. Shape (pieces,).
        """
        found = [piece for take in takes for piece in self._pieces(take)]
        if len(found) > MOST_PIECES:
            places = np.linspace(0, len(found) - 1, MOST_PIECES).astype(np.int64)
            found = [found[place] for place in places]
        pieces = np.array(found)
        best = np.full(len(pieces), -1.0, np.float32)
        if not len(pieces):
            return best
        for windows in self._windows():
            np.maximum(best, (pieces @ windows.T).max(axis=1) / pieces.shape[1], out=best)
        return best

    def share(self, takes: Sequence[Samples]) -> float:
        """Returns the share of pieces that are found in the training; NaN if all are silent."""
        found = self.likeness(takes)
        return float(np.mean(found > 1 - 2 * SAME)) if len(found) else float("nan")

    def _pieces(self, take: Samples) -> Iterator[NDArray[np.float32]]:
        length = round(PIECE_SECONDS * self._rate)
        bits = fingerprint(take, self._rate)
        for start in range(0, len(bits) - self._frames + 1, self._frames):
            begin = start * round(HOP_SECONDS * self._rate)
            if level(take[begin : begin + length]) > SILENCE:
                yield bits[start : start + self._frames].reshape(-1)

    def _windows(self) -> Iterator[NDArray[np.float32]]:
        """Yields every stretch of the training that is as long as a piece, (n, bits of it)."""
        for found in self._prints:
            view = np.lib.stride_tricks.sliding_window_view(found, (self._frames, BITS))[:, 0]
            for start in range(0, len(view), _AT_ONCE):
                yield view[start : start + _AT_ONCE].reshape(-1, self._frames * BITS)
