"""What lofikit-markov offers."""

from __future__ import annotations

from lofikit.hookspecs import Component, hookimpl


@hookimpl
def lofikit_components() -> list[Component]:
    """Returns the model; its module is imported when it is built."""
    return [
        Component(
            kind="model",
            name="markov/chain",
            summary="Counts what followed which context, and backs off to shorter ones.",
            target="lofikit_markov.model:Chain",
            config="lofikit_markov.config:ChainConfig",
        )
    ]
