"""States and gates of layers, as kernels (see `lofikit.streaming.intrinsics`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numba.core import types

from lofikit.streaming.formulas import FORMULAS, Vectors
from lofikit.streaming.intrinsics import Body, kernel


@kernel
def lstm_cell(
    typing: Any, processor: Any, arena: Any, gates: Any, cell: Any, hidden: Any, units: Any
) -> Any:
    """One row of an LSTM's cell and hidden state from its gates i, f, g, o, ``units`` apart."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        base = body.data(args, 1)
        _, _, gates_at, cell_at, hidden_at, units = args
        tanh, sigmoid = FORMULAS["tanh"], FORMULAS["sigmoid"]
        v = body.vectors
        with body.each_vector(units) as index:
            i, f, g, o = (
                body.load(base, builder.add(body.offset(gates_at, gate, units), index))
                for gate in range(4)
            )
            cell_offset = builder.add(cell_at, index)
            kept = builder.fmul(sigmoid(v, f), body.load(base, cell_offset))
            state = v.multiply_add(sigmoid(v, i), tanh(v, g), kept)
            body.store(state, base, cell_offset)
            output = builder.fmul(sigmoid(v, o), tanh(v, state))
            body.store(output, base, builder.add(hidden_at, index))
        return context.get_dummy_value()

    return types.void(processor, arena, *[types.int64] * 4), code


@kernel
def gru_cell(
    typing: Any, processor: Any, arena: Any, gates: Any, hidden_gates: Any, hidden: Any, units: Any
) -> Any:
    """One row of a GRU's hidden state from its gates z, r, c, ``units`` apart; in place."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        base = body.data(args, 1)
        _, _, gates_at, hidden_gates_at, hidden_at, units = args
        tanh, sigmoid = FORMULAS["tanh"], FORMULAS["sigmoid"]
        v = body.vectors
        with body.each_vector(units) as index:
            (x_z, x_r, x_c), (h_z, h_r, h_c) = (
                [
                    body.load(base, builder.add(body.offset(at, gate, units), index))
                    for gate in range(3)
                ]
                for at in (gates_at, hidden_gates_at)
            )
            place = builder.add(hidden_at, index)
            reset = sigmoid(v, builder.fadd(x_r, h_r))
            candidate = tanh(v, v.multiply_add(reset, h_c, x_c))
            change = builder.fsub(body.load(base, place), candidate)
            update = sigmoid(v, builder.fadd(x_z, h_z))
            body.store(v.multiply_add(update, change, candidate), base, place)
        return context.get_dummy_value()

    return types.void(processor, arena, *[types.int64] * 4), code


@kernel
def diagonal_cell(
    typing: Any, processor: Any, weights: Any, arena: Any,
    factors: Any, values: Any, states: Any, half: Any,
) -> Any:  # fmt: skip
    """One row of complex states: ``states = factors * states + values``; halves lie ``half`` apart.

    Factors lie in the weights.
    """

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        v, table, base = body.vectors, body.data(args, 1), body.data(args, 2)
        factors, values, states, half = args[3:]
        with body.each_vector(half) as index:

            def complex_at(array: Any, start: Any) -> tuple[Any, Any]:
                place = builder.add(start, index)
                return body.load(array, place), body.load(array, builder.add(place, half))

            (a, b), (real, imag) = complex_at(table, factors), complex_at(base, states)
            given_real, given_imag = complex_at(base, values)
            new_real = v.multiply_add(a, real, v.multiply_add(builder.fneg(b), imag, given_real))
            new_imag = v.multiply_add(a, imag, v.multiply_add(b, real, given_imag))
            place = builder.add(states, index)
            body.store(new_real, base, place)
            body.store(new_imag, base, builder.add(place, half))
        return context.get_dummy_value()

    return types.void(processor, weights, arena, *[types.int64] * 4), code


def _gated(formula: Callable[[Vectors, Any], Any]) -> Any:
    """``arena[out:] = formula(a) * sigmoid(b)`` of halves of ``width`` values at ``source``."""

    def code(context: Any, builder: Any, signature: Any, args: Sequence[Any]) -> Any:
        body = Body(context, builder, signature, signature.args[0].lanes)
        v, base = body.vectors, body.data(args, 1)
        source, out, width = args[2:]
        with body.each_vector(width) as index:
            place = builder.add(source, index)
            value, gate = body.load(base, place), body.load(base, builder.add(place, width))
            gated = builder.fmul(formula(v, value), FORMULAS["sigmoid"](v, gate))
            body.store(gated, base, builder.add(out, index))
        return context.get_dummy_value()

    @kernel
    def gate(typing: Any, processor: Any, arena: Any, source: Any, out: Any, width: Any) -> Any:
        """See `_gated`."""
        return types.void(processor, arena, *[types.int64] * 3), code

    return gate


glu = _gated(lambda _, value: value)
tanh_gate = _gated(FORMULAS["tanh"])
