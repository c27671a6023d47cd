"""Activations as formulas on vectors: polynomials and quotients, no calls to a C library.

Errors against exact arithmetic, over all float32 arguments: tanh and sigmoid below 5e-7, the
others below 1e-6 plus one part in a million.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils


class Vectors:
    """Arithmetic on ``<lanes x float>`` values of one LLVM function under construction."""

    def __init__(self, builder: Any, lanes: int) -> None:
        self.builder = builder
        self.lanes = lanes
        self.type = ir.VectorType(ir.FloatType(), lanes)
        self._integers = ir.VectorType(ir.IntType(32), lanes)

    def constant(self, value: float) -> Any:
        """A number in every lane."""
        return ir.Constant(self.type, [value] * self.lanes)

    def splat(self, value: Any) -> Any:
        """A scalar float in every lane."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, mask)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """``a * b + c``, in one rounding where the processor can."""
        kind = ir.FunctionType(self.type, [self.type] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f32"
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            self.builder.module, kind, name
        )
        return self.builder.call(function, [a, b, c])

    def polynomial(self, x: Any, coefficients: Sequence[float]) -> Any:
        """Horner's rule; the constant term first."""
        total = self.constant(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            total = self.multiply_add(total, x, self.constant(coefficient))
        return total

    def where(self, comparison: str, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
        """``then`` in the lanes where the comparison holds; it does not hold for NaN."""
        return self.builder.select(self.builder.fcmp_ordered(comparison, a, b), then, otherwise)

    def clamp(self, x: Any, low: float, high: float) -> Any:
        """Within [low, high]; NaN stays NaN, so that a diverging network shows."""
        lowest, highest = self.constant(low), self.constant(high)
        x = self.where("<", highest, x, highest, x)
        return self.where(">", lowest, x, lowest, x)

    def scale(self, x: Any, factor: float) -> Any:
        """``x * factor``."""
        return self.builder.fmul(x, self.constant(factor))

    def power_of_two(self, shifted: Any) -> Any:
        """2**n, where the low bits of ``shifted`` hold n (see `exp`)."""
        bits = self.builder.bitcast(shifted, self._integers)
        bits = self.builder.shl(bits, ir.Constant(self._integers, [23] * self.lanes))
        one = ir.Constant(self._integers, [127 << 23] * self.lanes)
        return self.builder.bitcast(self.builder.add(bits, one), self.type)


Formula = Callable[[Vectors, Any], Any]


def _tanh(v: Vectors, x: Any) -> Any:
    # Minimax quotient x P(x^2) / Q(x^2) on [-8, 8], fitted by linear programming: error 1.4e-7 in
    # exact arithmetic, 4.1e-7 in float32. Beyond 8, tanh is within 2.3e-7 of 1.
    x = v.clamp(x, -8.0, 8.0)
    square = v.builder.fmul(x, x)
    upper = v.polynomial(
        square,
        (0.9999996307035213, 0.12917666228459648, 0.002942881308518837, 1.1349169737905723e-05),
    )
    lower = v.polynomial(
        square,
        (
            1.0,
            0.4625081655298526,
            0.02378108798277432,
            0.0002375714357001012,
            2.435446561991581e-07,
        ),
    )
    return v.builder.fdiv(v.builder.fmul(x, upper), lower)


def _sigmoid(v: Vectors, x: Any) -> Any:
    half = v.constant(0.5)
    return v.multiply_add(half, _tanh(v, v.scale(x, 0.5)), half)


def exp(v: Vectors, x: Any) -> Any:
    """The exponential within [-87, 88]; beyond, that of the nearer end."""
    # exp(x) = 2**n exp(r): adding 1.5 * 2**23 rounds to an integer in the low bits. Polynomial
    # of Cephes' expf (Moshier 1989).
    x = v.clamp(x, -87.0, 88.0)
    magic = v.constant(12582912.0)
    shifted = v.multiply_add(x, v.constant(1.4426950408889634), magic)
    n = v.builder.fsub(shifted, magic)
    r = v.multiply_add(n, v.constant(-0.693359375), x)
    r = v.multiply_add(n, v.constant(2.12194440e-4), r)
    tail = v.polynomial(
        r,
        (
            5.0000001201e-1,
            1.6666665459e-1,
            4.1665795894e-2,
            8.3334519073e-3,
            1.3981999507e-3,
            1.9875691500e-4,
        ),
    )
    one = v.constant(1.0)
    value = v.multiply_add(tail, v.builder.fmul(r, r), v.builder.fadd(r, one))
    return v.builder.fmul(value, v.power_of_two(shifted))


def _relu(v: Vectors, x: Any) -> Any:
    zero = v.constant(0.0)
    return v.where("<", x, zero, zero, x)


def _leaky_relu(v: Vectors, x: Any) -> Any:
    return v.where("<", x, v.constant(0.0), v.scale(x, 0.2), x)


def _elu(v: Vectors, x: Any) -> Any:
    below = v.builder.fsub(exp(v, x), v.constant(1.0))
    return v.where("<", x, v.constant(0.0), below, x)


def _selu(v: Vectors, x: Any) -> Any:
    # Klambauer et al. 2017: scale and scale * alpha.
    below = v.scale(v.builder.fsub(exp(v, x), v.constant(1.0)), 1.7580993408473766)
    return v.where("<", x, v.constant(0.0), below, v.scale(x, 1.0507009873554805))


def _gelu(v: Vectors, x: Any) -> Any:
    # x Phi(x), with erf by Abramowitz and Stegun 7.1.26 (error 1.5e-7).
    z = v.scale(x, 0.7071067811865476)
    size = v.where("<", z, v.constant(0.0), v.builder.fneg(z), z)
    one = v.constant(1.0)
    t = v.builder.fdiv(one, v.multiply_add(size, v.constant(0.3275911), one))
    series = v.polynomial(t, (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429))
    decay = exp(v, v.builder.fneg(v.builder.fmul(z, z)))
    tail = v.scale(v.builder.fmul(v.builder.fmul(series, t), decay), 0.5)
    phi = v.where("<", z, v.constant(0.0), tail, v.builder.fsub(one, tail))
    return v.builder.fmul(x, phi)


def _gelu_tanh(v: Vectors, x: Any) -> Any:
    # Hendrycks and Gimpel 2016: 0.5 x (1 + tanh(z)) = x sigmoid(2 z),
    # z = sqrt(2 / pi) (x + 0.044715 x^3).
    square = v.builder.fmul(x, x)
    doubled = v.polynomial(square, (1.5957691216057308, 0.07135481627260025))
    return _gated(v, x, v.builder.fmul(x, doubled))


def _swish(v: Vectors, x: Any) -> Any:
    return _gated(v, x, x)


def _gated(v: Vectors, x: Any, gate: Any) -> Any:
    """``x sigmoid(gate)`` by exp, whose error falls with the gate where x grows."""
    decay = exp(v, v.builder.fneg(gate))
    return v.builder.fdiv(x, v.builder.fadd(decay, v.constant(1.0)))


def _softplus(v: Vectors, x: Any) -> Any:
    # max(x, 0) + log(1 + e), e = exp(-|x|); log(1 + e) = 2 artanh(e / (2 + e)) as its series.
    zero = v.constant(0.0)
    size = v.where("<", x, zero, v.builder.fneg(x), x)
    e = exp(v, v.builder.fneg(size))
    s = v.builder.fdiv(e, v.builder.fadd(e, v.constant(2.0)))
    series = v.polynomial(v.builder.fmul(s, s), [2.0 / (2 * n + 1) for n in range(6)])
    return v.multiply_add(s, series, _relu(v, x))


FORMULAS: dict[str, Formula] = {
    "relu": _relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "swish": _swish,
    "softplus": _softplus,
    "leaky_relu": _leaky_relu,
}
"""The formulas by Keras's names; linear has none."""
