"""What a sample rate keeps of the audio, and what it loses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from lofikit.audio import Audio, resample
from lofikit.errors import OptionError
from lofikit.figures import sheet
from lofikit.figures.spectra import FLOOR, brightest, check_audio, decibels, excerpt, mel, spectra

_ZOOM = 0.02  # seconds of waveform
_EXCERPT = 30.0  # seconds around them, whose spectrum is taken
_DOTS = 120  # samples, up to which each is a dot
_BEFORE: dict[str, Any] = {"color": sheet.LIGHT, "linewidth": 2.4}
_AFTER: dict[str, Any] = {"color": sheet.DARK, "linewidth": 0.9}


@sheet.style()
def rates(audio: Audio, rates: Sequence[int] = (44_100, 22_050, 11_025, 4_410)) -> Figure:
    """Draws the effect of the sample rate, a row a rate.

    On the left are 20 ms of waveform at the place with the most treble, on the right the mean
    spectrum of the 30 s around it; the audio as it is lies behind both in a broad, light line.

    Args:
        audio: The audio, best at its full rate.
        rates: Rates in Hz; one above the audio's own brings nothing back.

    Returns:
        The figure; its axes are the waveforms in order of ``rates``, then the spectra.

    Raises:
        AudioError: If the audio holds no samples, or NaN or infinity.
        OptionError: If there are no rates or too many, or one is below 1 Hz.
    """
    sheet.check_count(len(rates), "sample rate")
    if min(rates) < 1:
        raise OptionError(f"there is no sample rate of {min(rates)} Hz", "give rates such as 4410")
    check_audio(audio, "the audio")
    sound, zoom = _around_brightest(audio)
    figure, waves = sheet.rows(len(rates), height=1.1, lines=1, right=4.75, legend=True)
    spaces = [
        figure.add_axes((0.505, box.y0, 0.475, box.height))
        for box in (axes.get_position() for axes in waves)
    ]
    top = max(audio.rate, *rates) / 2
    reference = float(spectra(sound)[2].mean(axis=1).max())
    for wave, spectrum, rate in zip(waves, spaces, rates, strict=True):
        resampled = resample(sound, rate)
        for shown, line in (
            (sound, _BEFORE | {"label": f"as it is, {audio.rate:,} Hz"}),
            (resampled, _AFTER | {"label": "resampled"}),
        ):
            _draw_waveform(wave, shown, zoom, line)
            _draw_spectrum(spectrum, shown, reference, line)
        sheet.mel_axis(spectrum, spectrum.xaxis, top)
        if rate / 2 < top:
            spectrum.axvspan(rate / 2, top, fc="0.95", ec=sheet.LIGHT, hatch="///", linewidth=0)
            spectrum.axvline(rate / 2, color=sheet.DARK, linestyle="--", linewidth=1.3)
            text = f"nothing above {rate / 2:,g} Hz"
            side: Literal["left", "right"] = "right" if mel(rate / 2) < 0.6 * mel(top) else "left"
            sheet.add_label(spectrum, rate / 2, sheet.Placed(text, side=side))
        spectrum.set_ylim(FLOOR, 5.0)
        spectrum.yaxis.set_major_locator(MultipleLocator(20))
        spectrum.set_ylabel("level (dB)")
        wave.set_xlim(0.0, 1000 * min(_ZOOM, sound.seconds))
        wave.set_ylabel("amplitude")
        sheet.add_title(wave, f"{rate:,} Hz", lines=1)
        for axes in (wave, spectrum):
            axes.tick_params(labelbottom=wave is waves[-1])
    limit = max(abs(end) for wave in waves for end in wave.get_ylim())
    for wave in waves:
        wave.set_ylim(-limit, limit)
    waves[-1].set_xlabel("time (ms)")
    spaces[-1].set_xlabel("frequency (Hz)")
    sheet.add_legend(figure)
    return figure


def _around_brightest(audio: Audio) -> tuple[Audio, float]:
    """Returns the excerpt around the brightest place, mono, and where that is in it, in seconds."""
    place = brightest(audio, _ZOOM)
    total, length = audio.samples.shape[1], math.ceil(_EXCERPT * audio.rate)
    start = max(0, min(place - length // 2, total - length))
    samples = excerpt(audio, start, min(start + length, total))
    return Audio(samples[None], audio.rate), (place - start) / audio.rate


def _draw_waveform(axes: Axes, audio: Audio, zoom: float, line: dict[str, Any]) -> None:
    first = math.ceil(zoom * audio.rate)
    piece = audio.samples[0, first : first + math.ceil(_ZOOM * audio.rate) + 1]
    milliseconds = 1000 * ((first + np.arange(piece.size)) / audio.rate - zoom)
    marker = "." if piece.size <= _DOTS else ""
    axes.plot(milliseconds, piece, **line, marker=marker, markersize=4)


def _draw_spectrum(axes: Axes, audio: Audio, reference: float, line: dict[str, Any]) -> None:
    if audio.samples.shape[1] == 0:  # less than a sample at this rate
        return
    _, edges, power = spectra(audio)
    axes.plot((edges[:-1] + edges[1:]) / 2, decibels(power.mean(axis=1), reference), **line)
