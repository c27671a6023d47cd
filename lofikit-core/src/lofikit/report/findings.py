"""The figures of a report: what was measured, in tables and in plain words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lofikit.evaluation import FIGURES
from lofikit.report.evaluation_file import Evaluation, Group, RealFigure, Row
from lofikit.report.markup import Markup, element, joined
from lofikit.report.takes import Continuations

NONE, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


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
        return f"{value:.0f}".replace("-", MINUS)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 3)}f}".replace("-", MINUS)


def verdict(figure: RealFigure, value: float | None) -> str:
    """Returns ``below`` or ``above`` for a value that real music does not have, else nothing."""
    if value is None or figure.low is None or figure.high is None:
        return ""
    if value < figure.low and figure.bad != "high":
        return "below"
    return "above" if value > figure.high and figure.bad != "low" else ""


def own_findings(comparisons: Sequence[Continuations]) -> Markup:
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
    takes = counted(count, "take")
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


def evaluation_findings(evaluation: Evaluation, names: Mapping[str, str]) -> Markup:
    """Returns the figures of an evaluation: each run in a sentence, and all rows in a table.

    Args:
        evaluation: What was measured.
        names: What runs are called on the page, by their paths.
    """
    groups: list[Group] = [evaluation, *evaluation.others]
    return joined(_group_findings(group, names) for group in groups)


def _group_findings(group: Group, names: Mapping[str, str]) -> Markup:
    runs = [row for row in group.rows if row.kind == "run"]
    rows = [*runs, *(row for row in group.rows if row.kind != "run")]
    titles = [names.get(row.name, row.name) for row in rows]
    lines = [_held_out(rows)] if any(row.held_out for row in rows) else []
    for figure in group.figures:
        cells = [Cell(_range(figure.low, figure.high))]
        for row in rows:
            value = _median(row, figure)
            cells.append(Cell(number(value), verdict(figure, value)))
        lines.append(Line(_titled(figure.title, figure.unit), figure.explanation, cells))
    for title, name, said in _WHOLE:
        values: list[float | None] = [getattr(row, name) for row in rows]
        if any(value is not None for value in values):
            shown = [number(value) for value in values]
            if name in _SHARES:
                shown = [_share(value) for value in values]
            lines.append(Line(title, said, [Cell(NONE), *map(Cell, shown)]))
    intro = element(
        "p",
        f"At {group.rate:,} Hz, over {counted(len(group.prompts), 'prompt')} and "
        f"{counted(len(group.seeds), 'seed')}, {group.seconds:g} s each: the median of each row, "
        "and the range that nine of ten excerpts of real clips lie in. A triangle marks what lies "
        "outside it. Anchors are not music: a figure that they pass shows nothing by itself.",
    )
    words = [in_words(row, title, group) for row, title in zip(runs, titles, strict=False)]
    kinds = ["", *(row.kind for row in rows)]
    table = _table(["range of real clips", *titles], lines, kinds)
    return joined([intro, element("ul", *(element("li", said) for said in words)), table])


_WHOLE = (
    ("all figures", "all_within", "Share of takes that are like real music in every figure."),
    ("memorisation", "memorisation", "Share of the seconds that are found in the training clips."),
    ("Fréchet distance", "frechet", "Distance from real music over all takes; less is better."),
    ("kernel distance", "kad", "The same, with an estimate that few takes do not raise."),
)
_SHARES = ("all_within", "memorisation")


def in_words(row: Row, name: str, group: Group) -> Markup:
    """Returns in a sentence or two how a run stands to real music."""
    outside = []
    for figure in group.figures:
        value = _median(row, figure)
        if side := verdict(figure, value):
            how = "too low" if side == "below" else "too high"
            real = _range(figure.low, figure.high)
            outside.append(f"{figure.title} is {how} ({number(value)}; real clips {real})")
    total = len(group.figures)
    if outside:
        said = (
            f"its middle take is not like real music in {len(outside)} of {total} figures: "
            f"{'; '.join(outside)}."
        )
    else:
        said = f"its middle take is like real music in all {total} figures."
    if row.all_within is not None:
        said += f" Of its takes, {_share(row.all_within)} are like it in every figure."
    return joined([element("b", name), f": {said}"], "")


def counted(count: int, word: str) -> str:
    """Returns a count with its word."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _median(row: Row, figure: RealFigure) -> float | None:
    measured = row.figures.get(figure.name)
    return measured.median if measured else None


def _share(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.0f} %"


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


def _failures(comparisons: Sequence[Continuations]) -> list[Markup]:
    failed = [take for comparison in comparisons for take in comparison.takes if take.failure]
    if not failed:
        return []
    names = ", ".join(dict.fromkeys(take.name for take in failed))
    return [
        element(
            "p", f"Without {counted(len(failed), 'take')} that broke off ({names}).", class_="note"
        )
    ]


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
