"""``lofikit separate``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from lofikit.cli.components import (
    Chosen,
    ComponentCommand,
    ComponentType,
    build_chosen,
    value_of,
)
from lofikit.plugins import load_class, registry


def _choose(args: list[str]) -> Chosen:
    name = value_of(args, "--separator")
    return {"separator": registry().find("separator", name)} if name else {}


@click.command("separate", cls=ComponentCommand, choose=_choose)
@click.argument("library", type=click.Path(path_type=Path))
@click.option(
    "--separator",
    type=ComponentType("separator"),
    required=True,
    help="The separator, for example hpss.",
)
@click.option(
    "--as",
    "label",
    metavar="NAME",
    help="Name the stems NAME/stem; without it they bear the separator's name.",
)
@click.pass_context
def command(ctx: click.Context, library: Path, separator: str, label: str | None) -> int:
    """Take the clips of a library apart into stems.

    Clips that have their stems are passed over, so a separation that was stopped goes on. A stem
    is then a data set: lofikit train LIBRARY --stem hpss/percussive.
    """
    from lofikit.cli.display import progress, report
    from lofikit.library import Library
    from lofikit.separation import separate

    found = Library(library)
    component, config = build_chosen(ctx, "separator")
    with closing(load_class(component.target)(config)) as made, progress() as bar:
        task = bar.add_task("separating", total=len(found.clips))
        name = label or component.name.partition("/")[2]
        done = separate(found, made, name, lambda _: bar.advance(task))
    return report(done, "clips separated", library)
