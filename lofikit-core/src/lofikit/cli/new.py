"""``lofikit new``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import cast

import click

from lofikit.hookspecs import KINDS, Kind


@click.command("new", epilog="For example: lofikit new model mine/wavenet")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The package's folder.  [default: lofikit-PACKAGE]",
)
def command(kind: str, name: str, output: Path | None) -> None:
    """Write a plugin of your own: a package that works, with tests, to change.

    NAME is the component's name, package/name, or one word that serves as both.
    """
    from lofikit.scaffold import PluginName, write_plugin

    parsed = PluginName.parse(name)
    folder = output or Path(parsed.distribution)
    for file in write_plugin(cast(Kind, kind), parsed, folder):
        click.echo(f"  {folder / file}")
    place = shlex.quote(str(folder))
    click.echo(f"\nThe {kind} {parsed.full} is in {folder}. Install it, and see it work:")
    click.echo(f"  pip install -e {place}")
    click.echo(f"  lofikit check {parsed.full}")
    click.echo(f"Then put your own into {folder}/src, and read {folder / 'README.md'}.")
