"""Products and activations on vectors, as kernels (see `lofikit.streaming.intrinsics`).

Every element of a product is summed in one fixed order, whatever the tile that computes it, so
that a stream's values do not depend on how many others are computed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from lofikit.streaming.arena import ALIGN, PANEL
from lofikit.streaming.formulas import FORMULAS, Vectors, exp
from lofikit.streaming.intrinsics import INT, Body, kernel


def tile_columns(lanes: int, rows: int) -> int:
    """Columns of a product tile: as many accumulators as the registers hold.

    Eight hide the latency of a fused multiply-add; AVX-512 has registers for sixteen.
    """
    accumulators = 16 if lanes == 16 else 8
    return max(lanes, min(PANEL, accumulators * lanes // rows))


def _product(rows: int) -> Any:
    """An intrinsic: ``out = start + x @ weight`` for ``rows`` rows and the columns of a panel.

    In the state, rows of x are at ``x + i * x_stride``, the sums start from ``start + i *
    start_stride`` and go to ``out + i * out_stride``; the panel's rows are at ``weight + k *
    width`` in the weights. Its ``width`` columns are cut in tiles of `tile_columns`, then `ALIGN`.
    """

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        lanes = signature.args[0].lanes
        body = Body(context, builder, signature, lanes)
        weights, state = body.data(args, 1), body.data(args, 2)
        width, inputs, x_at, x_stride, weight_at, start_at, start_stride, out_at, out_stride = args[
            3:
        ]

        def tile(first: Any, columns: range) -> None:
            starts = [
                body.load(state, body.offset(at, row, start_stride))
                for row in range(rows)
                for at in (body.offset(builder.add(start_at, first), c) for c in columns)
            ]
            x_rows = [body.offset(x_at, row, x_stride) for row in range(rows)]
            before = builder.block
            loop = builder.append_basic_block("product")
            after = builder.append_basic_block("product.end")
            # A product has at least one input, so the loop tests its end only.
            builder.branch(loop)
            builder.position_at_end(loop)
            index = builder.phi(INT)
            at = builder.phi(INT)
            sums = [builder.phi(body.vectors.type) for _ in starts]
            index.add_incoming(INT(0), before)
            at.add_incoming(first_weight, before)
            for total, start in zip(sums, starts, strict=True):
                total.add_incoming(start, before)
            matrix_row = [body.load(weights, body.offset(at, column)) for column in columns]
            results = []
            for row in range(rows):
                value = body.splat(state, builder.add(x_rows[row], index))
                for vector, total in zip(matrix_row, sums[row * len(columns) :], strict=False):
                    results.append(body.vectors.multiply_add(value, vector, total))
            for total, result in zip(sums, results, strict=True):
                total.add_incoming(result, loop)
            next_index = builder.add(index, INT(1))
            index.add_incoming(next_index, loop)
            at.add_incoming(builder.add(at, width), loop)
            builder.cbranch(builder.icmp_signed("<", next_index, inputs), loop, after)
            builder.position_at_end(after)
            remaining = iter(results)
            for row in range(rows):
                row_at = body.offset(builder.add(out_at, first), row, out_stride)
                for column in columns:
                    body.store(next(remaining), state, body.offset(row_at, column))

        wide = tile_columns(lanes, rows)
        whole = builder.and_(width, INT(-wide))
        with cgutils.for_range_slice(builder, INT(0), whole, INT(wide), inc=True) as (first, _):
            first_weight = builder.add(weight_at, first)
            tile(first, range(0, wide, lanes))
        if wide > ALIGN:
            step = INT(ALIGN)
            with cgutils.for_range_slice(builder, whole, width, step, inc=True) as (first, _):
                first_weight = builder.add(weight_at, first)
                tile(first, range(0, ALIGN, lanes))
        return context.get_dummy_value()

    @kernel
    def product(
        typing: Any, processor: Any, weights: Any, state: Any, width: Any, inputs: Any,
        x: Any, x_stride: Any, weight: Any,
        start: Any, start_stride: Any, out: Any, out_stride: Any,
    ) -> Any:  # fmt: skip
        """See `_product`."""
        return types.void(processor, weights, state, *[types.int64] * 9), code

    return product


product_1 = _product(1)
product_4 = _product(4)


@kernel
def quantize(
    typing: Any, processor: Any, state: Any, out: Any, source: Any, count: Any, scale: Any
) -> Any:
    """Round ``state[source:] * scale`` to 16-bit integers, packed two a value from ``out`` on."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        v = body.vectors
        state = body.data(args, 1)
        shorts = builder.bitcast(builder.gep(state, [args[2]]), ir.IntType(16).as_pointer())
        factor = v.splat(builder.fptrunc(args[5], ir.FloatType()))
        half = ir.VectorType(ir.IntType(16), v.lanes)
        with body.each_vector(args[4]) as index:
            value = body.load(state, builder.add(args[3], index))
            # Adding 1.5 * 2**23 rounds to an integer in the low bits.
            rounded = v.multiply_add(value, factor, v.constant(12582912.0))
            whole = builder.bitcast(rounded, ir.VectorType(ir.IntType(32), v.lanes))
            place = builder.bitcast(builder.gep(shorts, [index]), half.as_pointer())
            builder.store(builder.trunc(whole, half), place, align=2)
        return context.get_dummy_value()

    return types.void(processor, state, *[types.int64] * 3, types.float64), code


