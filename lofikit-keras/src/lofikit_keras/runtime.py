"""TensorFlow, Keras and keras-tcn, imported quietly and checked.

Every module that needs them takes them from here, so that it does not matter which is imported
first: the chatter of TensorFlow's start is held back, and what would fail later with a long
traceback (a missing package, another backend of Keras, Keras 2) is said in one line.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from typing import Any, Literal

from packaging.version import Version

from lofikit.errors import OptionError, PluginError

OLDEST = {"tensorflow": "2.18", "keras": "3.5", "keras-tcn": "3.5.6"}
_INSTALL = 'pip install --upgrade lofikit-keras "tensorflow>=2.18" "keras>=3.5" keras-tcn==3.5.6'


def check_packages() -> None:
    """Raises PluginError where a package is missing or too old, or Keras 2 is asked for."""
    for package, oldest in OLDEST.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            # TensorFlow has builds under other names (tensorflow-cpu); the import decides.
            if package == "tensorflow":
                continue
            raise PluginError(
                f"lofikit-keras needs {package}, which is missing", _INSTALL
            ) from None
        if Version(version) < Version(oldest):
            raise PluginError(
                f"lofikit-keras needs {package} {oldest} or newer, and {version} is installed",
                _INSTALL,
            )
    if os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true"):
        raise PluginError(
            "lofikit-keras needs Keras 3, and TF_USE_LEGACY_KERAS asks for Keras 2",
            "unset TF_USE_LEGACY_KERAS",
        )
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise _other_backend(backend, "unset KERAS_BACKEND")


def _other_backend(backend: str, hint: str) -> PluginError:
    return PluginError(
        f"lofikit-keras runs Keras on TensorFlow, and Keras is set to its backend {backend!r}",
        f"{hint}, or train with lofikit-torch: pip install lofikit-torch",
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back what C++ libraries write to standard error; shows it if the import fails.

    TF_CPP_MIN_LOG_LEVEL does not reach what is logged before absl has read it.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _import() -> tuple[Any, Any, Any]:
    check_packages()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _quiet():
            tensorflow = importlib.import_module("tensorflow")
            keras_module = importlib.import_module("keras")
            layer = importlib.import_module("tcn").TCN
            # Memory is taken as it is needed, so that other programs can use the GPU too; this
            # also brings up the devices while their messages are held back.
            for gpu in tensorflow.config.list_physical_devices("GPU"):
                with contextlib.suppress(RuntimeError):  # somebody used the GPU before us
                    tensorflow.config.experimental.set_memory_growth(gpu, True)
    except ImportError as error:
        reason = (str(error).splitlines() or ["?"])[0]
        raise PluginError(f"lofikit-keras cannot import TensorFlow: {reason}", _INSTALL) from error
    if keras_module.config.backend() != "tensorflow":
        raise _other_backend(keras_module.config.backend(), "set KERAS_BACKEND=tensorflow")
    importlib.import_module("absl.logging").set_verbosity("error")
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow, keras_module, layer


tf, keras, TCNLayer = _import()


def set_threads(threads: int) -> None:
    """Sets how many threads an operation uses; TensorFlow takes it once a process.

    Raises:
        OptionError: If TensorFlow already runs with another number.
    """
    current = tf.config.threading.get_intra_op_parallelism_threads()
    if threads in (0, current):
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(min(2, threads))
    except RuntimeError:
        raise OptionError(
            f"--model.threads {threads}: TensorFlow already runs in this process with "
            f"{current or 'its own number of'} threads",
            "use one number for all Keras models of a process",
        ) from None


def place(device: Literal["auto", "cpu", "gpu"]) -> str:
    """Returns TensorFlow's name of the device that an option means.

    Raises:
        OptionError: If a GPU is asked for and TensorFlow sees none.
    """
    gpu = bool(tf.config.list_logical_devices("GPU")) if device != "cpu" else False
    if device == "gpu" and not gpu:
        raise OptionError(
            "--model.device gpu: TensorFlow sees no GPU",
            'install its GPU libraries: pip install "tensorflow[and-cuda]", or use cpu',
        )
    return "/GPU:0" if gpu else "/CPU:0"
