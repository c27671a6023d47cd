"""Options that cannot be had are refused by name; describing a model imports no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from lofikit.errors import LofikitError, OptionError, RunError, UnsupportedSpecError
from lofikit.testing.cases import CLASSES, CODES, CONDITIONED, REAL, ModelCase
from lofikit_torch.config import TorchTCNConfig
from lofikit_torch.device import working

Small = Callable[..., ModelCase]

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA GPU is here")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_listing_and_describing_import_no_torch() -> None:
    code = """
import sys
from lofikit.options import describe
from lofikit.plugins import load_class, registry
for component in registry().of_kind("model"):
    if component.name.startswith("torch/"):
        describe(load_class(component.config))
print("torch" in sys.modules)
"""
    assert run_python(code) == "False"


def test_waiting_threads_sleep_unless_the_user_says_otherwise() -> None:
    code = "import os; {}import lofikit_torch; print(os.environ['OMP_WAIT_POLICY'])"
    assert run_python(code.format("os.environ.pop('OMP_WAIT_POLICY', 0); ")) == "PASSIVE"
    assert run_python(code.format("os.environ['OMP_WAIT_POLICY'] = 'ACTIVE'; ")) == "ACTIVE"


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "", "cpu "])
def test_devices_are_spelt_right(small: Small, device: str) -> None:
    with pytest.raises(OptionError, match="device"):
        small("torch/tcn", device=device).build()


@no_gpu
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_that_is_not_here(small: Small, device: str) -> None:
    with pytest.raises(OptionError, match=f"--model.device {device}: .* sees no GPU") as error:
        small("torch/tcn", device=device).build()
    assert "auto" in error.value.hint


@no_gpu
def test_auto_is_the_cpu_where_there_is_no_gpu(small: Small) -> None:
    assert small("torch/tcn", device="auto").build().device == torch.device("cpu")


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_precisions_of_gpus_are_refused_when_training_on_a_cpu(
    small: Small, precision: str
) -> None:
    case = small("torch/tcn", precision=precision)
    model = case.build()
    examples = case.examples(model)
    with pytest.raises(OptionError, match=precision):
        model.train_step(examples, case.settings(model))
    # A run that was trained on a GPU can still be measured here.
    plain = small("torch/tcn").build()
    assert model.loss(examples, case.settings(model)) == plain.loss(examples, case.settings(model))


def test_heads_that_cannot_be_shared_evenly(small: Small) -> None:
    with pytest.raises(OptionError, match="4 heads cannot share 3 kv_heads evenly"):
        small("torch/transformer", width=16, heads=4, kv_heads=3).build()


def test_an_unknown_optimiser(small: Small) -> None:
    case = small("torch/tcn")
    model = case.build()
    with pytest.raises(OptionError, match="adagrad") as error:
        model.check_settings(case.settings(model, optimiser="adagrad"))
    assert "rmsprop" in error.value.hint


@pytest.mark.parametrize(
    ("component", "spec", "options", "says"),
    [
        ("torch/tcn", REAL, {"embedding": 4}, "real values"),
        ("torch/lstm", CODES, {}, "no order"),
        ("torch/seq2seq", CODES, {}, "no order"),
        ("torch/seq2seq", CONDITIONED.model_copy(update={"levels": None}), {}, "given values"),
        ("torch/tcn", CLASSES, {"embedding": 4, "input_noise": 0.1}, "--model.input-noise"),
    ],
)
def test_frames_that_do_not_fit(
    small: Small, component: str, spec: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UnsupportedSpecError, match=says) as error:
        small(component, spec, **options).build()
    assert error.value.hint


@pytest.mark.parametrize("empty", [torch.empty, np.empty])
def test_too_little_memory_is_explained(empty: Any) -> None:
    options = TorchTCNConfig(device="cpu")
    with (
        pytest.raises(LofikitError, match="too little memory") as error,
        working(torch.device("cpu"), options, training=True),
    ):
        empty(1 << 55)
    assert "--model.micro-batch" in error.value.hint


def test_other_errors_are_not_taken_for_it() -> None:
    with (
        pytest.raises(RuntimeError, match="shape"),
        working(torch.device("cpu"), TorchTCNConfig(), training=True),
    ):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("weights/head.bias"), "head.bias is missing"),
        (lambda s: s.update({"weights/head.bias": np.zeros(9, np.float32)}), "has shape"),
        (lambda s: s.update({"weights/tcn.9.conv1.bias": np.zeros(6)}), "not of this model"),
        (lambda s: s.pop("optimizer/adam/momentum/head.bias"), "adam's momentum of head.bias"),
        (lambda s: s.pop("optimizer/adam/steps"), "'adam' cannot be used"),
        (lambda s: s.update({"optimizer/lion/steps": np.zeros(())}), "'lion' cannot be used"),
    ],
)
def test_a_state_of_another_model(small: Small, change: Any, says: str) -> None:
    case = small("torch/tcn")
    model = case.build()
    model.train_step(case.examples(model), case.settings(model))
    state = model.state()
    change(state)
    with pytest.raises(RunError, match=says):
        model.load_state(state)
