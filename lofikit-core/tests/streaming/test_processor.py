"""Narrower vectors, and a cache that cannot be written: each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import numpy as np
from lofikit.streaming.engine import open_stream
from lofikit.streaming.network import Conv, Dense, Input, LSTM, Network
from lofikit.streaming.processor import this_processor

rng = np.random.default_rng(0)
def random(*shape): return rng.normal(scale=0.3, size=shape)
layers = (
    Conv(random(3, 1, 70), random(70), 2, "tanh"),
    Conv(random(2, 70, 9), random(9), 3, "elu"),
    LSTM(random(9, 80), random(20, 80), random(80)),
)
network = Network(Input(1), layers, Dense(random(20, 1), random(1)))
outputs = open_stream(network, 5).prime(random(5, 60, 1).astype("f4"))
print(this_processor().lanes, *outputs.ravel().tolist())
"""


def outputs(**environment: str) -> tuple[int, list[float]]:
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
    return int(lanes), [float(value) for value in values]


@pytest.mark.parametrize("bits", [128, 32])
def test_narrow_vectors_give_the_same_values(bits: int) -> None:
    lanes, narrow = outputs(LOFIKIT_VECTOR_BITS=str(bits))
    _, widest = outputs(LOFIKIT_VECTOR_BITS="256")

    assert lanes == bits // 32
    assert narrow == pytest.approx(widest, rel=0, abs=1e-5)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()

    _, values = outputs(
        NUMBA_CACHE_LOCATOR_CLASSES="numba.core.caching._UserProvidedCacheLocator",
        NUMBA_CACHE_DIR=str(blocked / "cache"),
        LOFIKIT_VECTOR_BITS="256",
    )

    assert len(values) == 300


def test_another_width_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "LOFIKIT_VECTOR_BITS": "96"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "LOFIKIT_VECTOR_BITS='96'" in done.stderr
