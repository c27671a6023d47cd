"""What lofikit-PACKAGE offers. Imports nothing heavy: it is read whenever plugins are listed."""

from __future__ import annotations

from lofikit.hookspecs import Component, hookimpl


@hookimpl
def lofikit_components() -> list[Component]:
    """Returns the KIND; its module is imported when it is built."""
    return [
        Component(
            kind="KIND",
            name="PACKAGE/NAME",
            summary="SUMMARY",
            target="lofikit_PACKAGE.KIND:CLASS",
            config="lofikit_PACKAGE.config:CLASSConfig",
        )
    ]
