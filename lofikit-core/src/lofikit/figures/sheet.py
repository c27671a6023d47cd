"""The sheet that figures are drawn on: its style, rows, labels and files."""

from __future__ import annotations

import bisect
import functools
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib.style
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from lofikit.errors import OptionError, OutputError
from lofikit.figures.spectra import hertz, mel

FORMATS = (".png", ".svg")
"""Suffixes of the files that :func:`save` writes."""
MAX_ROWS = 16
"""Most takes, rates or runs of one figure."""

WIDTH = 8.0
"""Of a figure, in inches."""
LEFT, RIGHT = 0.75, 0.2
"""Margins beside the axes, in inches."""
LINE = 0.17
"""Height of a line of text above the axes, in inches."""
DARK, MIDDLE, LIGHT = "0.1", "0.45", "0.7"
"""Greys that can be told from each other and from paper."""

_DPI = 200  # 1600 pixels across, so that text is sharp at half that width
_FONT = "DejaVu Sans"  # comes with matplotlib: the same glyphs everywhere
_SMALL = 8  # points
_LONGEST = 300  # letters of a title; no line holds more
_GAP = 8.0  # least distance of two labels, in points
_STYLE = {
    "font.family": _FONT,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "hatch.linewidth": 0.4,
    "svg.hashsalt": "lofikit",
}
_TICKS = (0, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)


@contextmanager
def style() -> Iterator[None]:
    """Draws in the house's style, whatever the user's own matplotlibrc says."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def check_count(count: int, what: str) -> None:
    """Refuses a figure without rows, and one of too many.

    Raises:
        OptionError: If ``count`` is not from 1 to :data:`MAX_ROWS`.
    """
    if count < 1:
        raise OptionError(f"there is no {what} to draw", f"name at least one {what}")
    if count > MAX_ROWS:
        raise OptionError(
            f"{count} {what}s do not fit on one figure", f"draw at most {MAX_ROWS} at a time"
        )


def rows(
    count: int, height: float, lines: int, right: float = RIGHT, legend: bool = False
) -> tuple[Figure, list[Axes]]:
    """Makes a figure of axes one below the other.

    Args:
        count: Number of rows.
        height: Height of each row's axes in inches.
        lines: Lines of text above each row's axes.
        right: Margin on the right in inches.
        legend: Whether :func:`add_legend` will need room below the axes.
    """
    head, foot = lines * LINE + 0.16, 0.8 if legend else 0.5
    total = count * (head + height) + foot
    figure = Figure(figsize=(WIDTH, total), dpi=_DPI)
    width = (WIDTH - LEFT - right) / WIDTH
    axes = []
    for row in range(count):
        bottom = total - (row + 1) * (head + height)
        axes.append(figure.add_axes((LEFT / WIDTH, bottom / total, width, height / total)))
    return figure, axes


def add_title(axes: Axes, text: str, lines: int, facts: str = "") -> None:
    """Puts a title on the topmost of the lines above the axes, shortened to what fits there.

    Args:
        axes: Below it.
        text: The title; what the font cannot show becomes a square.
        lines: Lines of text above the axes.
        facts: What is set at the right end of the line, never shortened.
    """
    size = matplotlib.rcParams["font.size"] + 1
    width = axes.get_window_extent().width * 72 / _DPI
    # Hinting of letters on a raster widens them by a few hundredths.
    room = 0.96 * width - (text_width(facts, size) + 2 * _GAP if facts else 0)
    pad = (lines - 1) * LINE * 72 + 5
    for part, place in ((_shortened(_printable(text), room, size), "left"), (facts, "right")):
        if part:
            axes.set_title(part, loc=place, pad=pad, size=size, parse_math=False)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Placed:
    """A label above the axes.

    Attributes:
        text: What it says.
        line: Its line, counted upwards from the axes.
        side: On which side of its place it is.
    """

    text: str
    line: int = 0
    side: Literal["left", "right"] = "right"


def add_label(axes: Axes, x: float, label: Placed) -> None:
    """Writes a label above the axes, beside the place ``x``."""
    axes.annotate(
        label.text,
        (x, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3 + label.line * LINE * 72),
        textcoords="offset points",
        ha="left" if label.side == "right" else "right",
        size=_SMALL,
        parse_math=False,
        annotation_clip=False,
    )


def add_legend(figure: Figure) -> None:
    """Puts one legend of all labelled lines below all rows."""
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    labelled = {str(line.get_label()): line for line in lines}
    handles = [line for label, line in labelled.items() if not label.startswith("_")]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False)


def mel_axis(axes: Axes, axis: Axis, top: float) -> None:
    """Makes an axis one of frequencies from 0 to ``top`` Hz, spaced by mel and labelled in Hz."""
    across = axis is axes.xaxis
    (axes.set_xscale if across else axes.set_yscale)("function", functions=(mel, hertz))
    (axes.set_xlim if across else axes.set_ylim)(0.0, top)
    box = axes.get_window_extent()
    length = (box.width if across else box.height) * 72 / _DPI
    room, last, ticks = (26.0 if across else 11.0), -np.inf, []
    for tick in _TICKS:
        place = length * mel(tick) / mel(top)
        if tick <= top and place - last >= room:
            ticks.append(tick)
            last = place
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda f, _: f"{f:g}" if f < 1000 else f"{f / 1000:g}k"))


def arrange(labels: Sequence[tuple[float, str]], width: float, most: int) -> list[Placed] | None:
    """Finds a line for each label so that none covers another.

    Args:
        labels: The place of each in points, in order, and its text.
        width: Where the lines end, in points.
        most: How many lines there are.

    Returns:
        The labels on the lowest lines that are free, or ``None`` if they do not fit.
    """
    ends = [-np.inf] * most
    placed = []
    for place, text in labels:
        length = text_width(text, _SMALL)
        fits = place + length <= width
        start = place if fits else place - length
        line = next((line for line in range(most) if ends[line] + _GAP <= start), None)
        if line is None or start < 0:
            return None
        ends[line] = start + length
        placed.append(Placed(text, line, "right" if fits else "left"))
    return placed


def text_width(text: str, size: float) -> float:
    """Returns how wide a text is drawn, in points."""
    font = font_manager.FontProperties(family=_FONT, size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0])


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG or SVG, whole or not at all.

    The same figure gives the same bytes: no date is written, and the ids in an SVG are fixed.

    Args:
        figure: The figure.
        path: Where to; its suffix names the format. A file that is there is replaced.

    Raises:
        OutputError: If the suffix names no format, or the file cannot be written.
    """
    check_format(path)
    content = encode(figure, path.suffix)
    partial = path.with_name(f".partial-{path.name}")
    try:
        try:
            partial.write_bytes(content)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            "choose another place with -o",
        ) from error


