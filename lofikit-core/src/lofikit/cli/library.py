"""``lofikit library``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lofikit.cli.components import check_output
from lofikit.errors import OptionError

if TYPE_CHECKING:
    from lofikit.library import Library


@click.command("library")
@click.argument("library", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything, as JSON.")
@click.option(
    "--credits", "as_credits", is_flag=True, help="Print the credits that licences ask for."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --credits: write them to this file, for example CREDITS.md.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def command(
    library: Path, as_json: bool, as_credits: bool, output: Path | None, overwrite: bool
) -> None:
    """Show what is in a library: clips, their provenance, and their stems."""
    from rich.markup import escape

    from lofikit.cli.display import out, table
    from lofikit.library import Library, licences
    from lofikit.silence import SILENCE

    found = Library(library)
    if output is not None and not as_credits:
        raise OptionError("-o is for --credits alone", f"add --credits -o {output}")
    if as_credits:
        _credits(found, output, overwrite)
        return
    if as_json:
        records = [{**dataclasses.asdict(c), "stems": found.stems(c)} for c in found.clips]
        click.echo(json.dumps(records, indent=1, ensure_ascii=False))
        return
    rows = table("clip", "seconds", "Hz", "title", "artist", "licence", "sha256", "origin")
    for clip in found.clips:
        rows.add_row(
            clip.id,
            f"{clip.seconds:.1f}",
            str(clip.rate),
            escape(clip.title),
            escape(clip.artist),
            escape(clip.licence or "unknown"),
            clip.sha256[:12],
            escape(clip.origin),
        )
    out.print(rows)
    hours = sum(clip.seconds for clip in found.clips) / 3600
    out.print(f"\n{len(found.clips)} clips, {hours:.2f} hours")
    for licence, clips in licences(found.clips):
        out.print(f"licence {escape(licence)}: {len(clips)} clips")
    for stem, count in found.stem_names().items():
        share = found.silent_share(stem)
        silent = "" if share is None else f", {share:.0%} silent (below {SILENCE:g} dBFS)"
        out.print(f"stem {stem}: {count} clips{silent}")
    for clip in found.clips:
        if clip.damage:
            out.print(f"read in part: {escape(clip.id)}: {escape(clip.damage)}")


def _credits(library: Library, output: Path | None, overwrite: bool) -> None:
    from lofikit.credits import credits_text
    from lofikit.run import write_atomically

    count = len(library.clips)
    text = credits_text(
        [dataclasses.asdict(clip) for clip in library.clips],
        f"The library {library.path.resolve().name} holds {count} clips.",
    )
    if output is None:
        click.echo(text, nl=False)
        return
    check_output(output, overwrite)
    write_atomically(output, text.encode())
    click.echo(f"credits of {count} clips: {output}")
