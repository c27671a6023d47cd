"""Collecting clips from a source, one bad clip never stopping the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lofikit.audio import quiet_decoders
from lofikit.errors import AudioError, LofikitError
from lofikit.library import Library
from lofikit.sources.base import ClipFailure, Source

Progress = Callable[[str], None]
"""Called with the name of each clip that is done with."""


@dataclass
class Report:
    """What became of each clip.

    Attributes:
        added: Names of new clips, or of clips that got stems.
        known: How many were there already.
        damaged: Name and damage of clips that were taken in part.
        failed: Name and reason of clips that were not taken.
    """

    added: list[str] = field(default_factory=list)
    known: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def collect(
    source: Source, name: str, library: Library, progress: Progress = lambda _: None
) -> Report:
    """Puts the clips of a source into a library.

    Args:
        source: Where they come from.
        name: The source's full name.
        library: Where they go; what it holds already is not read again.
        progress: Called as each clip is done with.

    Returns:
        What became of each clip.
    """
    scope = f"{source.scope}/" if source.scope else ""
    known = known_keys(source, name, library)
    report = Report(known=len(known))
    with quiet_decoders():
        for data in source.clips(known):
            if data.key in known:
                continue
            if isinstance(data, ClipFailure):
                report.failed.append((data.key, data.reason))
            else:
                try:
                    clip, new = library.add(name, replace(data, key=scope + data.key))
                except AudioError as error:
                    report.failed.append((data.key, _without_name(error)))
                else:
                    if new:
                        report.added.append(clip.name)
                    else:
                        report.known += 1
                    if clip.damage and new:
                        report.damaged.append((data.key, clip.damage))
            progress(data.key)
    return report


def known_keys(source: Source, name: str, library: Library) -> frozenset[str]:
    """Returns the keys of a source's scope that a library holds already."""
    scope = f"{source.scope}/" if source.scope else ""
    keys = library.known_keys(name)
    return frozenset(key.removeprefix(scope) for key in keys if key.startswith(scope))


def _without_name(error: LofikitError) -> str:
    """Drops the file's name that the message begins with: the report names it already."""
    return error.message.partition(": ")[2] or error.message
