"""A distribution of ordered classes: logistic distributions of several scales around a centre."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.representations.mulaw import expand
from lofikit.streaming.heads import UNIFORM

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

SCALES = 16
"""Logistic distributions in the mixture, and sets of their weights."""
SHARPNESS = 2.5
"""How fast, before anything is learned, weights fall with a scale's distance from the likely."""
ROUNDS = 8
"""Rounds of EM on each batch."""
FADE = 0.97
"""What is left of the counts a step later: early ones come of poor predictions."""


class LogisticMixture:
    """A mixture of logistic distributions, each integrated over the cells of the classes.

    The integration over cells is PixelCNN++'s (Salimans et al. 2017). The scales are a fixed grid;
    the weights are learned by online EM (Cappé and Moulines 2009). They depend on how far off the
    last predictions were: there is one set of weights for each scale that the mean recent error
    may have, and between two of them both count, by their distance on a logarithmic axis.

    Args:
        levels: Number of classes.
        mu_law: Whether the classes stand for values on a mu-law scale, or for even steps.

    Attributes:
        values: What each class stands for, from -1 to 1, shape (levels,).
        edges: Edges between the cells of the classes, shape (levels - 1,).
        scales: Of the logistic distributions, shape (scales,).
        weights: Weights of the scales (second axis) at each recent error (first axis); before
            anything is learned, those near the recent error weigh most.
        counts: How often each scale was responsible, of the same shape; what EM goes on from.
    """

    def __init__(self, levels: int, mu_law: bool) -> None:
        grid = np.arange(2 * levels - 1) / (levels - 1) - 1.0  # each class, and between each two
        points = expand(grid, levels) if mu_law else grid
        self.values: Array = points[::2]
        self.edges: Array = points[1::2]
        self._cells = np.concatenate([[-np.inf], self.edges, [np.inf]])
        finest = np.clip(np.diff(self.values).min(), 1e-5, 0.02)
        self.scales: Array = np.geomspace(finest, 0.5, SCALES)
        # A logistic distribution of scale s has the mean absolute error 2 ln(2) s.
        places = np.log2(self.scales)
        likely = places[:, None] - np.log2(2 * np.log(2))
        step = places[1] - places[0]
        nearness = np.exp(-SHARPNESS * np.abs(places - likely) / step)
        self._prior = nearness / nearness.sum(axis=1, keepdims=True)
        self.weights: Array = self._prior.copy()
        self.counts: Array = np.zeros((SCALES, SCALES))

    def copy(self) -> LogisticMixture:
        """Returns a mixture that further learning leaves alone."""
        other = object.__new__(LogisticMixture)
        other.__dict__.update(self.__dict__, weights=self.weights.copy(), counts=self.counts.copy())
        return other

    def learn(self, centre: Array, recent: Array, ids: Indices) -> None:
        """Learns the weights from a batch; arguments as for :meth:`loss`."""
        inside, near = self._inside(centre, ids), self._near(recent)
        past = self.counts * FADE
        for _ in range(ROUNDS):
            relative = inside / (inside * (near @ self.weights)).sum(axis=1, keepdims=True)
            self.counts = past + self.weights * (near.T @ relative)
            smoothed = self.counts + self._prior
            self.weights = smoothed / smoothed.sum(axis=1, keepdims=True)

    def loss(self, centre: Array, recent: Array, ids: Indices) -> float:
        """Returns the mean cross-entropy in nats.

        Args:
            centre: Predicted values, shape (n,).
            recent: Mean absolute errors of the predictions before them, shape (n,).
            ids: The classes that came, shape (n,).
        """
        inside = self._inside(centre, ids) * (self._near(recent) @ self.weights)
        return float(-np.log(inside.sum(axis=1)).mean())

    def _inside(self, centre: Array, ids: Indices) -> Array:
        """Returns the probability of each class by each scale, shape (n, scales)."""
        above = _logistic((self._cells[ids + 1] - centre)[:, None] / self.scales)
        below = _logistic((self._cells[ids] - centre)[:, None] / self.scales)
        return np.asarray((1 - UNIFORM) * (above - below) + UNIFORM / len(self.values))

    def _near(self, recent: Array) -> Array:
        """Returns the share of each set of weights at some recent errors, shape (n, scales)."""
        octaves = np.log2(self.scales)
        place = np.interp(np.log2(np.maximum(recent, 1e-12)), octaves, np.arange(SCALES))
        return np.asarray(np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(SCALES))))


def _logistic(x: NDArray[Any]) -> NDArray[Any]:
    """Returns the logistic function, without overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))
