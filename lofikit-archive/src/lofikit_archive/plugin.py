"""What lofikit-archive offers."""

from __future__ import annotations

from lofikit.hookspecs import Component, hookimpl


@hookimpl
def lofikit_components() -> list[Component]:
    """Returns the source."""
    return [
        Component(
            kind="source",
            name="archive/archive",
            summary="Openly licensed music from the Internet Archive; needs no account.",
            target="lofikit_archive.source:Archive",
            config="lofikit_archive.config:ArchiveConfig",
        )
    ]
