"""What the figures show of audio: excerpts, envelopes and spectra, at bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import BLOCK, Audio
from lofikit.errors import AudioError

FLOOR = -80.0
"""Lowest level that is drawn, in dB below the loudest."""
COLUMNS = 1200
"""Most columns of an envelope or a spectrogram; more could not be told apart."""
BANDS = 160
"""Most bands of a spectrum."""
WINDOW = 0.093
"""Length of an STFT frame in seconds: 4096 samples at 44.1 kHz."""

_FRAMES = 1024  # transformed at a time


@overload
def mel(hertz: float) -> float: ...
@overload
def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]: ...
def mel(hertz: Any) -> Any:
    """Returns frequencies in mel (O'Shaughnessy, Speech Communication, 1987)."""
    return 2595.0 * np.log10(1.0 + hertz / 700.0)


def hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns frequencies in Hz, the inverse of :func:`mel`."""
    return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)


def check_audio(audio: Audio, name: str) -> None:
    """Refuses audio of which nothing can be drawn.

    Raises:
        AudioError: If it holds no samples, or NaN or infinity.
    """
    if audio.samples.size == 0:
        raise AudioError(f"{name} holds no samples", "choose a longer file, or make it anew")
    for _, block in _blocks(audio, BLOCK):
        if not np.isfinite(block).all():
            raise AudioError(f"{name} holds NaN or infinity", "make it anew, or choose another")


def excerpt(audio: Audio, start: int, stop: int) -> NDArray[np.float32]:
    """Returns the mean of the channels from sample ``start`` to ``stop``, shape (samples,).

    Samples before the beginning and after the end are zero.
    """
    inside = audio.samples[:, max(start, 0) : max(stop, 0)].mean(axis=0, dtype=np.float32)
    before = min(max(-start, 0), stop - start)
    if inside.size == stop - start:
        return np.asarray(inside)
    return np.pad(inside, (before, stop - start - before - inside.size))


def envelope(
    audio: Audio, start: int, stop: int, columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Returns the extremes of the samples from ``start`` to ``stop`` in columns.

    Returns:
        Time of each column's middle in seconds, its lowest and its highest sample. Where there
        are fewer samples than columns, each column is one sample.
    """
    edges = np.linspace(start, stop, min(max(1, columns), stop - start) + 1).astype(np.int64)
    low, high = np.empty((2, edges.size - 1), np.float32)
    for column, (first, last) in enumerate(itertools.pairwise(edges)):
        piece = excerpt(audio, first, last)
        low[column], high[column] = piece.min(), piece.max()
    return (edges[:-1] + edges[1:] - 1) / (2 * audio.rate), low, high


def brightest(audio: Audio, seconds: float) -> int:
    """Returns where the stretch of this length with the most treble begins, in samples.

    The energy is that of the first difference, which rises by 6 dB an octave: the energy of the
    samples themselves would be that of the bass drum, which no sample rate loses.
    """
    size = max(1, round(seconds * audio.rate))
    best, place = -1.0, 0
    for start, block in _blocks(audio, max(1, BLOCK // size) * size):
        energies = np.add.reduceat(
            np.square(np.diff(block, prepend=block[:1])), np.arange(0, block.size, size)
        )
        if energies.max() > best:
            best, place = float(energies.max()), start + size * int(energies.argmax())
    return place


def spectra(
    audio: Audio,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Returns the mean power of bands of equal width in mel, in columns of time.

    A column is one Hann-windowed STFT frame of :data:`WINDOW` seconds, or the mean of several in
    audio of more than a minute. Frames overlap by a half to three quarters, so that no sound
    falls between two columns however long the audio is.

    Returns:
        The columns' edges in seconds, the bands' edges in Hz, and the power of shape
        (bands, columns), where a sine of full scale gives 1 at its frequency.
    """
    total, rate = audio.samples.shape[1], audio.rate
    size = 16 * max(1, round(WINDOW * rate / 16))
    hop = min(max(size // 4, -(-total // COLUMNS)), size // 2)
    frames = (total - 1) // hop + 1
    group = -(-frames // COLUMNS)
    columns = -(-frames // group)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    scale = (2.0 / float(window.sum())) ** 2

    # Bands begin and end between two bins, so that none is empty and no bin counts twice.
    bins = size // 2 + 1
    spaced = hertz(np.linspace(0.0, mel(rate / 2), BANDS + 1)) * size / rate
    first = np.unique(np.round(spaced).astype(np.int64))[:-1]
    widths = np.diff(np.append(first, bins))
    frequencies = np.append(np.maximum(0.0, first - 0.5), bins - 1) * rate / size

    power = np.empty((first.size, columns))
    at_a_time = max(1, _FRAMES // group)
    for column in range(0, columns, at_a_time):
        begin = column * group
        count = min(at_a_time * group, frames - begin)
        start = begin * hop - size // 2
        samples = excerpt(audio, start, start + (count - 1) * hop + size)
        framed = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
        powers = scale * np.abs(np.fft.rfft(framed * window)) ** 2
        bands = np.add.reduceat(powers, first, axis=1) / widths
        groups = np.arange(0, count, group)
        means = np.add.reduceat(bands, groups, axis=0) / np.diff(np.append(groups, count))[:, None]
        power[:, column : column + groups.size] = means.T
    times = np.clip((np.arange(columns + 1) * group - 0.5) * hop, 0, total) / rate
    times[-1] = total / rate
    return times, frequencies, power


def decibels(power: NDArray[np.float64], reference: float) -> NDArray[np.float64]:
    """Returns power in dB relative to a reference, :data:`FLOOR` at least; silence is there."""
    least = 10.0 ** (FLOOR / 10.0)
    relative = power / reference if reference > 0 else np.zeros_like(power)
    level: NDArray[np.float64] = 10.0 * np.log10(np.maximum(relative, least))
    return level


def _blocks(audio: Audio, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    total = audio.samples.shape[1]
    for start in range(0, total, size):
        yield start, excerpt(audio, start, min(start + size, total))
