# /// script
# requires-python = ">=3.9,<3.13"
# dependencies = ["numpy==1.26.4"]
# ///
"""Runs in an environment of its own, with a NumPy that lofikit need not have."""

import lofikit_worker
import numpy as np


def start(cutoff):
    """Keeps the separator's options."""
    global edge
    edge = cutoff


def part(clip, bass, rate):
    """Writes what of a clip lies below the edge; both are .npy files of (channels, samples)."""
    samples = np.load(clip)
    frequencies = np.fft.rfftfreq(samples.shape[1], 1 / rate)
    spectrum = np.fft.rfft(samples, axis=1) / (1 + (frequencies / edge) ** 8)
    low = np.fft.irfft(spectrum, n=samples.shape[1], axis=1)
    np.save(bass, low.astype(np.float32))


def version():
    """Tells the library's version."""
    return np.__version__


lofikit_worker.serve(part, version, start=start)
