"""Vectors as ids of centroids, in loops that round each vector the same whatever stands beside it.

A library for matrices rounds a product otherwise for another number of rows, and what lies between
two centroids would change sides with the length of the stretch that is encoded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.representations.codebooks import Books, Vectors
from lofikit.streaming.processor import compiled


class Quantiser:
    """Finds the ids of vectors in books.

    Args:
        projection: Takes vectors to those of the books, shape (inner, dimensions).
        offset: Taken from what it gives, shape (dimensions,).
        books: Shape (books, levels, dimensions).
    """

    def __init__(self, projection: Vectors, offset: NDArray[np.float32], books: Books) -> None:
        self._projection, self._offset = np.ascontiguousarray(projection), offset
        self._books = np.ascontiguousarray(books.swapaxes(1, 2))
        self._squares = np.square(books).sum(axis=2)

    def __call__(self, vectors: Vectors) -> NDArray[np.int32]:
        """Returns ids of shape (n, books) for vectors of shape (n, inner).

        Each book's id is of the centroid nearest to what those before it leave over; of equally
        near ones, the first.
        """
        ids = np.empty((len(vectors), len(self._books)), np.int32)
        vectors = np.ascontiguousarray(vectors, np.float32)
        quantise(vectors, self._projection, self._offset, self._books, self._squares, ids)
        return ids


@compiled
def quantise(
    vectors: Any, projection: Any, offset: Any, books: Any, squares: Any, ids: Any
) -> None:
    """Project vectors and find their centroids, one book after the other.

    Args:
        vectors: Shape (n, inner).
        projection: Shape (inner, dimensions).
        offset: Taken from what the projection gives, shape (dimensions,).
        books: Shape (books, dimensions, levels).
        squares: Squared lengths of the centroids, shape (books, levels).
        ids: Takes the ids, shape (n, books).
    """
    inner, dimensions = projection.shape
    count, _, levels = books.shape
    left = np.empty(dimensions, np.float32)
    scores = np.empty(levels, np.float32)
    for row in range(len(vectors)):
        for d in range(dimensions):
            left[d] = -offset[d]
        for i in range(inner):
            value = vectors[row, i]
            for d in range(dimensions):
                left[d] += value * projection[i, d]
        for book in range(count):
            # |v - c|^2 = |v|^2 - 2 v c + |c|^2, of which the first does not hang on the centroid.
            for c in range(levels):
                scores[c] = squares[book, c]
            for d in range(dimensions):
                value = -(left[d] + left[d])
                for c in range(levels):
                    scores[c] += value * books[book, d, c]
            best = 0
            for c in range(1, levels):
                if scores[c] < scores[best]:
                    best = c
            ids[row, book] = best
            for d in range(dimensions):
                left[d] -= books[book, d, best]
