"""How kernels are written: as numba intrinsics whose LLVM code is built by hand.

So the width of the vectors, the number of accumulators and the fused multiply-adds are ours to
choose, and nothing is left to an auto-vectoriser. All operands lie in flat float32 arenas and are
named by their offsets; rows are padded to `lofikit.streaming.arena.ALIGN` values, so no kernel
has a remainder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from lofikit.streaming.formulas import Vectors

INT = ir.IntType(64)

kernel: Callable[[Any], Any] = intrinsic  # its own type forgets that the context is passed


class Body:
    """One intrinsic's body under construction: its builder, arenas and vector type."""

    def __init__(self, context: Any, builder: Any, signature: Any, lanes: int) -> None:
        self.builder = builder
        self.vectors = Vectors(builder, lanes)
        self._context = context
        self._signature = signature

    def data(self, args: Sequence[Any], index: int) -> Any:
        """The data pointer of an array argument."""
        array = self._context.make_array(self._signature.args[index])
        return array(self._context, self.builder, args[index]).data

    def load(self, base: Any, offset: Any) -> Any:
        """A vector."""
        pointer = self.builder.gep(base, [offset])
        pointer = self.builder.bitcast(pointer, self.vectors.type.as_pointer())
        return self.builder.load(pointer, align=4)

    def store(self, value: Any, base: Any, offset: Any) -> None:
        """Writes a vector."""
        pointer = self.builder.gep(base, [offset])
        pointer = self.builder.bitcast(pointer, self.vectors.type.as_pointer())
        self.builder.store(value, pointer, align=4)

    def splat(self, base: Any, offset: Any) -> Any:
        """One value in every lane."""
        return self.vectors.splat(self.builder.load(self.builder.gep(base, [offset]), align=4))

    def offset(self, start: Any, count: Any, stride: Any = 1) -> Any:
        """``start + count * stride``."""
        count, stride = (INT(v) if isinstance(v, int) else v for v in (count, stride))
        return self.builder.add(start, self.builder.mul(count, stride))

    @contextmanager
    def each_vector(self, count: Any) -> Iterator[Any]:
        """A loop over ``count`` values, a vector at a time."""
        zero, step = INT(0), INT(self.vectors.lanes)
        with cgutils.for_range_slice(self.builder, zero, count, step, inc=True) as (index, _):
            yield index
