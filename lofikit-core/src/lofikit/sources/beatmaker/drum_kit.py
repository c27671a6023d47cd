"""A synthesised boom-bap kit: decaying modes for the bodies, shaped noise for wires and metal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lofikit.sources.beatmaker.instruments import add_at, ring
from lofikit.sources.beatmaker.score import Hit, Samples, random_stream

VARIANTS = 3
"""Takes of each drum, played in turn, so that no two strokes in a row are identical."""

PAN = {"hat": 0.2, "open hat": 0.2, "rim": -0.12, "tom": -0.2, "low tom": 0.15}
"""Where a drum stands: -1 is left, 1 is right; the others are in the middle."""

ROOM = {"kick": 0.1, "snare": 1.0, "ghost": 0.8}
"""How much a drum excites the room, relative to the snare; the others half as much."""

Kit = dict[str, list[Samples]]


def build_kit(seed: int, sample_rate: int) -> Kit:
    """The takes of each drum of a song at full velocity, each of shape (2, samples).

    Filters are given by their analogue magnitudes, so a kit at a low rate is the same kit with
    its top cut off.
    """
    tuning = random_stream(seed, "kit")
    kick_hertz = tuning.uniform(48, 58)
    snare_hertz = tuning.uniform(165, 215)
    rim_hertz = tuning.uniform(430, 520)
    tom_hertz = tuning.uniform(105, 130)
    dust = tuning.uniform(5500, 8500)  # Hz: where the sampler's converters give up.
    takes = [random_stream(seed, "takes", take) for take in range(VARIANTS)]
    dry = {
        "kick": [_kick(rng, kick_hertz, sample_rate) for rng in takes],
        "snare": [_snare(rng, snare_hertz, dust, sample_rate) for rng in takes],
        "ghost": [_snare(rng, snare_hertz, 0.5 * dust, sample_rate) for rng in takes],
        "rim": [_rim(rng, rim_hertz, sample_rate) for rng in takes],
        "hat": [_hat(rng, 0.028, sample_rate) for rng in takes],
        "open hat": [_hat(rng, 0.16, sample_rate) for rng in takes],
        "tom": [_tom(rng, 1.4 * tom_hertz, sample_rate) for rng in takes],
        "low tom": [_tom(rng, tom_hertz, sample_rate) for rng in takes],
    }
    walls = random_stream(seed, "room")
    room = np.stack([_reflections(walls, sample_rate) for _ in range(2)])
    return {
        drum: [_placed(take, PAN.get(drum, 0.0), ROOM.get(drum, 0.5) * room) for take in drum_takes]
        for drum, drum_takes in dry.items()
    }


def play_kit(kit: Kit, hits: list[Hit], samples: int, sample_rate: int) -> Samples:
    """Render hits to stereo, shape (2, samples)."""
    bus = np.zeros((2, samples), np.float32)
    turns = dict.fromkeys(kit, 0)
    for hit in hits:
        take = kit[hit.drum][turns[hit.drum] % VARIANTS]
        turns[hit.drum] += 1
        # Loudness follows the stroke faster than its velocity does.
        add_at(bus, np.float32(hit.velocity**1.4) * take, round(hit.start * sample_rate))
    return bus


def _kick(rng: np.random.Generator, hertz: float, sample_rate: int) -> Samples:
    time = np.arange(round(0.42 * sample_rate)) / sample_rate
    # The pitch falls exponentially from the beater's to the head's; this is its integral.
    fall, drop = 0.024 * rng.uniform(0.95, 1.05), 3.0 * hertz
    phase = 2 * np.pi * (hertz * time + drop * fall * (1 - np.exp(-time / fall)))
    body = np.sin(phase) * np.exp(-time / 0.13) * np.minimum(1, (0.42 - time) / 0.05)
    click = _noise(rng, time.size, sample_rate, low=300, high=2500) * np.exp(-time / 0.004)
    return (0.62 * np.tanh(1.5 * body) + 0.25 * click).astype(np.float32)


def _snare(rng: np.random.Generator, hertz: float, dust: float, sample_rate: int) -> Samples:
    samples = round(0.4 * sample_rate)
    time = np.arange(samples) / sample_rate
    # The two lowest modes of the head, and the bend of the first as the stroke dies.
    bend = 1 + 0.25 * np.exp(-time / 0.012)
    phase = 2 * np.pi * hertz * np.cumsum(bend) / sample_rate
    body = np.sin(phase) * np.exp(-time / 0.07) + 0.5 * np.sin(1.72 * phase) * np.exp(-time / 0.04)
    wires = _noise(rng, samples, sample_rate, low=900, high=dust)
    wires *= 0.75 * np.exp(-time / 0.055) + 0.25 * np.exp(-time / 0.13)
    onset = np.minimum(1, time / 0.001)
    return (onset * (0.42 * body + 0.58 * wires)).astype(np.float32)


def _rim(rng: np.random.Generator, hertz: float, sample_rate: int) -> Samples:
    samples = round(0.16 * sample_rate)
    time = np.arange(samples) / sample_rate
    modes = ring(
        np.array([1, 1.71, 2.63, 3.9]) * hertz * rng.uniform(0.99, 1.01),
        (0.45, 0.4, 0.25, 0.15),
        (0.022, 0.016, 0.010, 0.008),
        samples,
        sample_rate,
    )
    click = _noise(rng, samples, sample_rate, low=900, high=6000) * np.exp(-time / 0.006)
    return (modes + 0.3 * click).astype(np.float32)


def _hat(rng: np.random.Generator, decay: float, sample_rate: int) -> Samples:
    samples = round(min(0.45, 7 * decay) * sample_rate)
    time = np.arange(samples) / sample_rate
    hiss = _noise(rng, samples, sample_rate, low=6500, high=11000)
    metal = ring(
        np.array([2110, 3270, 4190, 5370, 6270, 7860]) * rng.uniform(0.995, 1.005),
        (0.02, 0.02, 0.03, 0.04, 0.04, 0.03),
        np.full(6, decay),
        samples,
        sample_rate,
    )
    # The stick's tap is all that low sample rates leave of a hat.
    tap = _noise(rng, samples, sample_rate, low=900, high=3000) * np.exp(-time / 0.005)
    return (0.2 * hiss * np.exp(-time / decay) + metal + 0.08 * tap).astype(np.float32)


def _tom(rng: np.random.Generator, hertz: float, sample_rate: int) -> Samples:
    samples = round(0.4 * sample_rate)
    time = np.arange(samples) / sample_rate
    phase = 2 * np.pi * hertz * np.cumsum(1 + 0.5 * np.exp(-time / 0.03)) / sample_rate
    body = np.sin(phase) * np.exp(-time / 0.11) * np.minimum(1, time / 0.002)
    stick = _noise(rng, samples, sample_rate, low=500, high=3000) * np.exp(-time / 0.01)
    return (0.5 * body + 0.2 * stick).astype(np.float32)


def _reflections(rng: np.random.Generator, sample_rate: int) -> Samples:
    """One side of a small room's impulse response: decaying noise after 9 ms of silence."""
    samples = round(0.4 * sample_rate)
    time = np.arange(samples) / sample_rate
    late = _noise(rng, samples, sample_rate, low=250, high=4500) * np.exp(-time / 0.075)
    late *= 0.02 * 44100 / sample_rate * np.minimum(1, (0.4 - time) / 0.1)
    return np.concatenate([np.zeros(round(0.009 * sample_rate)), late]).astype(np.float32)


def _placed(take: Samples, pan: float, room: Samples) -> Samples:
    """A mono take in stereo: panned, with the room's answer to it."""
    length = take.size + room.shape[-1]
    spectrum = np.fft.rfft(take, length) * np.fft.rfft(room, length)
    stereo = np.fft.irfft(spectrum, length).astype(np.float32)
    stereo[:, : take.size] += np.sqrt(np.array([[1 - pan], [1 + pan]], np.float32)) * take
    return stereo


def _noise(
    rng: np.random.Generator, samples: int, sample_rate: int, *, low: float, high: float
) -> NDArray[np.float64]:
    """Noise between two second-order slopes, of the same density in V/sqrt(Hz) at every rate."""
    white = rng.standard_normal(samples) * np.sqrt(sample_rate / 44100)
    hertz = np.fft.rfftfreq(samples, 1 / sample_rate)
    hertz[0] = hertz[min(1, hertz.size - 1)]
    slopes = 1 / np.sqrt((1 + (low / hertz) ** 4) * (1 + (hertz / high) ** 4))
    return np.fft.irfft(np.fft.rfft(white) * slopes, samples)