def encode(figure: Figure, suffix: str) -> bytes:
    """Returns a figure as the content of a file: what :func:`save` writes.

    Args:
        figure: The figure.
        suffix: One of :data:`FORMATS`.
    """
    kind = suffix.lower().lstrip(".")
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    drawn = io.BytesIO()
    with style():
        figure.savefig(drawn, format=kind, dpi=figure.dpi, metadata=metadata)
    return drawn.getvalue()


def check_format(path: Path) -> None:
    """Refuses a file name whose suffix names no format of figures.

    Raises:
        OutputError: Naming the formats that can be written.
    """
    if path.suffix.lower() not in FORMATS:
        formats = ", ".join(suffix.lstrip(".") for suffix in FORMATS)
        raise OutputError(
            f"cannot write {path.name!r}: {path.suffix or 'a name without suffix'} is not a "
            "format of figures",
            f"end the name in one of: {formats}",
        )


@functools.cache
def _glyphs() -> frozenset[int]:
    return frozenset(font_manager.get_font(font_manager.findfont(_FONT)).get_charmap())


def _printable(text: str) -> str:
    """Returns the text on one line, with a square for each character that cannot be shown."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() and ord(c) in _glyphs() else "\u25a1" for c in line)


def _shortened(text: str, room: float, size: float) -> str:
    """Returns the text, its middle left out as far as is needed to fit ``room`` points."""
    if text_width(text[:_LONGEST], size) <= room and len(text) <= _LONGEST:
        return text

    def kept(count: int) -> str:
        return text[: count - count // 2] + "…" + text[len(text) - count // 2 :]

    first_too_long = bisect.bisect_left(
        range(min(len(text), _LONGEST)), True, key=lambda n: text_width(kept(n), size) > room
    )
    return kept(max(0, first_too_long - 1))
