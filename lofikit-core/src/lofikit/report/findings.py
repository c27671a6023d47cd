"""The figures of a report: what was measured, in tables and in plain words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lofikit.evaluation import FIGURES
from lofikit.report.evaluation_file import Evaluation, Row
from lofikit.report.markup import Markup, element, joined
from lofikit.report.takes import Comparison

NONE, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"

_BAD = {figure.name: figure.bad for figure in FIGURES}


@dataclass(frozen=True)
class Cell:
    """A value of a table, and how it stands to real music: below, above, or neither."""

    text: str
    verdict: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a table: a figure, its explanation, and a cell a column."""

    title: str
    explanation: str
    cells: Sequence[Cell]


def number(value: float | None) -> str:
    """Returns a value with three digits that count, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 3)}f}".replace("-", MINUS)


def verdict(name: str, value: float | None, low: float | None, high: float | None) -> str:
    """Returns ``below`` or ``above`` for a value that real music does not have, else nothing."""
    if value is None or low is None or high is None or not math.isfinite(value):
        return ""
    bad = _BAD.get(name, "both")
    if value < low and bad != "high":
        return "below"
    return "above" if value > high and bad != "low" else ""


def own_findings(comparisons: Sequence[Comparison]) -> Markup:
    """Returns the figures of a report's own takes: the median of each run, beside the clips'."""
    names = list(dict.fromkeys(take.name for c in comparisons for take in c.takes))
    lines = []
    for figure in FIGURES:
        real = _finite(c.original.figures.get(figure.name) for c in comparisons)
        low, high = (min(real), max(real)) if real else (None, None)
        cells = [Cell(_range(low, high))]
        for name in names:
            values = _finite(
                take.figures.get(figure.name)
                for comparison in comparisons
                for take in comparison.takes
                if take.name == name
            )
            cells.append(Cell(number(statistics.median(values) if values else None)))
        lines.append(Line(_titled(figure.title, figure.unit), figure.explanation, cells))
    count = len(comparisons[0].takes) // len(names) * len(comparisons)
    takes = "1 take" if count == 1 else f"{count} takes"
    intro = element(
        "p",
        f"Of the takes on this page: the median over the {takes} of each run, and the range of the "
        "clips themselves where they go on. So few takes say little. ",
        element("code", "lofikit evaluate RUN... --json FILE"),
        " measures many, beside real music and beside noise, loops and silence; ",
        element("code", "lofikit report --evaluation FILE"),
        " then shows that here.",
    )
    failures = _failures(comparisons)
    return joined([intro, *failures, _table(["the clips", *names], lines)])


def evaluation_findings(evaluation: Evaluation) -> Markup:
    """Returns the figures of an evaluation: each run in a sentence, and all rows in a table."""
    runs = [row for row in evaluation.rows if row.kind == "run"]
    others = [row for row in evaluation.rows if row.kind != "run"]
    rows = [*runs, *others]
    lines = [_held_out(rows)] if any(row.held_out for row in rows) else []
    for figure in evaluation.figures:
        cells = [Cell(_range(figure.low, figure.high))]
        for row in rows:
            measured = row.figures.get(figure.name)
            value = measured.median if measured else None
            cells.append(Cell(number(value), verdict(figure.name, value, figure.low, figure.high)))
        lines.append(Line(_titled(figure.title, figure.unit), figure.explanation, cells))
    for title, name, said in _WHOLE:
        values: list[float | None] = [getattr(row, name) for row in rows]
        if any(value is not None for value in values):
            cells = [Cell(number(value)) for value in values]
            lines.append(Line(title, said, [Cell(NONE), *cells]))
    prompts, seeds = len(evaluation.prompts), len(evaluation.seeds)
    intro = element(
        "p",
        f"Over {prompts} prompts and {seeds} seeds, {evaluation.seconds:g} s each: the median of "
        "each row, and the range that nine of ten excerpts of real clips lie in. A triangle marks "
        "what lies outside it. Anchors are not music: a figure that they pass shows nothing by "
        "itself.",
    )
    words = element("ul", *(element("li", in_words(row, evaluation)) for row in runs))
    columns = ["real music", *(row.name for row in rows)]
    kinds = ["", *(row.kind for row in rows)]
    return joined([intro, words, _table(columns, lines, kinds)])


_WHOLE = (
    ("all figures", "all_within", "Share of takes that are like real music in every figure."),
    ("memorisation", "memorisation", "How much was found again in the training clips."),
    ("Fréchet distance", "frechet", "Distance from real music over all takes; less is better."),
    ("kernel distance", "kad", "The same, with an estimate that few takes do not raise."),
)


def in_words(row: Row, evaluation: Evaluation) -> Markup:
    """Returns in a sentence or two how a run stands to real music."""
    outside = []
    for figure in evaluation.figures:
        measured = row.figures.get(figure.name)
        value = measured.median if measured else None
        side = verdict(figure.name, value, figure.low, figure.high)
        if side:
            outside.append(
                f"{figure.title} {number(value)}, {side} {_range(figure.low, figure.high)}"
            )
    total = len(evaluation.figures)
    if outside:
        said = (
            f"its middle take is outside what real music has in {len(outside)} of {total} figures: "
            f"{'; '.join(outside)}."
        )
    else:
        said = f"its middle take is within what real music has in all {total} figures."
    if row.all_within is not None:
        said += f" {100 * row.all_within:.0f} % of its takes are within it in every figure."
    return joined([element("b", row.name), f": {said}"], "")


def _held_out(rows: Sequence[Row]) -> Line:
    cells = [Cell(NONE)]
    for row in rows:
        scored = row.held_out
        cells.append(
            Cell(f"{scored.mean:.2f} ± {scored.spread:.2f} {row.unit or ''}" if scored else NONE)
        )
    said = (
        "How well the next sample is foreseen on held-back clips: bits a sample (less is better), "
        "or the prediction gain in dB (more is better)."
    )
    return Line("prediction", said, cells)


def _failures(comparisons: Sequence[Comparison]) -> list[Markup]:
    failed = [take for comparison in comparisons for take in comparison.takes if take.failure]
    if not failed:
        return []
    names = ", ".join(dict.fromkeys(take.name for take in failed))
    count = "1 take" if len(failed) == 1 else f"{len(failed)} takes"
    return [element("p", f"Without {count} that broke off ({names}).", class_="note")]


def _table(columns: Sequence[str], lines: Sequence[Line], kinds: Sequence[str] = ()) -> Markup:
    """Returns a table whose cells carry their column's name, for where it is shown as a list.

    The roles are what the elements have by themselves, until a style sheet lays them out anew.
    """
    kinds = kinds or [""] * len(columns)
    head = [element("th", "figure", scope="col", role="columnheader")]
    head += [
        element("th", name, scope="col", role="columnheader", class_=kind or None)
        for name, kind in zip(columns, kinds, strict=True)
    ]
    body = [
        element(
            "tr",
            element(
                "th",
                line.title,
                element("span", line.explanation, class_="subtle"),
                scope="row",
                role="rowheader",
            ),
            *(
                element("td", *_shown(cell), role="cell", data_column=name, class_=kind or None)
                for cell, name, kind in zip(line.cells, columns, kinds, strict=True)
            ),
            role="row",
        )
        for line in lines
    ]
    table = element(
        "table",
        element("thead", element("tr", *head, role="row"), role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        role="table",
        class_="findings",
    )
    return element("div", table, class_="scroll", role="region", aria_label="Figures", tabindex="0")


def _shown(cell: Cell) -> list[object]:
    if not cell.verdict:
        return [cell.text]
    sign = "▾" if cell.verdict == "below" else "▴"
    said = element("span", f", {cell.verdict} real music", class_="unseen")
    return [cell.text, element("span", f" {sign}", class_="verdict", aria_hidden="true"), said]


def _titled(title: str, unit: str) -> str:
    return f"{title} ({unit})" if unit else title


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return NONE
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
