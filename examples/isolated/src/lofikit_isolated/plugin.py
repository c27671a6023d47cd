"""What lofikit-isolated offers."""

from __future__ import annotations

from lofikit.hookspecs import Component, hookimpl


@hookimpl
def lofikit_components() -> list[Component]:
    """Returns the separator."""
    return [
        Component(
            kind="separator",
            name="isolated/bands",
            summary="Bass and treble, by a library in an environment of its own.",
            target="lofikit_isolated.separator:Bands",
            config="lofikit_isolated.config:BandsConfig",
        )
    ]
