"""Residual vector quantisation: principal components, and k-means on what is left of them.

Each book holds centroids of what the books before it leave over (residual vector quantisation,
Juang and Gray 1982; Gray 1984, section VI), so that the first few books give a rough vector and
every further one refines it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""float32, shape (n, dimensions)."""
Books = NDArray[np.float32]
"""Centroids, float32, shape (books, levels, dimensions)."""

ITERATIONS = 12
"""Of k-means a book; more change nothing that is heard."""


def principal_components(vectors: Vectors, count: int) -> Vectors:
    """Returns the orthonormal directions in which vectors vary most.

    Args:
        vectors: Shape (n, dimensions), with a mean of zero.
        count: How many directions, at most ``dimensions``.

    Returns:
        Shape (dimensions, count), strongest first. The largest entry of each is positive, so
        that equal vectors give equal directions.
    """
    from scipy.linalg import eigh

    covariance = (vectors.T @ vectors).astype(np.float64)
    last = len(covariance) - 1
    _, directions = eigh(covariance, subset_by_index=(last - count + 1, last))
    found = directions[:, ::-1]
    largest = np.abs(found).argmax(axis=0)
    signs = np.sign(found[largest, np.arange(found.shape[1])])
    return np.asarray(found * signs, dtype=np.float32)


def fit_books(vectors: Vectors, books: int, levels: int, rng: np.random.Generator) -> Books:
    """Fits one book after the other, each by k-means on the residuals of those before it.

    Args:
        vectors: Shape (n, dimensions), at least one.
        books: Number of books.
        levels: Centroids a book.
        rng: Chooses the vectors that k-means starts from.

    Returns:
        Centroids of shape (books, levels, dimensions).
    """
    residuals = vectors.copy()
    fitted = []
    for _ in range(books):
        centroids = kmeans(residuals, levels, rng)
        fitted.append(centroids)
        residuals -= centroids[nearest(residuals, centroids)]
    return np.stack(fitted)


def kmeans(vectors: Vectors, levels: int, rng: np.random.Generator) -> Vectors:
    """Clusters vectors by Lloyd's algorithm, starting from vectors drawn at random.

    A cluster that loses all its vectors begins anew at the vector that is farthest from its
    centroid.

    Args:
        vectors: Shape (n, dimensions), at least one; fewer than ``levels`` leave centroids that
            are equal.
        levels: Number of clusters.
        rng: Draws the first centroids.

    Returns:
        Centroids of shape (levels, dimensions).
    """
    from scipy.sparse import csr_array

    n = len(vectors)
    centroids = vectors[np.resize(rng.permutation(n), levels)]
    ones, rows = np.ones(n, np.float32), np.arange(n + 1)
    for _ in range(ITERATIONS):
        ids = nearest(vectors, centroids)
        members = np.bincount(ids, minlength=levels)
        sums = csr_array((ones, ids, rows), shape=(n, levels)).T @ vectors
        empty = np.flatnonzero(members == 0)
        errors = np.square(vectors - centroids[ids]).sum(axis=1)
        centroids = np.asarray(sums / np.maximum(members, 1)[:, None], dtype=np.float32)
        if len(empty):
            farthest = np.argsort(-errors, kind="stable")[: len(empty)]
            centroids[empty[: len(farthest)]] = vectors[farthest]
    return centroids


def nearest(vectors: Vectors, centroids: Vectors) -> NDArray[np.int32]:
    """Returns the index of the centroid nearest to each vector, shape (n,)."""
    # |v - c|^2 = |v|^2 - 2 v c + |c|^2, of which the first does not hang on the centroid.
    scores = vectors @ (-2.0 * centroids).T
    scores += np.square(centroids).sum(axis=1)
    return np.asarray(scores.argmin(axis=1), dtype=np.int32)