@kernel
def product_int8(
    typing: Any, processor: Any, weights: Any, state: Any, width: Any, pairs: Any,
    x: Any, weight: Any, scales: Any, start: Any, out: Any,
) -> Any:  # fmt: skip
    """``out = start + scales * (x @ weight)`` for one row and the columns of a panel.

    x holds pairs of 16-bit integers and the panel ``pairs`` rows of ``width`` pairs of 8-bit ones;
    two products are summed at once (``vpmaddwd``), exactly, in 32 bits.
    """

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        lanes = signature.args[0].lanes
        body = Body(context, builder, signature, lanes)
        weights, state = body.data(args, 1), body.data(args, 2)
        width, pairs, x, weight, scales, start, out = args[3:]
        pair_bytes = ir.VectorType(ir.IntType(8), 2 * lanes)
        shorts = ir.VectorType(ir.IntType(16), 2 * lanes)
        sums_type = ir.VectorType(ir.IntType(32), lanes)
        matrix = builder.bitcast(builder.gep(weights, [weight]), ir.IntType(8).as_pointer())
        words = builder.bitcast(builder.gep(state, [x]), ir.IntType(32).as_pointer())

        def tile(first: Any, columns: range) -> None:
            before = builder.block
            loop = builder.append_basic_block("product")
            after = builder.append_basic_block("product.end")
            builder.branch(loop)
            builder.position_at_end(loop)
            index = builder.phi(INT)
            index.add_incoming(INT(0), before)
            sums = [builder.phi(sums_type) for _ in columns]
            word = builder.load(builder.gep(words, [index]), align=4)
            undefined = ir.Constant(sums_type, ir.Undefined)
            lane = builder.insert_element(undefined, word, ir.IntType(32)(0))
            mask = ir.Constant(sums_type, [0] * lanes)
            pair = builder.bitcast(builder.shuffle_vector(lane, undefined, mask), shorts)
            row = builder.add(builder.mul(index, width), first)
            results = []
            for total, column in zip(sums, columns, strict=True):
                at = builder.mul(builder.add(row, INT(column)), INT(2))
                place = builder.bitcast(builder.gep(matrix, [at]), pair_bytes.as_pointer())
                values = builder.sext(builder.load(place, align=1), shorts)
                results.append(builder.add(total, _pair_sums(builder, pair, values, lanes)))
            for total, result in zip(sums, results, strict=True):
                total.add_incoming(ir.Constant(sums_type, [0] * lanes), before)
                total.add_incoming(result, loop)
            following = builder.add(index, INT(1))
            index.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, pairs), loop, after)
            builder.position_at_end(after)
            for result, column in zip(results, columns, strict=True):
                at = builder.add(first, INT(column))
                scale = body.load(weights, builder.add(scales, at))
                total = builder.sitofp(result, body.vectors.type)
                begin = body.load(state, builder.add(start, at))
                value = body.vectors.multiply_add(total, scale, begin)
                body.store(value, state, builder.add(out, at))

        wide = tile_columns(lanes, 1)
        whole = builder.and_(width, INT(-wide))
        with cgutils.for_range_slice(builder, INT(0), whole, INT(wide), inc=True) as (first, _):
            tile(first, range(0, wide, lanes))
        if wide > ALIGN:
            step = INT(ALIGN)
            with cgutils.for_range_slice(builder, whole, width, step, inc=True) as (first, _):
                tile(first, range(0, ALIGN, lanes))
        return context.get_dummy_value()

    return types.void(processor, weights, state, *[types.int64] * 7), code


