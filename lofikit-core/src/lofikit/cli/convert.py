"""``lofikit convert``."""

from __future__ import annotations

from pathlib import Path

import click

from lofikit.cli.components import ComponentType


@click.command("convert")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "name",
    type=ComponentType("model"),
    required=True,
    metavar="MODEL",
    help="The same model of another backend, for example torch/tcn.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="RUN",
    help="Folder of the new run.",
)
def command(run: Path, name: str, output: Path) -> None:
    """Take a run to the same model of another backend, with its weights.

    The new run gives what the old one gives: the same outputs for the same frames.
    """
    from lofikit.cli.display import note
    from lofikit.conversion import convert
    from lofikit.run import Run

    new, left = convert(Run.open(run), name, output)
    if left:
        note(f"left out, as each backend has its own: {', '.join(left)}")
    click.echo(f"converted to {new.config.model.name}: {output}")
