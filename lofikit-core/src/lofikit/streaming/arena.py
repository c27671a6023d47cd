"""Flat float32 arrays that weights and states are laid out in, and how matrices are packed."""

from __future__ import annotations

import numpy as np

from lofikit.streaming.network import FloatArray

ALIGN = 16
"""Rows and packed weights are padded to a multiple of this many values: 64 bytes."""

PANEL = 64
"""Columns of a packed weight panel."""


def padded(width: int) -> int:
    """The width rounded up to a multiple of `ALIGN`."""
    return -(-width // ALIGN) * ALIGN


def aligned_zeros(size: int) -> FloatArray:
    """A float32 array that starts on a cache line."""
    raw = np.zeros(size + ALIGN, np.float32)
    start = (-raw.ctypes.data // 4) % ALIGN
    return raw[start : start + size]


class Arena:
    """Reserves spans of one flat array, each at a cache line."""

    def __init__(self) -> None:
        self._size = 0
        self._parts: list[tuple[int, FloatArray]] = []

    def reserve(self, values: int) -> int:
        """The offset of the next ``values``, which start as zeros."""
        offset = self._size
        self._size += padded(values)
        return offset

    def vector(self, vector: FloatArray) -> int:
        """The offset of given values."""
        offset = self.reserve(vector.size)
        self._parts.append((offset, vector))
        return offset

    def matrix(self, matrix: FloatArray) -> int:
        """Pack (in, out) as panels of `PANEL` columns, each row-major; out is padded by zeros."""
        inputs, columns = matrix.shape
        wide = np.zeros((inputs, padded(columns)), np.float32)
        wide[:, :columns] = matrix
        panels = [wide[:, at : at + PANEL].ravel() for at in range(0, wide.shape[1], PANEL)]
        return self.vector(np.concatenate(panels))

    def int8_matrix(self, matrix: FloatArray, most: int) -> tuple[int, int]:
        """Pack (in, out) as bytes and a scale a column; offsets of both.

        Panels are as in `matrix`, of pairs of rows: the two values of a column lie side by side.
        Scales undo the rounding of the matrix and that of rows of which 1 became ``most``.
        """
        inputs, columns = matrix.shape
        largest = np.abs(matrix).max(axis=0)
        steps = np.where(largest > 0, largest, 1).astype(np.float32) / 127
        wide = np.zeros((inputs + inputs % 2, padded(columns)), np.int8)
        wide[:inputs, :columns] = np.rint(matrix / steps)
        pairs = wide.reshape(-1, 2, wide.shape[1]).transpose(0, 2, 1)
        panels = [pairs[:, at : at + PANEL].ravel() for at in range(0, wide.shape[1], PANEL)]
        packed = np.concatenate(panels).view(np.float32)
        scales = np.zeros(padded(columns), np.float32)
        scales[:columns] = steps / most
        return self.vector(packed), self.vector(scales)

    def filled(self) -> FloatArray:
        """The array."""
        array = aligned_zeros(self._size)
        for offset, part in self._parts:
            array[offset : offset + part.size] = part
        return array
