"""Sound and pictures as text that a page can hold: data URIs and paths of SVG."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import BLOCK, Audio, resample
from lofikit.figures import FLOOR, encode, loss
from lofikit.figures.spectra import decibels, envelope, hertz, mel, spectra

LOWEST_RATE = 8_000
"""Least sample rate in Hz of sound in a page: the lowest that every browser's decoder knows."""
WAV_RATE = 11_025
"""Highest rate in Hz of sound that is 16-bit WAV, which takes 1.8 MB of a page a minute there."""
WAVE_COLUMNS, WAVE_HEIGHT = 500, 100
"""Columns of a waveform, and its height, in units of its picture."""
SPECTRUM_COLUMNS, SPECTRUM_ROWS = 560, 96
"""Pixels of a spectrogram."""

_MP3_RATE = 44_100  # of the rates that MP3 has, the one that all decoders know
_LEVELS = 48  # so many colours compress to half the bytes of 256, and look the same


def sound_uri(audio: Audio) -> str:
    """Returns mono audio as a data URI.

    Low rates are WAV, exact and without the delay of an encoder: a take lines up with its prompt
    to the sample. They are brought to 8 kHz at least, by a better resampler than a browser's,
    whose images of the spectrum would be heard as hiss. Higher rates are MP3, for their size.
    """
    import soundfile

    wav = audio.rate <= WAV_RATE
    sound = resample(audio, max(audio.rate, LOWEST_RATE) if wav else _MP3_RATE)
    samples = np.clip(sound.samples[0], -1.0, 1.0)
    content = io.BytesIO()
    form, kind = ("WAV", "PCM_16") if wav else ("MP3", "MPEG_LAYER_III")
    with soundfile.SoundFile(content, "w", sound.rate, 1, kind, format=form) as file:
        for i in range(0, len(samples), BLOCK):  # libsndfile's encoders overflow on long blocks
            file.write(samples[i : i + BLOCK])
    return _uri("audio/wav" if wav else "audio/mpeg", content.getvalue())


def waveform_path(audio: Audio, start: float, stop: float, seconds: float, peak: float) -> str:
    """Returns the waveform of a stretch as the path of an SVG.

    Args:
        audio: The audio.
        start: Beginning of the stretch in seconds.
        stop: Its end in seconds.
        seconds: What the width of the picture, :data:`WAVE_COLUMNS`, stands for.
        peak: What half its height, :data:`WAVE_HEIGHT`, stands for.

    Returns:
        A path around all samples, or an empty text if there are none.
    """
    first, last = round(start * audio.rate), min(round(stop * audio.rate), audio.samples.shape[1])
    if last <= first:
        return ""
    columns = max(1, round(WAVE_COLUMNS * (last - first) / audio.rate / seconds))
    times, low, high = envelope(audio, first, last, columns)
    across = WAVE_COLUMNS * times / seconds
    middle = WAVE_HEIGHT / 2

    def points(x: NDArray[Any], values: NDArray[Any], thickness: float) -> list[str]:
        y = middle - middle * np.clip(values / peak, -1.0, 1.0) + thickness
        return [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]

    # Silence is a line that is seen, not an area without height.
    outline = points(across, high, -0.4) + points(across[::-1], low[::-1], 0.4)
    return f"M{'L'.join(outline)}Z"


def spectrogram_uri(audio: Audio, loudest: float, columns: int) -> str:
    """Returns a spectrogram without axes, as a PNG in a data URI.

    Time runs to the right; frequency rises to half the sample rate, spaced by mel; colours run
    from :data:`~lofikit.figures.FLOOR` dB to ``loudest``.

    Args:
        audio: The audio.
        loudest: Power of the brightest colour.
        columns: Width in pixels.
    """
    from matplotlib.image import imsave

    times, frequencies, power = spectra(audio)
    edges = np.linspace(0.0, audio.seconds, columns + 1)
    middles = hertz(mel(audio.rate / 2) * (np.arange(SPECTRUM_ROWS) + 0.5) / SPECTRUM_ROWS)
    band = np.clip(np.searchsorted(frequencies, middles, "right") - 1, 0, len(power) - 1)
    first = np.clip(np.searchsorted(times, edges[:-1], "right") - 1, 0, power.shape[1] - 1)
    last = np.maximum(first + 1, np.searchsorted(times, edges[1:], "left"))
    sums = np.concatenate([np.zeros((len(band), 1)), np.cumsum(power[band], axis=1)], axis=1)
    last = np.minimum(last, power.shape[1])
    levels = decibels((sums[:, last] - sums[:, first]) / (last - first), loudest)
    coarse = np.round(levels / FLOOR * _LEVELS) / _LEVELS * FLOOR
    drawn = io.BytesIO()
    imsave(
        drawn,
        coarse,
        vmin=FLOOR,
        vmax=0.0,
        cmap="magma",
        origin="lower",
        format="png",
    )
    return _uri("image/png", drawn.getvalue())


def loudest_power(audios: Sequence[Audio]) -> float:
    """Returns the highest power in the spectrograms of some audio."""
    return max(float(spectra(audio)[2].max()) for audio in audios)


def loss_uri(name: str, metrics: Sequence[Mapping[str, Any]]) -> str:
    """Returns how a run's losses fell, as an SVG in a data URI.

    Raises:
        RunError: If there is no finite loss.
    """
    return _uri("image/svg+xml", encode(loss({name: metrics}), ".svg"))


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
