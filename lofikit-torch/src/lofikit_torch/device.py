"""Where torch computes: the device, its threads and its arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lofikit.errors import LofikitError, OptionError
from lofikit_torch.config import TorchOptions


def find_device(name: str) -> torch.device:
    """Returns the device that an option means.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        OptionError: If this machine, or this build of torch, does not have it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    hint = "use --model.device auto, or cpu"
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise OptionError(f"--model.device {name}: torch {torch.__version__} sees no GPU", hint)
        if (device.index or 0) >= count:
            raise OptionError(
                f"--model.device {name}: the GPUs here are cuda:0 to cuda:{count - 1}", hint
            )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise OptionError(f"--model.device mps: torch {torch.__version__} sees no Apple GPU", hint)
    return device


def check_precision(precision: str, device: torch.device) -> None:
    """Refuses to train with an arithmetic that only other devices have.

    Raises:
        OptionError: If the device is slower with it than without, or cannot do it at all.
    """
    if not _has(precision, device):
        raise OptionError(
            f"--model.precision {precision} needs a GPU, and this model is on {device}",
            "use --model.precision float32",
        )


def _has(precision: str, device: torch.device) -> bool:
    devices = {"tf32": ("cuda",), "bf16": ("cuda", "mps")}
    return precision not in devices or device.type in devices[precision]


@contextmanager
def working(device: torch.device, options: TorchOptions, training: bool) -> Iterator[None]:
    """Sets the threads and the arithmetic of one call, and explains running out of memory.

    Args:
        device: Where the call computes.
        options: The model's options.
        training: Whether ``options.precision`` applies, where the device has it; else float32.

    Raises:
        LofikitError: If the device has too little memory for the call.
    """
    if torch.get_num_threads() != options.threads:
        torch.set_num_threads(options.threads)
    lower = training and _has(options.precision, device)
    precision = options.precision if lower else "float32"
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise LofikitError(
            f"{device} has too little memory for this model and batch",
            "compute fewer examples at once: --model.micro-batch 8 (then 4, 2, 1), or take a "
            "shorter window or fewer units",
        ) from error
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    # On a CPU, and on an Apple GPU, torch raises a plain RuntimeError.
    said = str(error).lower()
    return (
        isinstance(error, torch.cuda.OutOfMemoryError | MemoryError)  # the latter is numpy's
        or "out of memory" in said
        or "can't allocate memory" in said
        or "not enough memory" in said
    )
