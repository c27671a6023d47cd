"""The models under core's suite, on the compiled engine and on torch's own streams."""

from __future__ import annotations

from typing import Any, ClassVar

from lofikit.testing.cases import CLASSES, CODES, REAL, WIDE
from lofikit.testing.models import ModelSuite

RANDOM = {"dropout": 0.2, "input_noise": 0.05}
BY_TORCH = {"device": "cpu", "engine": False}
AS_ABOVE = None  # a state is stored the same way, whoever streams


class TestTCN(ModelSuite):
    component = "torch/tcn"
    options: ClassVar[dict[str, Any]] = {
        "window": 24,
        "filters": 8,
        "dilations": (1, 2, 4),
        "device": "cpu",
    }
    random_options = RANDOM
    specs = (REAL, CLASSES, WIDE)
    unsupported = (CODES,)


class TestTCNByTorch(ModelSuite):
    test_new_process = AS_ABOVE
    component = "torch/tcn"
    options: ClassVar[dict[str, Any]] = {
        "window": 24,
        "filters": 6,
        "kernel_size": 3,
        "dilations": (1, 3),
        "stacks": 2,
        "activation": "gelu",
        "skips": False,
        "targets": "last",
        "embedding": 4,
        **BY_TORCH,
    }
    random_options: ClassVar[dict[str, Any]] = {"dropout": 0.2}
    specs = (CLASSES, CODES)
    unsupported = (REAL,)


class TestTCNOfLogistics(TestTCN):
    options: ClassVar[dict[str, Any]] = {**TestTCN.options, "head": "logistics", "mixtures": 3}
    specs = (CLASSES,)
    unsupported = (REAL, CODES)


class TestTCNOfLogisticsByTorch(TestTCNByTorch):
    options: ClassVar[dict[str, Any]] = {**TestTCNByTorch.options, "head": "logistics"}
    specs = (CLASSES,)
    unsupported = (REAL, CODES)


class TestLSTMBesideAPredictor(ModelSuite):
    component = "torch/lstm"
    options: ClassVar[dict[str, Any]] = {
        "window": 16,
        "units": 8,
        "device": "cpu",
        "head": "logistics",
        "mixtures": 3,
        "predictor": "levinson",
        "predictor_order": 4,
    }
    random_options = RANDOM
    specs = (CLASSES,)
    unsupported = (REAL, CODES, WIDE)
    learning_rate = 3e-2


class TestTCNBesideAPredictorByTorch(TestTCNByTorch):
    options: ClassVar[dict[str, Any]] = {
        **TestTCNByTorch.options,
        "head": "logistics",
        "predictor": "rls",
        "predictor_order": 4,
    }
    specs = (CLASSES,)
    unsupported = (REAL, CODES)


class TestLSTM(ModelSuite):
    component = "torch/lstm"
    options: ClassVar[dict[str, Any]] = {"window": 16, "units": 8, "carry": 3, "device": "cpu"}
    random_options = RANDOM
    specs = (REAL, CLASSES)
    unsupported = (CODES,)


class TestLSTMByTorch(ModelSuite):
    test_new_process = AS_ABOVE
    component = "torch/lstm"
    options: ClassVar[dict[str, Any]] = {
        "window": 16,
        "units": 8,
        "layers": 2,
        "targets": "last",
        **BY_TORCH,
    }
    random_options = RANDOM
    specs = (REAL, CLASSES, WIDE)
    unsupported = (CODES,)


class TestSeq2Seq(ModelSuite):
    component = "torch/seq2seq"
    options: ClassVar[dict[str, Any]] = {"block": 5, "units": 12, "device": "cpu"}
    random_options = RANDOM
    specs = (WIDE, CLASSES)
    unsupported = (CODES,)


class TestSeq2SeqByTorch(ModelSuite):
    test_new_process = AS_ABOVE
    component = "torch/seq2seq"
    options: ClassVar[dict[str, Any]] = {"block": 5, "units": 12, **BY_TORCH}
    random_options = RANDOM
    specs = (WIDE, CLASSES)
    unsupported = (CODES,)


