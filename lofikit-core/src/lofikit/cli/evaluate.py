"""``lofikit evaluate``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("evaluate")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--library",
    type=click.Path(path_type=Path),
    help="The library, if it is no longer where the runs were trained on it.",
)
@click.option(
    "--seconds", default=20.0, show_default=True, help="How much of each clip is scored [s]."
)
def command(runs: tuple[Path, ...], library: Path | None, seconds: float) -> None:
    """Measure runs on the clips that they were not trained on.

    Classes are scored in bits a sample (less is better), real values by the prediction gain in
    dB (more is better): the mean over clips, the spread, and the best and worst clip.
    """
    import statistics

    from rich.markup import escape

    from lofikit.cli.display import out, progress, table
    from lofikit.errors import OptionError
    from lofikit.evaluation import held_out_scores
    from lofikit.library import Library
    from lofikit.run import Run

    if not seconds > 0:
        raise OptionError(f"--seconds {seconds:g}: must be above 0", "for example --seconds 20")
    rows = []
    with progress() as bar:
        task = bar.add_task("scoring clips", total=None)
        for path in runs:
            run = Run.open(path)
            where = Library(library or Path(run.config.library))
            scores, unit = held_out_scores(run, where, seconds, lambda _: bar.advance(task))
            values = [s.value for s in scores]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            best = min(values) if unit == "bits" else max(values)
            worst = max(values) if unit == "bits" else min(values)
            rows.append((unit, statistics.fmean(values), spread, best, worst, len(values), run))
        bar.update(task, total=bar.tasks[task].completed)
    shown = table("run", "model", "unit", "mean", "spread", "best", "worst", "clips")
    for unit, mean, spread, best, worst, count, run in sorted(
        rows, key=lambda row: (row[0], row[1] if row[0] == "bits" else -row[1])
    ):
        unit = "bits a sample" if unit == "bits" and run.config.model else unit
        shown.add_row(
            escape(str(run.path)),
            run.config.model.name,
            unit,
            f"{mean:.3f}",
            f"{spread:.3f}",
            f"{best:.3f}",
            f"{worst:.3f}",
            str(count),
        )
    out.print(shown)
