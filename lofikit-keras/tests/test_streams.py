"""TensorFlow's own streams, without core's engine, under the suite's checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lofikit.representations.base import FrameSpec
from lofikit.testing.cases import CLASSES, CODES, REAL, WIDE, ModelCase
from lofikit.testing.streams import STREAM_CHECKS

TCN: dict[str, Any] = {
    "window": 12,
    "filters": 6,
    "kernel_size": 3,
    "dilations": (2,),
    "activation": "gelu_tanh",
    "skips": False,
    "targets": "last",
    "embedding": 4,
}
GRU: dict[str, Any] = {"window": 12, "units": 8, "layers": 1, "embedding": 4, "dropout": 0.0}
TRANSFORMER: dict[str, Any] = {
    "window": 12,
    "width": 8,
    "layers": 2,
    "heads": 4,
    "kv_heads": 2,
    "attention_window": 4,
    "embedding": 0,
    "dropout": 0.0,
}


NAMED = ("head", "predictor")


def case(component: str, spec: FrameSpec, **options: Any) -> ModelCase:
    by_tensorflow = {"device": "cpu", "jit_compile": "off", "engine": False}
    return ModelCase(component, options | by_tensorflow, spec)


@pytest.mark.parametrize(
    "case",
    [
        case("keras/tcn", CODES, **TCN),
        case("keras/lstm", WIDE, window=12, units=8, layers=2),
        case("keras/lstm", CLASSES, window=12, units=8, head="logistics", mixtures=3),
        case("keras/tcn", CLASSES, **TCN, head="logistics", predictor="rls", predictor_order=4),
        case("keras/seq2seq", CLASSES, block=4, units=10),
        case("keras/gru", CODES, **GRU),
        case("keras/transformer", WIDE, **TRANSFORMER),
        case("keras/lru", REAL, window=12, width=8, states=6, blocks=2),
        case("keras/wavenet", WIDE, window=12, channels=6, skips=5, dilations=(1, 2)),
        case("keras/samplernn", WIDE, window=14, frame=4, units=6, width=5),
    ],
    ids=lambda case: "-".join([case.component, *filter(None, map(case.options.get, NAMED))]),
)
@pytest.mark.parametrize("check", STREAM_CHECKS, ids=lambda check: check.__name__)
def test_streams_of_tensorflow(check: Callable[[ModelCase], None], case: ModelCase) -> None:
    check(case)
