"""``lofikit evaluate``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lofikit.cli.components import check_output
from lofikit.cli.sampling import sampled
from lofikit.errors import OptionError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from lofikit.evaluation.comparison import Comparison, Kind
    from lofikit.evaluation.evaluate import Scored
    from lofikit.evaluation.stage import Show
    from lofikit.library import Library
    from lofikit.models.base import Sampling
    from lofikit.run import Run

FULL, QUICK = (20, 3, 60.0), (6, 1, 20.0)
"""Prompts, seeds and seconds."""


@click.command("evaluate")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--library",
    type=click.Path(path_type=Path),
    help="The library, if it is no longer where the runs were trained on it.",
)
@click.option(
    "--bits-only", is_flag=True, help="Score predictions on held-back clips, and generate nothing."
)
@click.option(
    "--quick", is_flag=True, help="Fewer and shorter takes: 6 prompts, 1 seed, 20 seconds."
)
@click.option(
    "--prompts", type=int, help="Excerpts of held-back clips to go on from.  [default: 20]"
)
@click.option("--seeds", type=int, help="Takes of each prompt.  [default: 3]")
@click.option("--seconds", type=float, help="Length of a take [s].  [default: 60]")
@sampled
@click.option(
    "--scored-seconds",
    default=20.0,
    show_default=True,
    help="How much of each held-back clip is scored in bits or dB [s].",
)
@click.option(
    "--embedding",
    metavar="MODULE:CLASS",
    help="Measure distances on an embedding of your own: a class with embed(samples, rate).",
)
@click.option(
    "--json",
    "output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write everything that was found to a file.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def command(
    runs: tuple[Path, ...],
    library: Path | None,
    bits_only: bool,
    quick: bool,
    prompts: int | None,
    seeds: int | None,
    seconds: float | None,
    sampling: Sampling,
    scored_seconds: float,
    embedding: str | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Measure runs on the clips that they were not trained on.

    First by their predictions: classes in bits a sample or a code (less is better), real values by
    the prediction gain in dB (more is better), the mean over clips, the spread, and the best and
    worst clip. Then by what they play when they run free, from many prompts, beside real music and
    anchors that nobody would call a good model. The page "Is it music?" of the documentation
    explains each figure.
    """
    from lofikit.cli.display import note
    from lofikit.evaluation.embedding import load_embedding
    from lofikit.evaluation.evaluate import evaluate
    from lofikit.evaluation.stage import EvaluationOptions
    from lofikit.library import Library
    from lofikit.run import Run

    if not scored_seconds > 0:
        raise OptionError(
            f"--scored-seconds {scored_seconds:g}: must be above 0",
            "for example --scored-seconds 20",
        )
    if bits_only:
        takes = ("quick", "prompts", "seeds", "seconds", "embedding", "json")
        values = (quick or None, prompts, seeds, seconds, embedding, output)
        for name, value in zip(takes, values, strict=True):
            if value is not None:
                raise OptionError(
                    f"--{name} goes with takes, and --bits-only makes none", "leave one out"
                )
    if output is not None:
        check_output(output, overwrite)
    most = QUICK if quick else FULL
    options = EvaluationOptions(
        most[0] if prompts is None else prompts,
        most[1] if seeds is None else seeds,
        most[2] if seconds is None else seconds,
        sampling,
        load_embedding(embedding),
    )
    opened = []
    for path in dict.fromkeys(runs):
        run = Run.open(path)
        for line in run.version_warnings():
            note(line)
        opened.append((run, Library(library or Path(run.config.library))))
    scored = _scored(opened, scored_seconds)
    _show_scores(scored)
    if bits_only:
        return
    with _shown() as show:
        found = evaluate(opened, options, scored, show)
    for comparison in found:
        _show_comparison(comparison)
    if output is not None:
        _write(found, output)


def _scored(runs: Sequence[tuple[Run, Library]], seconds: float) -> list[Scored]:
    from lofikit.cli.display import progress
    from lofikit.evaluation.evaluate import score

    with progress() as bar:
        task = bar.add_task("scoring clips", total=None)
        found = score(runs, seconds, lambda _: bar.advance(task))
        bar.update(task, total=bar.tasks[task].completed)
    return found


def _show_scores(scored: Sequence[Scored]) -> None:
    from rich.markup import escape

    from lofikit.cli.display import out, table

    shown = table("run", "model", "unit", "mean", "spread", "best", "worst", "clips")
    for one in scored:
        held = one.held_out
        numbers = (f"{value:.3f}" for value in (held.mean, held.spread, held.best, held.worst))
        shown.add_row(escape(one.name), one.model, one.unit, *numbers, str(held.clips))
    out.print(shown)


@contextmanager
def _shown() -> Iterator[Show]:
    """Gives what shows a bar for each thing that is being done."""
    from lofikit.cli.display import progress

    with progress() as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: float, total: float) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=math.ceil(total))
            bar.update(tasks[what], completed=math.floor(done))

        yield show


def _show_comparison(found: Comparison) -> None:
    from rich.markup import escape

    from lofikit.cli.display import out, table
    from lofikit.evaluation.listening import FIGURES

    clips = len({prompt.clip.id for prompt in found.prompts})
    seeds = ", ".join(map(str, found.seeds))
    measured = ""
    if found.excerpt_seconds < found.seconds:
        measured = (
            f"; of each, the last {found.excerpt_seconds:.1f} s are measured, as of real clips"
        )
    out.print(
        f"\nRunning free at {found.rate} Hz: {len(found.prompts)} prompts of {clips} held-back "
        f"clips, seeds {seeds}, takes of {found.seconds:g} s{measured}.",
        soft_wrap=True,
    )
    titles = [f.title + (f" [{f.unit}]" if f.unit else "") for f in FIGURES]
    out.print("\n[bold]Share of takes within the range of real music[/]", soft_wrap=True)
    shares = table("", *[f.title for f in FIGURES], "all", "memory", "Frechet", "KAD")
    for row in found.rows:
        within = [_share(row.figures[f.name].within) for f in FIGURES]
        last = (_share(row.memorisation), _number(row.frechet), _number(row.kad))
        shares.add_row(_named(row.name, row.kind), *within, _share(row.all_within), *last)
    out.print(shares)
    out.print("\n[bold]Medians[/]", soft_wrap=True)
    medians = table("", *map(escape, titles))
    for name, side in (("real, 5 %", "low"), ("real, 95 %", "high")):
        bounds = [_number(getattr(found.ranges[f.name], side)) for f in FIGURES]
        medians.add_row(f"[dim]{name}[/]", *bounds)
    for row in found.rows:
        values = [_number(row.figures[f.name].spread.median) for f in FIGURES]
        medians.add_row(_named(row.name, row.kind), *values)
    out.print(medians)


def _named(name: str, kind: Kind) -> str:
    from rich.markup import escape

    return f"[bold]{escape(name)}[/]" if kind == "run" else escape(name)


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0%}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def _write(found: Sequence[Comparison], output: Path) -> None:
    from lofikit.evaluation.comparison import as_json
    from lofikit.run import write_atomically

    text = json.dumps(as_json(found), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(output, f"{text}\n".encode())
    click.echo(f"written: {output}")
