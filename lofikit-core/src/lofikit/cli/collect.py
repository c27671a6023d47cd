"""``lofikit collect``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

import click

from lofikit.cli.components import Chosen, ComponentCommand, ComponentType, build_chosen
from lofikit.errors import PluginError
from lofikit.plugins import load_class, registry
from lofikit.sources.base import Source


def _choose(args: list[str]) -> Chosen:
    """Takes the first word as a source: its name, or a folder of music."""
    for word in args[:1]:
        if not word.startswith("-"):
            return {"source": registry().find("source", _source_name(word))}
    return {}


def _source_name(word: str) -> str:
    """Returns the source that a word means: a folder stands for the source ``folder``."""
    try:
        return registry().find("source", word).name
    except PluginError:
        if Path(word).is_dir() or word.startswith((".", "/", "~")):
            return "core/folder"
        raise


@click.command(
    "collect",
    cls=ComponentCommand,
    choose=_choose,
    epilog="The options of a source: lofikit collect SOURCE --help",
)
@click.argument("source", type=ComponentType("source"))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="LIBRARY",
    help="The library's folder; made if it is not there, added to if it is.",
)
@click.pass_context
def command(ctx: click.Context, source: str, output: Path) -> int:
    """Put music into a library.

    SOURCE is a folder of audio files, or the name of a source, for example synthetic. What is
    there already is not collected again, and a collection that was stopped goes on.
    """
    from lofikit.cli.display import note, progress, report
    from lofikit.collection import collect, known_keys
    from lofikit.library import Library

    layers = [{"path": source}] if _is_folder(source) else []
    component, config = build_chosen(ctx, "source", *layers)
    made = cast(Source, load_class(component.target)(config))
    made.note = note
    total = made.total()  # a source that cannot work says so before a library is made
    library = Library(output, create=True)
    with progress() as bar:
        made.note = partial(note, console=bar.console)
        known = len(known_keys(made, component.name, library))
        task = bar.add_task("collecting", total=total, completed=known)
        done = collect(made, component.name, library, lambda _: bar.advance(task))
    return report(done, "clips collected", output)


def _is_folder(word: str) -> bool:
    try:
        registry().find("source", word)
    except PluginError:
        return True
    return False
