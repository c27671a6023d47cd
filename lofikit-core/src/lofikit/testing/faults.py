"""Saying what is wrong with a component, in a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.models.base import State


def require(condition: bool, case: object, fault: str) -> None:
    """Raises an ``AssertionError`` that names the fault, unless the condition holds."""
    if not condition:
        raise AssertionError(f"{case}: {fault}")


def require_same(first: NDArray[Any], second: NDArray[Any], case: object, what: str) -> None:
    """Requires two arrays to be equal bit for bit."""
    require(
        first.shape == second.shape,
        case,
        f"{what}: the shapes {first.shape} and {second.shape} differ",
    )
    require(
        np.array_equal(first, second), case, f"{what} differ, by up to {_gap(first, second):.3g}"
    )


def require_close(
    first: NDArray[Any] | float,
    second: NDArray[Any] | float,
    case: object,
    what: str,
    tolerance: float,
) -> None:
    """Requires two arrays or numbers to be equal within a tolerance."""
    a, b = np.asarray(first), np.asarray(second)
    require(a.shape == b.shape, case, f"{what}: the shapes {a.shape} and {b.shape} differ")
    require(
        np.allclose(a, b, rtol=tolerance, atol=tolerance),
        case,
        f"{what} differ by {_gap(a, b):.3g}",
    )


def require_same_state(first: State, second: State, case: object, what: str) -> None:
    """Requires two states to have the same arrays, bit for bit."""
    names = sorted(set(first) ^ set(second))
    require(not names, case, f"{what}: only one has {', '.join(names[:5])}")
    for name in first:
        require_same(first[name], second[name], case, f"{what}: {name}")


def _gap(first: NDArray[Any], second: NDArray[Any]) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).max(initial=0))