class TestGRU(ModelSuite):
    component = "torch/gru"
    options: ClassVar[dict[str, Any]] = {
        "window": 16,
        "units": 8,
        "layers": 1,
        "dropout": 0.0,
        "carry": 3,
        "device": "cpu",
    }
    random_options: ClassVar[dict[str, Any]] = {"dropout": 0.2, "id_noise": 0.1}
    specs = (CODES, CLASSES)


class TestGRUByTorch(ModelSuite):
    test_new_process = AS_ABOVE
    component = "torch/gru"
    options: ClassVar[dict[str, Any]] = {
        "window": 16,
        "units": 8,
        "dropout": 0.0,
        "targets": "last",
        **BY_TORCH,
    }
    random_options = RANDOM
    specs = (REAL, WIDE)


TRANSFORMER: dict[str, Any] = {
    "window": 16,
    "width": 16,
    "layers": 2,
    "heads": 2,
    "attention_window": 6,
    "dropout": 0.0,
}


class TestTransformer(ModelSuite):
    component = "torch/transformer"
    options: ClassVar[dict[str, Any]] = {**TRANSFORMER, "device": "cpu"}
    random_options: ClassVar[dict[str, Any]] = {"dropout": 0.2, "id_noise": 0.1}
    specs = (CODES, CLASSES)


class TestTransformerByTorch(ModelSuite):
    test_new_process = AS_ABOVE
    component = "torch/transformer"
    options: ClassVar[dict[str, Any]] = {**TRANSFORMER, "kv_heads": 2, "embedding": 0, **BY_TORCH}
    random_options = RANDOM
    specs = (CLASSES, WIDE)
    unsupported = (CODES,)


LRU: dict[str, Any] = {"window": 16, "width": 8, "states": 6, "blocks": 2}


class TestLRU(ModelSuite):
    component = "torch/lru"
    options: ClassVar[dict[str, Any]] = {**LRU, "carry": 3, "device": "cpu"}
    random_options = RANDOM
    specs = (REAL, CLASSES)
    unsupported = (CODES,)


class TestLRUByTorch(ModelSuite):
    test_new_process = AS_ABOVE
    component = "torch/lru"
    options: ClassVar[dict[str, Any]] = {**LRU, "embedding": 4, "targets": "last", **BY_TORCH}
    random_options: ClassVar[dict[str, Any]] = {"dropout": 0.2}
    specs = (CLASSES, CODES)
    unsupported = (REAL,)


WAVENET: dict[str, Any] = {"window": 16, "channels": 8, "skips": 6, "dilations": (1, 2, 4)}
NOISE = {"input_noise": 0.05}


class TestWaveNet(ModelSuite):
    component = "torch/wavenet"
    options: ClassVar[dict[str, Any]] = {**WAVENET, "device": "cpu"}
    random_options = NOISE
    specs = (REAL, CLASSES)
    unsupported = (CODES,)


class TestWaveNetByTorch(ModelSuite):
    test_new_process = AS_ABOVE
    component = "torch/wavenet"
    options: ClassVar[dict[str, Any]] = {
        **WAVENET,
        "kernel_size": 3,
        "embedding": 4,
        "targets": "last",
        **BY_TORCH,
    }
    specs = (CLASSES, CODES)
    unsupported = (REAL,)


SAMPLERNN: dict[str, Any] = {"window": 16, "frame": 4, "units": 8, "width": 6}


class TestSampleRNN(ModelSuite):
    component = "torch/samplernn"
    options: ClassVar[dict[str, Any]] = {**SAMPLERNN, "carry": 3, "device": "cpu"}
    random_options = NOISE
    specs = (REAL, CLASSES)
    unsupported = (CODES,)


class TestSampleRNNByTorch(ModelSuite):
    test_new_process = AS_ABOVE
    component = "torch/samplernn"
    options: ClassVar[dict[str, Any]] = {
        **SAMPLERNN,
        "window": 18,
        "embedding": 4,
        "targets": "last",
        **BY_TORCH,
    }
    specs = (CLASSES, CODES)
    unsupported = (REAL,)
