"""What happens to a sound on its way to tape: wobble, chorus, filters, saturation, ducking."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import signal

from lofikit.sources.beatmaker.instruments import ring
from lofikit.sources.beatmaker.score import Hit, Samples, random_stream

# Wow and flutter as (Hz, peak speed deviation): the capstan's turn, a slow drift, the flutter of
# the transport. A tenth of a per cent is heard as warmth, one per cent as a fault.
SPEED_DEVIATIONS = ((0.55, 0.0016), (0.13, 0.0007), (6.3, 0.0004))


def wobble(seed: int, samples: int, sample_rate: int) -> Samples:
    """Wow and flutter: how far from its place each sample is read, in samples.

    A speed deviation d·cos(2πft) displaces the tape by d/(2πf)·sin(2πft): here less than a
    millisecond, so beats stay where they are.
    """
    rng = random_stream(seed, "wobble")
    shift = np.zeros(samples, np.float32)
    for nominal, deviation in SPEED_DEVIATIONS:
        hertz = nominal * rng.uniform(0.85, 1.15)
        peak = rng.uniform(0.6, 1.0) * deviation / (2 * np.pi * hertz) * sample_rate
        shift += np.float32(peak) * oscillator(hertz, samples, sample_rate)
    return shift


def oscillator(hertz: float, samples: int, sample_rate: int) -> Samples:
    """A sine of amplitude one that starts at phase zero."""
    return ring([hertz], [1.0], [np.inf], samples, sample_rate)


def read_at(bus: Samples, shift: Samples) -> Samples:
    """Read a mono bus at places between its samples, by cubic (Catmull-Rom) interpolation.

    Args:
        bus: Shape (samples,).
        shift: Displacement of each sample in samples, shape (samples,); reading past either end
            repeats the last sample there.
    """
    whole = np.floor(shift)
    x = shift - whole
    place = np.arange(bus.size) + whole.astype(np.intp)
    a, b, c, d = (np.take(bus, place + offset, mode="clip") for offset in (-1, 0, 1, 2))
    return b + np.float32(0.5) * x * (
        c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a))
    )


def chorus(bus: Samples, shift: Samples, sample_rate: int) -> Samples:
    """Widen a mono bus to stereo: each side hears it and a copy whose delay sweeps.

    Args:
        bus: Shape (samples,).
        shift: The tape's wobble, which both sides and their copies share.
        sample_rate: In Hz.

    Returns:
        Shape (2, samples).
    """
    sweep = oscillator(0.63, bus.size, sample_rate)
    dry = read_at(bus, shift)
    rest, depth = np.float32(0.011 * sample_rate), np.float32(0.0022 * sample_rate)
    copies = [read_at(bus, shift - rest + side * depth * sweep) for side in (-1, 1)]
    return np.stack([np.float32(0.82) * dry + np.float32(0.36) * copy for copy in copies])


def tremolo(bus: Samples, hertz: float, depth: float, sample_rate: int) -> None:
    """Rock a stereo bus from side to side in place, as a suitcase piano does."""
    swell = np.float32(depth / 2) * oscillator(hertz, bus.shape[-1], sample_rate)
    bus[0] *= 1 - np.float32(depth / 2) + swell
    bus[1] *= 1 - np.float32(depth / 2) - swell


def low_pass(bus: Samples, hertz: float, sample_rate: int) -> Samples:
    """Second-order Butterworth low-pass along the last axis; above Nyquist it does nothing."""
    if hertz >= 0.49 * sample_rate:
        return bus
    filtered: Samples = signal.sosfilt(
        signal.butter(2, hertz, fs=sample_rate, output="sos").astype(np.float32), bus
    )
    return filtered


def saturate(bus: Samples, drive: float) -> Samples:
    """Soft clipping tanh(drive·x)/drive: quiet sounds pass, peaks bend below 1/drive."""
    bent: Samples = np.tanh(np.float32(drive) * bus) / np.float32(drive)
    return bent


def echo(bus: Samples, delay: float, sample_rate: int) -> Samples:
    """A mono bus with two repeats of itself, each darker and softer than the one before."""
    result = bus.copy()
    step = round(delay * sample_rate)
    repeat = bus
    for repetition in (1, 2):
        repeat = np.float32(0.36) * low_pass(repeat, 2200, sample_rate)
        if repetition * step < bus.size:
            result[repetition * step :] += repeat[: bus.size - repetition * step]
    return result


def duck(hits: Iterable[Hit], depth: float, samples: int, sample_rate: int) -> Samples:
    """The gain of a side-chained compressor: it dips with each kick and recovers in a beat.

    Args:
        hits: The drums' hits, of which the kicks count.
        depth: By how much the gain falls at a kick of full velocity.
        samples: Length of the result.
        sample_rate: In Hz.
    """
    gain = np.ones(samples, np.float32)
    time = np.arange(round(0.6 * sample_rate)) / sample_rate
    onset = 0.5 - 0.5 * np.cos(np.pi * np.minimum(1, time / 0.012))
    dip = (onset * np.exp(-time / 0.11)).astype(np.float32)
    for hit in hits:
        start = round(hit.start * sample_rate)
        if hit.drum == "kick" and start < samples:
            stretch = gain[start : start + dip.size]
            np.minimum(
                stretch, 1 - np.float32(depth * hit.velocity) * dip[: stretch.size], out=stretch
            )
    return gain
