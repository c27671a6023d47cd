"""The interface of a source of music."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lofikit.audio import Audio


@dataclass(frozen=True)
class ClipData:
    """A clip as a source offers it, before it is in a library.

    Attributes:
        key: What names this clip within its source and scope for ever (a path, a track id): a
            clip that the library holds under this key is not read again.
        audio: The music: a file on disk, which the library copies before it asks for the next
            clip, or samples in memory.
        title: Title, or an empty text.
        artist: Artist, or an empty text.
        licence: SPDX identifier where there is one (``CC0-1.0``), or an empty text if unknown.
        origin: Where it is from, as a person would cite it (a URL, a folder).
        stems: True stems, if the source has them, by name: same rate and length as the clip.
        details: Anything else worth keeping, as JSON values.
    """

    key: str
    audio: Path | Audio
    title: str = ""
    artist: str = ""
    licence: str = ""
    origin: str = ""
    stems: Mapping[str, Audio] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


class Source(ABC):
    """Gives clips, one after the other.

    Args:
        config: The source's options.

    Attributes:
        note: Called with a line that the user should read and that is no failure: how long a
            server is waited for, what was left out. The command line shows it; until somebody
            sets it, it is logged.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.note: Callable[[str], None] = logging.getLogger("lofikit").warning

    @property
    def scope(self) -> str:
        """What the keys are unique within, if not the source: a folder's path, for example."""
        return ""

    @abstractmethod
    def clips(self, known: frozenset[str]) -> Iterable[ClipData | ClipFailure]:
        """Yields clips lazily, in an order that stays the same.

        A clip that cannot be had is yielded as a :class:`ClipFailure` and the iteration goes
        on; an exception ends the collection (what was collected is kept).

        Args:
            known: Keys that the library holds already; they need not be yielded, and must not
                be downloaded or rendered again.
        """

    def total(self) -> int | None:
        """Returns how many clips there are, known ones included, if that is known beforehand."""
        return None


@dataclass(frozen=True)
class ClipFailure:
    """A clip that could not be had.

    Attributes:
        key: What names it within its source and scope.
        reason: Why, in one line.
    """

    key: str
    reason: str
