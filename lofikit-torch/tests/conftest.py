"""Small models, quick to train, that the tests of this package share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lofikit.representations.base import FrameSpec
from lofikit.testing.cases import REAL, ModelCase

OPTIONS: dict[str, dict[str, Any]] = {
    "torch/tcn": {"filters": 6, "dilations": (1, 2), "window": 16},
    "torch/lstm": {"units": 6, "layers": 2, "window": 16},
    "torch/seq2seq": {"units": 6, "block": 4},
    "torch/gru": {"units": 16, "window": 16, "dropout": 0.0},
    "torch/transformer": {
        "width": 12,
        "layers": 2,
        "heads": 2,
        "attention_window": 7,
        "dropout": 0.0,
        "window": 16,
    },
    "torch/wavenet": {"channels": 6, "skips": 5, "dilations": (1, 2), "window": 16},
    "torch/samplernn": {"frame": 4, "units": 6, "width": 5, "window": 16},
    "torch/lru": {"width": 6, "states": 5, "blocks": 2, "window": 16},
}


@pytest.fixture(params=list(OPTIONS))
def component(request: pytest.FixtureRequest) -> str:
    """Each of the models."""
    name: str = request.param
    return name


@pytest.fixture
def small() -> Callable[..., ModelCase]:
    """Makes a case of a small model on the CPU, with some options changed."""

    def make(component: str, spec: FrameSpec = REAL, **options: Any) -> ModelCase:
        return ModelCase(component, {**OPTIONS[component], "device": "cpu", **options}, spec)

    return make
