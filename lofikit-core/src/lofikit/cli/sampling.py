"""How classes are drawn, as options of every command that makes takes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click


def sampled(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a :class:`~lofikit.models.base.Sampling`, given as ``sampling``."""

    @click.option(
        "--temperature",
        default=1.0,
        show_default=True,
        help="Below 1 is tamer, above 1 wilder; models of real values do not use it.",
    )
    @click.option(
        "--top-p",
        default=1.0,
        show_default=True,
        help="Draw from the likeliest classes that have this probability together.",
    )
    @click.option(
        "--fine",
        default=1.0,
        show_default=True,
        help="Factor on the temperature of the values of a frame after its first, such as the "
        "fine books of codes.",
    )
    @functools.wraps(command)
    def with_sampling(
        *arguments: Any, temperature: float, top_p: float, fine: float, **options: Any
    ) -> Any:
        from lofikit.models.base import Sampling

        return command(*arguments, sampling=Sampling(temperature, top_p, fine), **options)

    return with_sampling
