"""Distances between two sets of vectors: whether generated music, as a whole, is like real music.

A take may be good and its set still far away (all takes alike), and the other way round; so these
stand beside the figures of single takes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]

MOST = 2000
"""Vectors of a set that are compared at most, evenly picked: pairs grow with the square."""
SCALE = 100.0
"""Factor on the kernel distance, as its authors have it."""


def thinned(vectors: Vectors, most: int = MOST) -> Vectors:
    """Returns at most so many of the vectors (n, size), evenly picked."""
    if len(vectors) <= most:
        return vectors
    return vectors[np.linspace(0, len(vectors) - 1, most).astype(np.int64)]


def frechet_distance(reference: Vectors, vectors: Vectors) -> float:
    """Returns the Frechet distance of the normal distributions fitted to two sets.

    As Kilgour et al., "Frechet audio distance: a reference-free metric for evaluating music
    enhancement algorithms", Interspeech 2019, eq. 2. Sets with few vectors seem further away than
    they are: compare sets of one size.

    Args:
        reference: Shape (n, size).
        vectors: Shape (m, size).

    Returns:
        NaN if a set has fewer than two vectors.
    """
    if min(len(reference), len(vectors)) < 2:
        return float("nan")
    gap = reference.mean(axis=0) - vectors.mean(axis=0)
    one, other = (np.atleast_2d(np.cov(v, rowvar=False)) for v in (reference, vectors))
    # The trace of the root of a product, by way of a symmetric matrix with the same eigenvalues.
    values, axes = np.linalg.eigh(one)
    root = (axes * np.sqrt(np.maximum(values, 0.0))) @ axes.T
    crossed = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0.0)).sum()
    return float(gap @ gap + np.trace(one) + np.trace(other) - 2 * crossed)


def kernel_distance(reference: Vectors, vectors: Vectors) -> float:
    """Returns the kernel audio distance (KAD) of two sets.

    The squared maximum mean discrepancy by its unbiased estimator (Gretton et al., "A kernel
    two-sample test", JMLR 2012, eq. 3) with a Gaussian kernel as wide as the median distance of two
    reference vectors, times 100, as Chung et al., "KAD: No More FAD! An Effective and Efficient
    Evaluation Metric for Audio Generation", 2025. It does not depend on how many vectors there
    are, but for its spread, and may fall below 0 for sets that are alike.

    Args:
        reference: Shape (n, size).
        vectors: Shape (m, size).

    Returns:
        NaN if a set has fewer than two vectors.
    """
    if min(len(reference), len(vectors)) < 2:
        return float("nan")
    within = _squares(reference, reference)
    width = float(np.median(within[np.triu_indices(len(within), 1)]))  # the squared distance
    scale = -0.5 / max(width, 1e-12)

    def mean_of_pairs(squares: Vectors) -> float:
        count = len(squares)
        return float((np.exp(scale * squares).sum() - count) / (count * (count - 1)))

    crossed = float(np.exp(scale * _squares(reference, vectors)).mean())
    own = mean_of_pairs(within) + mean_of_pairs(_squares(vectors, vectors))
    return SCALE * (own - 2 * crossed)


def _squares(one: Vectors, other: Vectors) -> Vectors:
    """Returns the squared distances of all pairs, shape (n, m)."""
    products = one @ other.T
    norms = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)
    return np.asarray(np.maximum(norms - 2 * products, 0.0))
