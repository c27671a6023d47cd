"""Kernels that work on a row as a whole (see `lofikit.streaming.intrinsics`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from lofikit.streaming.formulas import exp
from lofikit.streaming.intrinsics import Body, kernel


def _lanes(body: Body, vector: Any) -> list[Any]:
    """The values of a vector, one by one."""
    return [
        body.builder.extract_element(vector, ir.IntType(32)(lane))
        for lane in range(body.vectors.lanes)
    ]


def _sum(body: Body, vector: Any) -> Any:
    """The sum of a vector's values, in order."""
    total, *others = _lanes(body, vector)
    for value in others:
        total = body.builder.fadd(total, value)
    return total


def _variable(body: Body, value: Any) -> Any:
    """A place that a loop reads and writes."""
    return cgutils.alloca_once_value(body.builder, value)  # type: ignore[no-untyped-call]


@kernel
def square_sum(typing: Any, processor: Any, arena: Any, at: Any, count: Any) -> Any:
    """The sum of ``arena[at : at + count] ** 2``; ``count`` divides by `ALIGN`."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        v, base = body.vectors, body.data(args, 1)
        total = _variable(body, v.constant(0.0))
        with body.each_vector(args[3]) as index:
            value = body.load(base, builder.add(args[2], index))
            builder.store(v.multiply_add(value, value, builder.load(total)), total)
        return _sum(body, builder.load(total))

    return types.float32(processor, arena, types.int64, types.int64), code


@kernel
def scaled(
    typing: Any, processor: Any, weights: Any, arena: Any,
    out: Any, source: Any, factor: Any, scale: Any, count: Any,
) -> Any:  # fmt: skip
    """``arena[out:] = factor * arena[source:] * weights[scale:]`` over ``count`` values."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        table, base = body.data(args, 1), body.data(args, 2)
        factor = body.vectors.splat(args[5])
        with body.each_vector(args[7]) as index:
            value = builder.fmul(body.load(base, builder.add(args[4], index)), factor)
            scale = body.load(table, builder.add(args[6], index))
            body.store(builder.fmul(value, scale), base, builder.add(args[3], index))
        return context.get_dummy_value()

    return types.void(
        processor, weights, arena, types.int64, types.int64, types.float32, types.int64, types.int64
    ), code


@kernel
def rotate(
    typing: Any, processor: Any, arena: Any, at: Any, cosines: Any, sines: Any, half: Any
) -> Any:
    """Turn pairs of values: those of ``arena[at : at + half]`` with those ``half`` further."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        v, base = body.vectors, body.data(args, 1)
        _, _, at, cosines, sines, half = args
        with body.each_vector(half) as index:
            place = builder.add(at, index)
            cosine, sine = (
                body.load(base, builder.add(table, index)) for table in (cosines, sines)
            )
            a, b = body.load(base, place), body.load(base, builder.add(place, half))
            left = builder.fsub(builder.fmul(a, cosine), builder.fmul(b, sine))
            body.store(left, base, place)
            right = v.multiply_add(b, cosine, builder.fmul(a, sine))
            body.store(right, base, builder.add(place, half))
        return context.get_dummy_value()

    return types.void(processor, arena, *[types.int64] * 4), code


@kernel
def softmax(typing: Any, processor: Any, arena: Any, at: Any, count: Any) -> Any:
    """The softmax of ``arena[at : at + count]``, in place; ``count`` divides by `ALIGN`."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        v, base = body.vectors, body.data(args, 1)
        at, count = args[2:]
        most = _variable(body, body.load(base, at))
        with body.each_vector(count) as index:
            value, highest = body.load(base, builder.add(at, index)), builder.load(most)
            builder.store(v.where(">", value, highest, value, highest), most)
        highest, *others = _lanes(body, builder.load(most))
        for value in others:
            higher = builder.fcmp_ordered(">", value, highest)
            highest = builder.select(higher, value, highest)
        highest = v.splat(highest)
        total = _variable(body, v.constant(0.0))
        with body.each_vector(count) as index:
            place = builder.add(at, index)
            weight = exp(v, builder.fsub(body.load(base, place), highest))
            body.store(weight, base, place)
            builder.store(builder.fadd(builder.load(total), weight), total)
        one = ir.Constant(ir.FloatType(), 1.0)
        share = v.splat(builder.fdiv(one, _sum(body, builder.load(total))))
        with body.each_vector(count) as index:
            place = builder.add(at, index)
            body.store(builder.fmul(body.load(base, place), share), base, place)
        return context.get_dummy_value()

    return types.void(processor, arena, types.int64, types.int64), code
