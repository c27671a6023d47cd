"""Fixtures that several modules of core's tests share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lofikit.errors import IsolationError
from lofikit.isolation import find_uv


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


@pytest.fixture(scope="module")
def offline_uv() -> Iterator[None]:
    """Lets uv use what it has at hand alone; skips where there is no uv."""
    try:
        find_uv()
    except IsolationError:
        pytest.skip("uv is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_OFFLINE", "1")
        yield
