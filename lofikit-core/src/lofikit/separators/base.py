"""The interface of a separator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from lofikit.audio import Audio


class Separator(ABC):
    """Takes music apart into stems.

    Args:
        config: The separator's options.
    """

    def __init__(self, config: Any) -> None:
        self.config = config

    @property
    @abstractmethod
    def stems(self) -> tuple[str, ...]:
        """Names of the stems, for example ``("percussive", "harmonic")``."""

    @abstractmethod
    def separate(self, audio: Audio) -> dict[str, Audio]:
        """Returns every stem, with the rate, length and channels of ``audio``."""

    def close(self) -> None:  # noqa: B027
        """Releases what the separator holds (a process, a graph). Called once, at the end."""
