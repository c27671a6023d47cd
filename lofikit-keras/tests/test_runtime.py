"""Starting TensorFlow: nothing on standard error, and one line for what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

BUILD = """
from lofikit.errors import PluginError
try:
    import lofikit_keras.models
except PluginError as error:
    print(error)
else:
    import keras
    print("Keras", keras.config.backend())
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_start_is_silent() -> None:
    done = run(BUILD)
    assert done.stdout == "Keras tensorflow\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("KERAS_BACKEND", "jax", "Keras is set to its backend 'jax'"),
        ("TF_USE_LEGACY_KERAS", "1", "TF_USE_LEGACY_KERAS asks for Keras 2"),
    ],
)
def test_another_keras_is_explained(variable: str, value: str, said: str) -> None:
    done = run(BUILD, **{variable: value})
    message, hint = done.stdout.splitlines()
    assert said in message
    assert hint.startswith(f"unset {variable}")


def test_missing_tensorflow_is_explained() -> None:
    # What a broken or missing installation looks like to an import.
    done = run("import sys; sys.modules['tensorflow'] = None\n" + BUILD)
    message, hint = done.stdout.splitlines()
    assert "cannot import TensorFlow" in message
    assert hint.startswith("pip install")


def test_old_package_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    from lofikit.errors import PluginError
    from lofikit_keras import runtime

    monkeypatch.setitem(runtime.OLDEST, "keras", "99.0")
    with pytest.raises(PluginError, match=r"needs keras 99\.0 or newer, and 3\.") as caught:
        runtime.check_packages()
    assert caught.value.hint.startswith("pip install")


def test_listing_imports_no_tensorflow() -> None:
    code = """
import sys
from lofikit.plugins import load_class, registry
for component in registry().of_kind("model"):
    if component.name.startswith("keras/"):
        print(component.name, load_class(component.config).__name__)
print([name for name in ("tensorflow", "keras", "tcn") if name in sys.modules])
"""
    assert run(code).stdout.splitlines() == [
        "keras/gru KerasGRUConfig",
        "keras/lru KerasLRUConfig",
        "keras/lstm KerasLSTMConfig",
        "keras/samplernn KerasSampleRNNConfig",
        "keras/seq2seq KerasSeq2SeqConfig",
        "keras/tcn KerasTCNConfig",
        "keras/transformer KerasTransformerConfig",
        "keras/wavenet KerasWaveNetConfig",
        "[]",
    ]
