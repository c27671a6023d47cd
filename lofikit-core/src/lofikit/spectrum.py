"""Short-time spectra in mel bands, which figures, fingerprints and embeddings are made from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Array = NDArray[np.float64]

WINDOW_SECONDS = 0.055
"""Length of an STFT window, brought to the nearest power of two in samples."""
BANDS = 32
"""Mel bands from :data:`LOWEST` to the Nyquist frequency."""
LOWEST = 50.0
"""Lower edge of the lowest band in Hz."""
RANGE = 80.0
"""Power is not told apart further than this below the loudest value of the samples, in dB."""
FAINTEST = 1e-10
"""Power that is not told apart from none, whatever else there is."""


@dataclass(frozen=True)
class Spectrum:
    """The power spectrum of some samples, frame by frame.

    Attributes:
        power: Power of each bin, shape (time, bins).
        frequencies: Of the bins in Hz.
        frame_rate: Frames a second.
        centres: Of the windows in samples, shape (time,).
    """

    power: NDArray[np.float32]
    frequencies: Array
    frame_rate: float
    centres: NDArray[np.int64]

    def levels(self, floor: float | None = None) -> NDArray[np.float32]:
        """Returns the levels of mel bands in dB, shape (time, :data:`BANDS`).

        Args:
            floor: Power that fainter power is not told apart from; ``None`` for :data:`RANGE`
                below the loudest, which may lie far from where a level is asked for.
        """
        rate = round(2 * self.frequencies[-1])
        bands = self.power @ mel_filters(rate, 2 * (len(self.frequencies) - 1)).T
        if floor is None:
            floor = max(float(bands.max(initial=0.0)) * 10 ** (-RANGE / 10), FAINTEST)
        return np.asarray(10 * np.log10(np.maximum(bands, np.float32(floor))), dtype=np.float32)


def window_size(rate: int) -> int:
    """Returns the samples of a window."""
    return int(2 ** round(np.log2(WINDOW_SECONDS * rate)))


def spectrum(samples: Samples, rate: int, hop: Fraction | int | None = None) -> Spectrum:
    """Returns the power spectrum of mono samples (n,), by Hann windows.

    Samples shorter than a window are one frame, zeros being added.

    Args:
        samples: Shape (n,).
        rate: In Hz.
        hop: Samples from a window to the next; a fraction is rounded down at each window. ``None``
            lets windows overlap by 3/4.
    """
    size = window_size(rate)
    hop = Fraction(size // 4 if hop is None else hop)
    padded = np.pad(samples, (0, max(0, size - len(samples)))).astype(np.float32, copy=False)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    window /= np.sqrt(np.square(window).sum())
    count = 1 + (len(padded) - size) * hop.denominator // hop.numerator
    starts = np.arange(count) * hop.numerator // hop.denominator
    framed = np.lib.stride_tricks.sliding_window_view(padded, size)
    framed = framed[:: int(hop)] if hop.denominator == 1 else framed[starts]
    from scipy.fft import rfft  # keeps single precision

    bins = rfft(framed * window)
    power = np.square(bins.real) + np.square(bins.imag)
    frequencies = np.arange(power.shape[1]) * rate / size
    return Spectrum(power, frequencies, rate / float(hop), starts + size // 2)


@cache
def mel_filters(rate: int, size: int) -> NDArray[np.float32]:
    """Returns mel filters, each the mean of its bins, shape (:data:`BANDS`, 1 + size // 2)."""
    import librosa

    filters = librosa.filters.mel(
        sr=rate, n_fft=size, n_mels=BANDS, fmin=_lowest(rate), htk=True, norm=None
    )
    sums = filters.sum(axis=1, keepdims=True)
    return np.asarray(filters / np.maximum(sums, 1e-6), dtype=np.float32)


def mel_middles(rate: int) -> Array:
    """Returns the frequencies in Hz that mel filters are highest at, shape (:data:`BANDS`,)."""
    import librosa

    edges = librosa.mel_frequencies(BANDS + 2, fmin=_lowest(rate), fmax=rate / 2, htk=True)
    return np.asarray(edges[1:-1], dtype=np.float64)


def _lowest(rate: int) -> float:
    return min(LOWEST, rate / 40)


def spectral_error(one: Samples, other: Samples, rate: int) -> float:
    """Returns the mean absolute difference of two clips' log-mel spectra in dB.

    Spectra are of 64 mel bands and windows of about 0.1 s; what lies 60 dB below the second
    clip's loudest band counts as silence.

    Args:
        one: Shape (batch, n).
        other: Shape (batch, n), what the first is compared to.
        rate: Sample rate in Hz.
    """
    from librosa.feature import melspectrogram

    window = 2 ** round(np.log2(rate * 0.1))
    a, b = (
        melspectrogram(y=x, sr=rate, n_fft=window, hop_length=window // 4, n_mels=64)
        for x in (one, other)
    )
    floor = max(float(b.max()) * 1e-6, 1e-12)
    gap = 10 * np.abs(np.log10(np.maximum(a, floor)) - np.log10(np.maximum(b, floor)))
    return float(gap.mean())
