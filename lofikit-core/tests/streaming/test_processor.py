"""Narrower vectors, and a cache that cannot be written: each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging
import numpy as np
from lofikit.streaming.engine import open_stream
from lofikit.streaming.network import Conv, Dense, Input, LSTM, Network
from lofikit.streaming.processor import this_processor

logging.basicConfig(level=logging.INFO)
rng = np.random.default_rng(0)
def random(*shape): return rng.normal(scale=0.3, size=shape)
layers = (
    Conv(random(3, 1, 70), random(70), 2, "tanh"),
    Conv(random(2, 70, 9), random(9), 3, "elu"),
    LSTM(random(9, 80), random(20, 80), random(80)),
)
network = Network(Input(1), layers, Dense(random(20, 1), random(1)))
frames = random(5, 60, 1).astype("f4")
outputs = [open_stream(network, 5, weights=w).prime(frames) for w in ("float32", "int8")]
print(this_processor().lanes, *np.ravel(outputs).tolist())
"""


def outputs(**environment: str) -> tuple[int, list[float], str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lanes, *values = done.stdout.split()
    return int(lanes), [float(value) for value in values], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("bits", [128, 32])
def test_narrow_vectors_give_the_same_values(bits: int, tmp_path: Path) -> None:
    narrow = {"LOFIKIT_VECTOR_BITS": str(bits), "NUMBA_CACHE_DIR": str(tmp_path)}

    (lanes, values, said), (_, again, silent) = outputs(**narrow), outputs(**narrow)

    _, widest, _ = outputs(LOFIKIT_VECTOR_BITS="256")
    assert lanes == bits // 32
    assert values == again == pytest.approx(widest, rel=0, abs=1e-5)
    # Compiling is announced, reading the cache is not.
    assert f"INFO:lofikit.streaming:compiling the streaming engine for {bits}-bit" in said
    assert "compiling" not in silent


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    environment = {
        "NUMBA_CACHE_LOCATOR_CLASSES": "numba.core.caching._UserProvidedCacheLocator",
        "NUMBA_CACHE_DIR": str(blocked / "cache"),
    }
    program = (
        "from lofikit.streaming.sampling import draw_frames, stream_keys\n"
        "from lofikit.streaming.processor import this_processor\n"
        "import numpy as np\n"
        "frames = np.empty((1, 1, 1), np.float32)\n"
        "logits = np.float32([0, 9])\n"
        "draw_frames(this_processor(), logits, frames, 2, np.zeros(1), 1.0, stream_keys(0, 1), 0)\n"
        "print(frames)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "[[[1.]]]\n", done.stderr


def test_another_width_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "LOFIKIT_VECTOR_BITS": "96"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "LOFIKIT_VECTOR_BITS='96'" in done.stderr
