"""What tests of all packages share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parent.parent / "shared" / "data"


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the shared audio in {folder.name}/ is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def lofi() -> Path:
    """22 real lo-fi excerpts (CC0), with a manifest."""
    return _shared("lofi")


@pytest.fixture(scope="session")
def odd() -> Path:
    """Damaged, mislabelled and unusual files."""
    return _shared("odd")
