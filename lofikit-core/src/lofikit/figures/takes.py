"""Takes as waveforms and as spectrograms, with the prompt's end marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from lofikit.audio import Audio
from lofikit.errors import OptionError
from lofikit.figures import sheet
from lofikit.figures.spectra import COLUMNS, FLOOR, check_audio, decibels, envelope, spectra

_DOTS = 200  # samples, up to which each is a dot


@dataclass(frozen=True)
class Take:
    """Audio to be drawn.

    Attributes:
        name: Its title.
        audio: The audio; the mean of its channels is drawn.
        prompt_seconds: Where the prompt ends and what was generated begins; 0 for no prompt.
    """

    name: str
    audio: Audio
    prompt_seconds: float = 0.0


@sheet.style()
def waveform(takes: Sequence[Take]) -> Figure:
    """Draws amplitude over time, a row a take, all on one scale.

    The end of a prompt is marked, and the prompt is lighter than what follows it.

    Args:
        takes: What to draw.

    Returns:
        The figure; its x-axes are in seconds.

    Raises:
        AudioError: If a take holds no samples, or NaN or infinity.
        OptionError: If there are no takes or too many, or a prompt is longer than its take.
    """
    lines = _check(takes)
    figure, rows = sheet.rows(len(takes), height=1.1, lines=lines)
    longest = max(take.audio.seconds for take in takes)
    peak = 0.0
    for axes, take in zip(rows, takes, strict=True):
        total = take.audio.samples.shape[1]
        end = min(total, round(take.prompt_seconds * take.audio.rate))
        for start, stop, grey in ((0, end, sheet.LIGHT), (end, total, sheet.DARK)):
            if start < stop:
                columns = round(COLUMNS * (stop - start) / take.audio.rate / longest)
                peak = max(peak, _draw_samples(axes, take.audio, start, stop, columns, grey))
    limit = 1.05 * peak or 1.0
    for axes in rows:
        axes.set_ylim(-limit, limit)
        axes.set_ylabel("amplitude")
    _finish(rows, takes, sheet.DARK)
    return figure


@sheet.style()
def spectrogram(takes: Sequence[Take]) -> Figure:
    """Draws the level of each frequency over time, a row a take, all on one scale.

    Levels are in dB below the loudest of the figure, down to
    :data:`~lofikit.figures.spectra.FLOOR`. Frequencies are in Hz, spaced by mel.

    Args:
        takes: What to draw.

    Returns:
        The figure; its last axes are the colour bar's.

    Raises:
        AudioError: If a take holds no samples, or NaN or infinity.
        OptionError: If there are no takes or too many, or a prompt is longer than its take.
    """
    lines = _check(takes)
    figure, rows = sheet.rows(len(takes), height=1.5, lines=lines, right=0.95)
    drawn = [spectra(take.audio) for take in takes]
    loudest = max(float(power.max()) for _, _, power in drawn)
    for axes, take, (times, frequencies, power) in zip(rows, takes, drawn, strict=True):
        mesh = axes.pcolormesh(
            times,
            frequencies,
            decibels(power, loudest),
            vmin=FLOOR,
            vmax=0.0,
            cmap="magma",
            rasterized=True,  # a hundred thousand quadrilaterals would swell an SVG
        )
        sheet.mel_axis(axes, axes.yaxis, take.audio.rate / 2)
        axes.set_ylabel("frequency (Hz)")
    _finish(rows, takes, "white")
    first, last = rows[0].get_position(), rows[-1].get_position()
    bar = figure.add_axes((first.x1 + 0.02, last.y0, 0.018, first.y1 - last.y0))
    figure.colorbar(mesh, cax=bar, label="level (dB)")
    return figure


def _check(takes: Sequence[Take]) -> int:
    """Refuses what cannot be drawn; returns the lines of text that are needed above each row."""
    sheet.check_count(len(takes), "take")
    for take in takes:
        check_audio(take.audio, take.name)
        # A header's or a resampler's rounding may leave a take some samples short.
        if not 0.0 <= take.prompt_seconds <= take.audio.seconds + 0.01:
            raise OptionError(
                f"the prompt of {take.name} cannot end at {take.prompt_seconds:g} s: "
                f"the take lasts {take.audio.seconds:g} s",
                "give the length of the prompt in seconds, 0 for none",
            )
    return 2 if any(take.prompt_seconds for take in takes) else 1


def _draw_samples(
    axes: Axes, audio: Audio, start: int, stop: int, columns: int, grey: str
) -> float:
    """Draws part of a waveform; returns the largest absolute value."""
    times, low, high = envelope(audio, start, stop, columns)
    if times.size == stop - start:
        dots = "." if times.size <= _DOTS else ""
        axes.plot(times, high, color=grey, linewidth=0.8, marker=dots)
    else:
        axes.fill_between(times, low, high, facecolor=grey, edgecolor=grey, linewidth=0.4)
    return float(max(-low.min(), high.max()))


def _finish(rows: Sequence[Axes], takes: Sequence[Take], colour: str) -> None:
    longest = max(take.audio.seconds for take in takes)
    for axes, take in zip(rows, takes, strict=True):
        axes.set_xlim(0.0, longest)
        axes.tick_params(labelbottom=axes is rows[-1])
        sheet.add_title(axes, take.name, 2 if take.prompt_seconds else 1)
        if take.prompt_seconds:
            mark = axes.axvline(take.prompt_seconds, color=colour, linestyle="--", linewidth=1.3)
            other = sheet.DARK if colour == "white" else "white"
            mark.set_path_effects([withStroke(linewidth=2.6, foreground=other)])  # on any ground
            text = f"prompt ends, {take.prompt_seconds:.2f} s"
            side: Literal["left", "right"] = (
                "right" if take.prompt_seconds < 0.6 * longest else "left"
            )
            sheet.add_label(axes, take.prompt_seconds, sheet.Placed(text, side=side))
    rows[-1].set_xlabel("time (s)")
