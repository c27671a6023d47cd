"""What a core can do at most, which networks are compared with."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from lofikit.streaming.formulas import Vectors
from lofikit.streaming.processor import this_processor


def peak(clock: Callable[[], float]) -> float:
    """Fused multiply-adds in registers: operations a second of this core."""
    processor = this_processor()
    chains = 24 if processor.lanes == 16 else 12

    @intrinsic
    def multiply_adds(typing: Any, cpu: Any, count: Any, x: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = Vectors(builder, processor.lanes)
            factor = v.splat(args[2])
            before, body = builder.block, builder.append_basic_block()
            after = builder.append_basic_block()
            builder.branch(body)
            builder.position_at_end(body)
            integer = ir.IntType(64)
            left = builder.phi(integer)
            left.add_incoming(args[1], before)
            sums = [builder.phi(v.type) for _ in range(chains)]
            results = [v.multiply_add(factor, factor, total) for total in sums]
            for number, (total, result) in enumerate(zip(sums, results, strict=True)):
                total.add_incoming(v.constant(number), before)
                total.add_incoming(result, body)
            following = builder.sub(left, integer(1))
            left.add_incoming(following, body)
            builder.cbranch(builder.icmp_signed(">", following, integer(0)), body, after)
            builder.position_at_end(after)
            total = results[0]
            for other in results[1:]:
                total = builder.fadd(total, other)
            return builder.extract_element(total, ir.IntType(32)(0))

        return types.float32(cpu, types.int64, types.float32), code

    @numba.njit
    def run(cpu: Any, count: int, x: Any) -> Any:
        return multiply_adds(cpu, count, x)

    count = 2_000_000
    run(processor, 1, np.float32(0.5))
    rates = []
    for _ in range(9):
        start = clock()
        run(processor, count, np.float32(0.5))
        rates.append(2 * count * chains * processor.lanes / (clock() - start))
    return statistics.median(rates)
