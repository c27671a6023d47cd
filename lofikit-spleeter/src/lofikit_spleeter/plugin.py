"""What lofikit-spleeter offers."""

from __future__ import annotations

from lofikit.hookspecs import Component, hookimpl


@hookimpl
def lofikit_components() -> list[Component]:
    """Returns the separator."""
    return [
        Component(
            kind="separator",
            name="spleeter/spleeter",
            summary="Vocals, drums, bass, piano and the rest by Deezer's U-nets (the paper's).",
            target="lofikit_spleeter.separator:Spleeter",
            config="lofikit_spleeter.config:SpleeterConfig",
        )
    ]
