"""The one hook that a plugin implements.

A plugin is an installed distribution with an entry point in the group ``lofikit`` that names a
module. That module has one function::

    from lofikit.hookspecs import Component, hookimpl

    @hookimpl
    def lofikit_components() -> list[Component]:
        return [
            Component(
                kind="model",
                name="torch/tcn",
                summary="Temporal convolutional network (keras-tcn's block).",
                target="lofikit_torch.models:TorchModel",
                config="lofikit_torch.config:TorchTCNConfig",
            )
        ]

The module must import nothing heavy: it is imported to list the plugin, and the modules that
``target`` and ``config`` name are imported only when the component is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pluggy

Kind = Literal["source", "separator", "representation", "model"]
KINDS: tuple[Kind, ...] = ("source", "separator", "representation", "model")

hookspec = pluggy.HookspecMarker("lofikit")
hookimpl = pluggy.HookimplMarker("lofikit")


@dataclass(frozen=True)
class Component:
    """What a plugin offers, as plain data.

    Attributes:
        kind: Which of the four interfaces the component implements.
        name: ``package/name``, for example ``torch/tcn``; lower case, unique within its kind.
        summary: One line for ``lofikit plugins``.
        target: ``module:Class`` of the implementation, imported when it is built.
        config: ``module:Class`` of its pydantic options, imported when they are needed.
    """

    kind: Kind
    name: str
    summary: str
    target: str
    config: str


@hookspec
def lofikit_components() -> list[Component]:  # type: ignore[empty-body]
    """Returns the components of this plugin. Called once a process; must not import much."""
