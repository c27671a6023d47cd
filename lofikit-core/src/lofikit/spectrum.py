"""Short-time spectra in mel bands, which figures, fingerprints and embeddings are made from."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    power: NDArray[np.float32]
    frequencies: Array
    frame_rate: float

    def levels(self) -> NDArray[np.float32]:
        """Returns the levels of mel bands in dB, shape (time, :data:`BANDS`)."""
        rate = round(2 * self.frequencies[-1])
        bands = self.power @ mel_filters(rate, 2 * (len(self.frequencies) - 1)).T
        floor = np.float32(max(float(bands.max(initial=0.0)) * 10 ** (-RANGE / 10), FAINTEST))
        return np.asarray(10 * np.log10(np.maximum(bands, floor)), dtype=np.float32)


def spectrum(samples: Samples, rate: int) -> Spectrum:
    """Returns the power spectrum of mono samples (n,), by Hann windows that overlap by 3/4.

    Samples shorter than a window are one frame, zeros being added.
    """
    size = 2 ** round(np.log2(WINDOW_SECONDS * rate))
    hop = size // 4
    padded = np.pad(samples, (0, max(0, size - len(samples)))).astype(np.float32, copy=False)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    window /= np.sqrt(np.square(window).sum())
    framed = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    from scipy.fft import rfft  # keeps single precision

    bins = rfft(framed * window)
    power = np.square(bins.real) + np.square(bins.imag)
    return Spectrum(power, np.arange(power.shape[1]) * rate / size, rate / hop)


@cache
def mel_filters(rate: int, size: int) -> NDArray[np.float32]:
    """Returns mel filters, each the mean of its bins, shape (:data:`BANDS`, 1 + size // 2)."""
    import librosa

    lowest = min(LOWEST, rate / 40)
    filters = librosa.filters.mel(
        sr=rate, n_fft=size, n_mels=BANDS, fmin=lowest, htk=True, norm=None
    )
    sums = filters.sum(axis=1, keepdims=True)
    return np.asarray(filters / np.maximum(sums, 1e-6), dtype=np.float32)
