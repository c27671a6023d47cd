"""Fixtures that several modules of core's tests share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def processes_of() -> Callable[[Path], list[str]]:
    """Returns the ids of the processes whose environment names a folder, by Linux's /proc."""

    def find(folder: Path) -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(folder).encode() in (process / "environ").read_bytes():
                    found.append(process.name)
        return found

    return find