def _pair_sums(builder: Any, a: Any, b: Any, lanes: int) -> Any:
    """Products of 16-bit integers, summed in pairs to 32 bits."""
    sums = ir.VectorType(ir.IntType(32), lanes)
    name = {4: "sse2.pmadd.wd", 8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}.get(lanes)
    if name is not None and builder.module.triple.startswith("x86_64"):
        # LLVM does not find this instruction in the general form below.
        kind = ir.FunctionType(sums, [a.type, b.type])
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, f"llvm.x86.{name}"
        )
        return builder.call(function, [a, b])
    total = None
    for first in (0, 1):
        places = ir.Constant(sums, [2 * lane + first for lane in range(lanes)])
        left, right = (builder.sext(builder.shuffle_vector(v, v, places), sums) for v in (a, b))
        product = builder.mul(left, right)
        total = product if total is None else builder.add(total, product)
    return total


def _in_place(formula: Callable[[Vectors, Any], Any]) -> Any:
    """``arena[at : at + count] = formula(arena[at : at + count])``."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        arena = body.data(args, 1)
        with body.each_vector(args[3]) as index:
            offset = builder.add(args[2], index)
            body.store(formula(body.vectors, body.load(arena, offset)), arena, offset)
        return context.get_dummy_value()

    @kernel
    def activate(typing: Any, processor: Any, arena: Any, at: Any, count: Any) -> Any:
        return types.void(processor, arena, types.int64, types.int64), code

    return activate


activate_relu = _in_place(FORMULAS["relu"])
activate_tanh = _in_place(FORMULAS["tanh"])
activate_sigmoid = _in_place(FORMULAS["sigmoid"])
activate_elu = _in_place(FORMULAS["elu"])
activate_selu = _in_place(FORMULAS["selu"])
activate_gelu = _in_place(FORMULAS["gelu"])
activate_gelu_tanh = _in_place(FORMULAS["gelu_tanh"])
activate_swish = _in_place(FORMULAS["swish"])
activate_softplus = _in_place(FORMULAS["softplus"])
activate_leaky_relu = _in_place(FORMULAS["leaky_relu"])


@kernel
def exponentials(
    typing: Any, processor: Any, arena: Any, at: Any, count: Any, highest: Any, scale: Any
) -> Any:
    """``arena[at:] = exp((arena[at:] - highest) * scale)``; ``count`` divides by `ALIGN`."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        base = body.data(args, 1)
        most, factor = body.vectors.splat(args[4]), body.vectors.splat(args[5])
        with body.each_vector(args[3]) as index:
            offset = builder.add(args[2], index)
            below = builder.fsub(body.load(base, offset), most)
            value = exp(body.vectors, builder.fmul(below, factor))
            body.store(value, base, offset)
        return context.get_dummy_value()

    return types.void(
        processor, arena, types.int64, types.int64, types.float32, types.float32
    ), code


@kernel
def add(typing: Any, processor: Any, arena: Any, out: Any, a: Any, b: Any, count: Any) -> Any:
    """``arena[out:] = arena[a:] + arena[b:]`` over ``count`` values."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        base = body.data(args, 1)
        with body.each_vector(args[5]) as index:
            left, right = (body.load(base, builder.add(args[i], index)) for i in (3, 4))
            body.store(builder.fadd(left, right), base, builder.add(args[2], index))
        return context.get_dummy_value()

    return types.void(processor, arena, *[types.int64] * 4), code


@kernel
def copy(typing: Any, processor: Any, arena: Any, out: Any, source: Any, count: Any) -> Any:
    """``arena[out:] = arena[source:]`` over ``count`` values."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        base = body.data(args, 1)
        with body.each_vector(args[4]) as index:
            value = body.load(base, builder.add(args[3], index))
            body.store(value, base, builder.add(args[2], index))
        return context.get_dummy_value()

    return types.void(processor, arena, *[types.int64] * 3), code
