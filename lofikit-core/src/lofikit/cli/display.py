"""Progress bars, tables and reports, one look for all verbs."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from lofikit.collection import Report

# What is piped into a file or another tool is not cut to a terminal's width.
_WIDE = 240
out = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, highlight=False, soft_wrap=True)


NARROW = {"clip", "run", "model", "option", "seconds", "Hz", "sha256"}
"""Columns that are not broken over lines."""


def table(*columns: str) -> Table:
    """Returns an empty table."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, no_wrap=column in NARROW)
    return made


def progress(*more: ProgressColumn | str) -> Progress:
    """Returns a progress bar on standard error, with further columns before the times."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        *more,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False),
        transient=False,
    )


class FieldColumn(ProgressColumn):
    """A column that shows a field of the task."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__(table_column=Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get(self._name, "")))


def note(text: str, console: Console = err) -> None:
    """Tells the user something that is no error; above a progress bar, through its console."""
    console.print(f"[yellow]note:[/] {escape(text)}", soft_wrap=True)


def report(done: Report, what: str, where: Path) -> int:
    """Prints what became of each clip and returns the exit code: 1 if any failed."""
    known = f", {done.known} there already" if done.known else ""
    failed = f", {len(done.failed)} failed" if done.failed else ""
    out.print(f"{len(done.added)} {what}{known}{failed}: {escape(str(where))}")
    for name, reason in done.damaged:
        err.print(f"[yellow]in part:[/] {escape(name)}: {escape(reason)}")
    for name, reason in done.failed:
        err.print(f"[red]failed:[/] {escape(name)}: {escape(reason)}")
    return 1 if done.failed else 0
