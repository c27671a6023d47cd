"""The gates of recurrent layers, as kernels (see `lofikit.streaming.intrinsics`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numba.core import types

from lofikit.streaming.formulas import FORMULAS
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
