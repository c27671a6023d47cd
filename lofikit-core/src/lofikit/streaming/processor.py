"""The processor that kernels are compiled for, and how their machine code is cached.

Kernels take a `Processor` as their first argument. Its numba type carries the vector width and a
fingerprint of this package's sources, and both are thereby part of numba's cache key: code for
256-bit vectors never answers for 512, and code of an older lofikit is never run. (numba itself
looks only at the file of the outermost function.)
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
from llvmlite import binding
from numba.core import event, types
from numba.extending import NativeValue, models, register_model, typeof_impl, unbox

P = ParamSpec("P")
R = TypeVar("R")

VECTOR_BITS = "LOFIKIT_VECTOR_BITS"
"""Environment variable: vectors of 512, 256 or 128 bits, or 32 for none; read at first use."""

WIDTHS = (512, 256, 128, 32)

log = logging.getLogger("lofikit.streaming")


@dataclass(frozen=True)
class Processor:
    """What kernels are specialised on.

    Attributes:
        lanes: float32 values a vector.
        fingerprint: Digest of the sources of this package.
    """

    lanes: int
    fingerprint: str


class ProcessorType(types.Type):
    """numba's type of a `Processor`: no value at run time, all of it known when compiling."""

    def __init__(self, lanes: int, fingerprint: str) -> None:
        self.lanes = lanes
        self.fingerprint = fingerprint
        super().__init__(name=f"Processor({lanes}, {fingerprint})")


register_model(ProcessorType)(models.OpaqueModel)


@typeof_impl.register(Processor)
def _typeof_processor(value: Processor, _: object) -> ProcessorType:
    return ProcessorType(value.lanes, value.fingerprint)


@unbox(ProcessorType)  # type: ignore[untyped-decorator, no-untyped-call]
def _unbox_processor(_: ProcessorType, __: object, context: Any) -> NativeValue:
    return NativeValue(context.context.get_dummy_value())  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1)
def this_processor() -> Processor:
    """The machine's widest vectors, unless LOFIKIT_VECTOR_BITS asks for narrower ones.

    Raises:
        ValueError: LOFIKIT_VECTOR_BITS is none of 512, 256, 128 and 32.
    """
    asked = os.environ.get(VECTOR_BITS)
    if asked is not None and asked not in map(str, WIDTHS):
        raise ValueError(
            f"{VECTOR_BITS}={asked!r} is not a vector width. Set it to one of "
            f"{', '.join(map(str, WIDTHS))}, or unset it for the widest."
        )
    bits = int(asked) if asked is not None else _widest_bits()
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return Processor(bits // 32, digest.hexdigest()[:16])


def _widest_bits() -> int:
    features = binding.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512bw"):
        return 512
    if features.get("avx2") and features.get("fma"):
        return 256
    return 128  # SSE and NEON; elsewhere LLVM takes the vectors apart


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that only compiled functions call."""
    return cast(Callable[P, R], numba.njit(function, nogil=True, error_model="numpy"))


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that Python calls, cached on disk where a folder can be written to.

    numba looks for NUMBA_CACHE_DIR, the package's ``__pycache__`` and the user's cache folder; if
    it finds none of them writable, the function is compiled anew in each process. A compilation
    is announced on the logger ``lofikit.streaming`` (level INFO), as it takes seconds.
    """
    try:
        dispatcher = numba.njit(function, nogil=True, error_model="numpy", cache=True)
    except RuntimeError:
        log.info("no cache folder can be written to; kernels are compiled in every process")
        dispatcher = numba.njit(function, nogil=True, error_model="numpy")
    _announcer.dispatchers.append(dispatcher)
    return cast(Callable[P, R], dispatcher)


class _Announcer(event.Listener):
    """Logs when one of `dispatchers` is compiled; reading it from the cache is silent."""

    def __init__(self) -> None:
        self.dispatchers: list[object] = []
        self._since = 0.0

    def on_start(self, event: Any) -> None:
        if any(event.data["dispatcher"] is one for one in self.dispatchers):
            self._since = time.monotonic()
            bits = 32 * this_processor().lanes
            log.info("compiling the streaming engine for %d-bit vectors, once", bits)

    def on_end(self, event: Any) -> None:
        if any(event.data["dispatcher"] is one for one in self.dispatchers):
            log.info("compiled in %.1f s", time.monotonic() - self._since)


_announcer = _Announcer()
event.register("numba:compile", _announcer)  # type: ignore[no-untyped-call]
