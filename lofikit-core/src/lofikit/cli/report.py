"""``lofikit report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lofikit.cli.components import check_output
from lofikit.cli.sampling import sampled
from lofikit.errors import OutputError

if TYPE_CHECKING:
    from lofikit.models.base import Sampling


@click.command("report")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.html",
    help="The page.",
)
@click.option(
    "--library",
    type=click.Path(path_type=Path),
    help="The library, if it is no longer where the runs were trained on it.",
)
@click.option(
    "--prompts", default=3, show_default=True, help="Prompts: excerpts of held-back clips."
)
@click.option("--seeds", default=1, show_default=True, help="Takes of a run from each prompt.")
@click.option("--seconds", default=20.0, show_default=True, help="New music of each take [s].")
@click.option("--prompt-seconds", default=5.0, show_default=True, help="Length of a prompt [s].")
@sampled
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Show the figures of lofikit evaluate --json instead of those of these few takes.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def command(
    runs: tuple[Path, ...],
    output: Path,
    library: Path | None,
    prompts: int,
    seeds: int,
    seconds: float,
    prompt_seconds: float,
    sampling: Sampling,
    evaluation: Path | None,
    overwrite: bool,
) -> None:
    """Make a page to listen in: runs side by side, and blind.

    Every run goes on from the same prompts, which are excerpts of clips that none of them was
    trained on. The page is one file with sounds, pictures, figures, losses and credits in it. Open
    it in a browser, also without a network; it sends nothing.
    """
    import math

    from rich.markup import escape

    from lofikit.cli.display import note, out, progress
    from lofikit.credits import licence_note
    from lofikit.library import Library
    from lofikit.report.document import document
    from lofikit.report.evaluation_file import read_evaluation
    from lofikit.report.takes import ReportOptions, make_takes
    from lofikit.run import Run, write_atomically

    check_output(output, overwrite)
    if output.suffix.lower() not in (".html", ".htm"):
        raise OutputError(
            f"{output.name} is not the name of a page", f"end it in .html: -o {output.stem}.html"
        )
    options = ReportOptions(prompts, seeds, seconds, prompt_seconds, sampling)
    measured = read_evaluation(evaluation) if evaluation else None
    opened = [Run.open(path) for path in runs]
    for run in opened:
        for line in run.version_warnings():
            note(line)
    kinds = ("training_clips", "held_out_clips")  # the page holds excerpts of the latter
    clips = [clip for run in opened for kind in kinds for clip in run.manifest().get(kind, [])]
    if line := licence_note(clips):
        note(line)
    music = Library(library or Path(opened[0].config.library))
    total = len(opened) * prompts * seeds * seconds
    with progress() as bar:
        task = bar.add_task("generating seconds", total=math.ceil(total))
        made = 0.0

        def show(new: float) -> None:
            nonlocal made
            made += new
            bar.update(task, completed=round(made))

        comparisons = make_takes(opened, music, options, show)
        bar.update(task, completed=math.ceil(total))
    page = document(opened, comparisons, options, measured).encode()
    write_atomically(output, page)
    out.print(f"{len(page) / 1e6:.1f} MB: {escape(str(output))}; open it in a browser")
