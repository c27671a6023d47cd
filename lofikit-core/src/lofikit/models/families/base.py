"""What makes a family of networks: how it cuts chunks, what it learns, and what it computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lofikit.models.initial import Initial, Shape
from lofikit.options import Options
from lofikit.streaming.network import Dense, EncoderDecoder, Input, Network

C = TypeVar("C")
T = TypeVar("T")

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Parameter:
    """A weight that is learned.

    Attributes:
        shape: In core's layout.
        initial: Draws its first values.
    """

    shape: Shape
    initial: Initial


Parameters = dict[str, Parameter]
"""Weights by their names, in the order of the layers, which is that of their first draws."""


class Family(ABC, Generic[C]):
    """Everything about a family that does not depend on the backend.

    The layers lie between how a frame goes in (:class:`~lofikit.streaming.network.Input`) and a
    dense head, which all families share; see :mod:`lofikit.models.layers`.
    """

    @abstractmethod
    def features(self, config: C) -> int:
        """Returns how many values a frame the head takes."""

    @abstractmethod
    def parameters(self, config: C, inputs: int) -> Parameters:
        """Returns the weights of the layers, of which the first takes ``inputs`` values a frame."""

    @abstractmethod
    def network(
        self, config: C, frames: Input, weights: Weights, head: Dense
    ) -> Network | EncoderDecoder:
        """Returns the description that the streaming engine runs."""

    def block(self, config: C) -> int:
        """Returns how many frames one prediction yields."""
        return 1

    @abstractmethod
    def window(self, config: C) -> int:
        """Returns how many frames of a training example are inputs."""

    def receptive_field(self, config: C) -> int | None:
        """Returns how many past frames a prediction depends on; None where there is no bound."""
        return None

    def context(self, config: C) -> int:
        """Returns how many frames a prompt must have.

        By default the receptive field, as more change nothing; where it has no bound the window,
        which is the longest history that was learned.
        """
        return self.receptive_field(config) or self.window(config)


def of_config(table: Mapping[type[Options], T], config: Options) -> T:
    """Returns a table's entry for a config, or for the first class that it derives from.

    Raises:
        TypeError: If there is none.
    """
    for kind in type(config).__mro__:
        if kind in table:
            return table[kind]
    known = ", ".join(kind.__name__ for kind in table)
    raise TypeError(f"{type(config).__name__} derives from none of: {known}.")
