"""The models under core's suite."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from lofikit.testing.cases import CLASSES, CODES, REAL, WIDE
from lofikit.testing.models import ModelSuite

RANDOM = {"dropout": 0.2, "input_noise": 0.05}
# Each model of the suite is traced anew, so they are as small as they can be.
QUICK = {"device": "cpu", "jit_compile": "off"}


class TestTCN(ModelSuite):
    component = "keras/tcn"
    options: ClassVar[dict[str, Any]] = {"window": 12, "filters": 6, "dilations": (1, 3), **QUICK}
    random_options = RANDOM
    specs = (REAL,)
    unsupported = (CODES,)


LOGISTICS: dict[str, Any] = {"head": "logistics", "mixtures": 3}
GUIDED: dict[str, Any] = {**LOGISTICS, "predictor": "levinson", "predictor_order": 4}


@pytest.mark.slow
class TestTCNOfLogistics(ModelSuite):
    component = "keras/tcn"
    options: ClassVar[dict[str, Any]] = {**TestTCN.options, **LOGISTICS, "embedding": 4}
    random_options: ClassVar[dict[str, Any]] = {"dropout": 0.2}
    specs = (CLASSES,)
    unsupported = (REAL, CODES)
    test_new_process = None


@pytest.mark.slow
class TestLSTMBesideAPredictor(ModelSuite):
    component = "keras/lstm"
    options: ClassVar[dict[str, Any]] = {"window": 12, "units": 8, **GUIDED, **QUICK}
    random_options = RANDOM
    specs = (CLASSES,)
    unsupported = (REAL, CODES, WIDE)
    learning_rate = 3e-2
    test_new_process = None


@pytest.mark.slow
class TestLSTM(ModelSuite):
    component = "keras/lstm"
    options: ClassVar[dict[str, Any]] = {"window": 12, "units": 8, "targets": "last", **QUICK}
    random_options = RANDOM
    specs = (CLASSES,)
    test_new_process = None  # starting TensorFlow takes long, and is the same for all models
    unsupported = (CODES,)


@pytest.mark.slow
class TestSeq2Seq(ModelSuite):
    component = "keras/seq2seq"
    options: ClassVar[dict[str, Any]] = {"block": 4, "units": 10, **QUICK}
    random_options = RANDOM
    specs = (WIDE,)
    test_new_process = None
    unsupported = (CODES,)


GRU: dict[str, Any] = {"window": 12, "units": 8, "layers": 1, "embedding": 4, "dropout": 0.0}
TRANSFORMER: dict[str, Any] = {
    "window": 12,
    "width": 8,
    "layers": 2,
    "heads": 2,
    "attention_window": 4,
    "embedding": 4,
    "dropout": 0.0,
}
RANDOM_IDS = {"dropout": 0.2, "id_noise": 0.1}


@pytest.mark.slow
class TestGRU(ModelSuite):
    component = "keras/gru"
    options: ClassVar[dict[str, Any]] = {**GRU, "carry": 3, **QUICK}
    random_options = RANDOM_IDS
    specs = (CODES,)
    test_new_process = None


@pytest.mark.slow
class TestTransformer(ModelSuite):
    component = "keras/transformer"
    options: ClassVar[dict[str, Any]] = {**TRANSFORMER, "targets": "last", **QUICK}
    random_options = RANDOM_IDS
    specs = (CODES,)
    test_new_process = None


LRU: dict[str, Any] = {"window": 12, "width": 8, "states": 6, "blocks": 1}


@pytest.mark.slow
class TestLRU(ModelSuite):
    component = "keras/lru"
    options: ClassVar[dict[str, Any]] = {**LRU, "carry": 3, **QUICK}
    random_options = RANDOM
    specs = (CLASSES,)
    unsupported = (CODES,)
    test_new_process = None


WAVENET: dict[str, Any] = {"window": 12, "channels": 6, "skips": 5, "dilations": (1, 2)}
SAMPLERNN: dict[str, Any] = {"window": 14, "frame": 4, "units": 6, "width": 5}
NOISY = {"input_noise": 0.05}


@pytest.mark.slow
class TestWaveNet(ModelSuite):
    component = "keras/wavenet"
    options: ClassVar[dict[str, Any]] = {**WAVENET, **QUICK}
    random_options = NOISY
    specs = (CLASSES,)
    unsupported = (CODES,)
    test_new_process = None


@pytest.mark.slow
class TestSampleRNN(ModelSuite):
    component = "keras/samplernn"
    options: ClassVar[dict[str, Any]] = {**SAMPLERNN, **QUICK}
    random_options = NOISY
    specs = (CLASSES,)
    unsupported = (CODES,)
    test_new_process = None
