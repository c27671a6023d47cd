"""A model as Keras layers: how frames go in, the body of its family, and a dense head."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from lofikit.models.families import family_of
from lofikit.models.layers import (
    class_edges,
    guided,
    head_width,
    input_width,
    mixtures_of,
    shapes,
)
from lofikit.representations.base import FrameSpec
from lofikit.streaming.network import GUIDES
from lofikit_keras.bodies import build_body
from lofikit_keras.bodies.base import Variables
from lofikit_keras.layers import Embedding
from lofikit_keras.mixture import Logistics
from lofikit_keras.runtime import keras, tf

NOISES = 3
"""Seeds of a step before those of dropout: which ids are replaced, by what, and input noise."""


class FrameNetwork:
    """Frames in, predictions out; its functions are traced, and run compiled.

    Args:
        config: The model's options.
        spec: Its frames.

    Attributes:
        guides: Values a frame that a predictor says beside it.
        mixture: Makes logits of what the head gives, if the head is one of a mixture.
        variables: Trainable variables in the order of the layers, by the names of
            `lofikit_keras.layout`; they are still to be set.
        seeds: States of the generators that dropout draws from.
    """

    def __init__(self, config: Any, spec: FrameSpec) -> None:
        self.config, self.spec = config, spec
        self.guides = GUIDES if guided(config) else 0
        self.mixture: Logistics | None = None
        mixtures = mixtures_of(config)
        if mixtures and spec.levels is not None:
            edges = class_edges(config, spec.levels)
            self.mixture = Logistics(mixtures, edges, guided(config))
        self.variables: Variables = {}
        self._embedding = None
        with _precision(config.precision):
            if shape := shapes(config, spec).get("embedding"):
                self._embedding = Embedding(shape)
                self.variables["embedding"] = self._embedding.table
            self._body, found = build_body(config, input_width(config, spec))
            self.variables |= found
        # Always in float32.
        self._head = keras.layers.Dense(head_width(config, spec), dtype="float32", name="head")
        self._head.build((None, None, family_of(config).features(config)))
        self.variables |= {"head.weight": self._head.kernel, "head.bias": self._head.bias}
        others = self._body.non_trainable_variables
        self.seeds = tuple(v for v in others if v.name == "seed_generator_state")
        # Of an encoder-decoder, which reads a block at a time, each by itself.
        self._block: int | None = self._body.inputs[0].shape[1]

    @property
    def dtype(self) -> Any:
        """The type of frames."""
        return tf.float32 if self.spec.levels is None else tf.int32

    @property
    def memories(self) -> int:
        """How many tensors the past leaves; none, of a state that ends."""
        return len(self._body.inputs) - 1

    def nothing(self, batch: Any) -> list[Any]:
        """Returns what the past leaves at the start, each of shape (batch, n)."""
        return [tf.zeros((batch, *state.shape[1:])) for state in self._body.inputs[1:]]

    def outputs(self, frames: Any, guides: Any) -> Any:
        """Returns what is predicted: values, logits, or what a mixture makes logits of."""
        features, _ = self._features(_beside(self._values(frames), guides), False, ())
        return self._heads(features)

    def compare(
        self,
        frames: Any,
        guides: Any,
        targets: Any,
        loss: Any,
        last: bool = False,
        seeds: Any = None,
        before: Any = (),
    ) -> tuple[Any, list[Any]]:
        """Returns the mean loss of what is predicted, and what the end of the frames leaves.

        Args:
            frames: They go in, (batch, time, size).
            guides: What a predictor says after each, (batch, time, guides).
            targets: What the last of them predict.
            loss: Compares targets and predictions.
            last: Whether the last position alone is learned from.
            seeds: Of dropout and noise; ``None`` for neither.
            before: What the past left; empty at the start.
        """
        training = seeds is not None
        if training:
            frames = self._replaced(frames, seeds[0], seeds[1])
        values = self._values(frames)
        if training and self.config.input_noise:
            values += tf.random.stateless_normal(
                tf.shape(values), seeds[2], stddev=self.config.input_noise
            )
        features, left = self._features(_beside(values, guides), training, before)
        # What always is given need not be predicted.
        learned = self.spec.conditions
        targets = targets[:, :, learned:]
        outputs = self._heads(features[:, -1:] if last else features, learned)
        if self.mixture is None:
            return loss(targets, outputs), left
        count = targets.shape[1]
        likelihood = self.mixture.log_likelihood(outputs[:, -count:], targets, guides[:, -count:])
        return -tf.reduce_mean(likelihood), left

    def _values(self, frames: Any) -> Any:
        """Returns frames as the first layer takes them (see `lofikit.streaming.network.Input`)."""
        if self.spec.levels is None:
            return frames
        if self._embedding is None:
            return tf.cast(frames, tf.float32) * (2.0 / (self.spec.levels - 1)) - 1.0
        rows = self._embedding(frames)
        shape = tf.shape(frames)
        return tf.reshape(rows, (shape[0], shape[1], rows.shape[-2] * rows.shape[-1]))

    def _features(self, values: Any, training: bool, before: Any) -> tuple[Any, list[Any]]:
        """Runs the layers below the head on a history (batch, time, width)."""
        if self._block is not None:
            shape = tf.shape(values)
            blocks = tf.reshape(values, (-1, self._block, values.shape[-1]))
            decoded = self._body(blocks, training=training)
            return tf.reshape(decoded, (shape[0], shape[1], decoded.shape[-1])), []
        if not self.memories:
            return self._body(values, training=training), []
        states = list(before) or self.nothing(tf.shape(values)[0])
        features, *left = self._body([values, *states], training=training)
        return features, [tf.cast(state, tf.float32) for state in left]

    def _heads(self, values: Any, first: int = 0) -> Any:
        """Returns what the head gives for the values of a frame from the ``first`` on."""
        skipped = first * (self._head.units // self.spec.size)
        kernel, bias = self._head.kernel[:, skipped:], self._head.bias[skipped:]
        outputs = tf.tensordot(tf.cast(values, tf.float32), kernel, 1) + bias
        if self.spec.levels is None or self.mixture is not None:
            return outputs
        shape = tf.shape(outputs)
        return tf.reshape(outputs, (shape[0], shape[1], self.spec.size - first, self.spec.levels))

    def _replaced(self, given: Any, which: Any, others: Any) -> Any:
        """Replaces a share of class ids by random ones, as the config's ``id_noise`` asks."""
        share, levels = getattr(self.config, "id_noise", 0.0), self.spec.levels
        if not share or levels is None:
            return given
        shape = tf.shape(given)
        drawn = tf.random.stateless_uniform(shape, which)
        ids = tf.random.stateless_uniform(shape, others, maxval=levels, dtype=tf.int32)
        # Signals are told as they are when music is made, too.
        sound = tf.range(shape[2]) >= self.spec.signals
        return tf.where((drawn < share) & sound, ids, given)


def _beside(values: Any, guides: Any) -> Any:
    """Returns what the first layer takes: what a predictor says goes in after the values."""
    return tf.concat([values, tf.cast(guides, values.dtype)], axis=2)


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Makes a policy the default while layers are built: keras-tcn hands none to its own."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
