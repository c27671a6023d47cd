"""Models on Keras: state, optimiser steps and forward passes.

Training runs in one compiled function a step; streaming is in `lofikit_keras.streaming`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lofikit.errors import OptionError, RunError
from lofikit.models import layers
from lofikit.models.base import Outputs, Sampling, State, StepSettings, Stream
from lofikit.models.configs import SampleRNNConfig
from lofikit.models.guides import guides_for
from lofikit.models.network import NetworkModel
from lofikit.representations.base import Frames, FrameSpec
from lofikit_keras.layout import canonical, held
from lofikit_keras.networks import NOISES, FrameNetwork
from lofikit_keras.optimisation import LOSSES, Optimiser, check_optimiser
from lofikit_keras.runtime import place, set_threads, tf
from lofikit_keras.streaming import open_stream

_Step = tuple[tuple[Any, ...], Optimiser, dict[bool, Callable[..., Any]]]
"""What the settings were, the optimiser that they ask for, and the step without and with XLA."""

_AT_ONCE = 1 << 22
"""Values of one distribution's cells computed at once, to bound the memory."""


class KerasModel(NetworkModel):
    """A network of one of core's families, computed by Keras.

    See :class:`lofikit.models.network.NetworkModel` for the arguments.
    """

    config: Any  # one of core's with KerasOptions
    _xla_frames = 0
    """Frames of a step up to which XLA is faster on a CPU."""

    def __init__(self, config: Any, spec: FrameSpec, seed: int) -> None:
        super().__init__(config, spec, seed)
        set_threads(config.threads)
        self._device = place(config.device)
        with tf.device(self._device):
            self._network = FrameNetwork(config, spec)
        self._assign(layers.initial_weights(config, spec, seed))
        # The step of the last settings, with its optimiser; and an optimiser's state that was
        # loaded and waits for the settings that go on with it.
        self._step: _Step | None = None
        self._loaded: State | None = None
        self._carried: list[Any] = []  # where the last step ended, of models that go on from it
        self._losses: dict[str, Callable[..., Any]] = {}
        self._predict = tf.function(
            self._network.outputs, input_signature=self._signature(None), autograph=False
        )
        self._logits: Callable[..., Any] | None = None
        if self._network.mixture is not None:
            logits = self._network.mixture.logits
            self._logits = tf.function(logits, reduce_retracing=True, autograph=False)

    def _signature(self, time: int | None) -> list[Any]:
        """Returns what the compiled functions take: frames, and what guides them."""
        return [
            tf.TensorSpec((None, time, self.spec.size), self._network.dtype),
            tf.TensorSpec((None, time, self._network.guides), tf.float32),
        ]

    def _given(self, frames: Frames) -> tuple[Any, Any]:
        """Returns frames as a tensor, and what a predictor says after each."""
        guides = guides_for(self.config, len(frames), self.spec.levels)
        told = np.zeros((*frames.shape[:2], 0)) if guides is None else guides.follow(frames)
        return tf.constant(frames, self._network.dtype), tf.constant(told, tf.float32)

    def _error(
        self, frames: Any, guides: Any, loss: Any, seeds: Any = None, before: Any = ()
    ) -> tuple[Any, list[Any]]:
        """Returns the mean loss of chunks, and what they leave; see `FrameNetwork.compare`."""
        given, told = frames[:, self.inputs], guides[:, self.inputs]
        targets = frames[:, self.targets]
        return self._network.compare(given, told, targets, loss, self.last_only, seeds, before)

    # Training.

    def check_settings(self, settings: StepSettings) -> None:
        """See the base; also refuses an optimiser that is not known here."""
        super().check_settings(settings)
        check_optimiser(settings.optimiser)
        if self.carry > 1 and isinstance(self.config, SampleRNNConfig):
            window, frame = self.config.window, self.config.frame
            if window % frame:
                raise OptionError(
                    f"a window of {window} frames ends within a step of the upper tier, which is "
                    f"one of {frame}, and Keras cannot carry its state on from there",
                    f"choose a multiple: --model.window {-(-window // frame) * frame}, or "
                    "torch/samplernn, which can",
                )

    @property
    def carry(self) -> int:
        """As the options say; 1 for models whose state ends."""
        return getattr(self.config, "carry", 1)

    def train_step(self, frames: Frames, settings: StepSettings) -> Any:
        """See the base; returns a tensor, which is computed when it is asked for."""
        key = (
            settings.optimiser,
            settings.loss,
            settings.momentum,
            settings.weight_decay,
            settings.clip_norm,
        )
        if self._step is None or self._step[0] != key:
            self._step = self._compile(key, settings)
        elif self._loaded is not None:
            self._step[1].load(self._loaded)
        self._loaded = None
        compiled = self._step[2][self._xla(frames)]
        with tf.device(self._device):
            before: list[Any] = []
            if self.carry > 1:
                fits = bool(self._carried) and self._carried[0].shape[0] == len(frames)
                goes_on = settings.carried and fits
                before = self._carried if goes_on else self._network.nothing(len(frames))
            error, left = compiled(
                *self._given(frames),
                tf.constant(settings.learning_rate, tf.float32),
                tf.constant(self._seeds(settings.seed)),
                before,
            )
        self._carried = left if self.carry > 1 else []
        return error

    def _xla(self, frames: Frames) -> bool:
        """Whether a step is compiled by XLA."""
        if self.config.jit_compile == "auto":
            few = frames.shape[0] * frames.shape[1] <= self._xla_frames
            return few and "CPU" in self._device
        return self.config.jit_compile == "on"

    def _seeds(self, seed: int) -> np.ndarray:
        """Returns a seed for each use of the noise and each dropout layer, all unrelated."""
        count = NOISES + len(self._network.seeds)
        words = np.random.SeedSequence(seed).generate_state(2 * count)
        return words.astype(np.int64).reshape(count, 2)

    def _compile(self, key: tuple[Any, ...], settings: StepSettings) -> _Step:
        self.check_settings(settings)
        variables = self._network.variables
        with tf.device(self._device):
            optimiser = Optimiser(settings, variables)
        # Another momentum or loss goes on with the same state; another optimiser starts anew.
        optimiser.load(self._optimiser_state())
        loss = LOSSES[settings.loss]()
        trained = [v.value for v in variables.values()]

        def step(frames: Any, guides: Any, learning_rate: Any, seeds: Any, before: Any) -> Any:
            for i, state in enumerate(self._network.seeds):
                state.assign(seeds[NOISES + i])
            with tf.GradientTape() as tape:
                error, left = self._error(frames, guides, loss, seeds, before)
            # A weight that no output depends on has a gradient of zeros, not none: with skips,
            # that is the last block's match.
            gradients = tape.gradient(error, trained, unconnected_gradients="zero")
            optimiser.apply(gradients, learning_rate)
            return error, left

        # Each is traced when it is first called, and once for each shape of frames.
        compiled = {
            xla: tf.function(step, jit_compile=xla or None, autograph=False)
            for xla in (False, True)
        }
        return key, optimiser, compiled

    def loss(self, frames: Frames, settings: StepSettings) -> float:
        """See the base."""
        super().check_settings(settings)
        if settings.loss not in self._losses:
            loss = LOSSES[settings.loss]()
            self._losses[settings.loss] = tf.function(
                lambda frames, guides: self._error(frames, guides, loss)[0],
                input_signature=self._signature(self.chunk),
                autograph=False,
            )
        with tf.device(self._device):
            return float(self._losses[settings.loss](*self._given(frames)))

    # Predicting.

    def forward(self, frames: Frames) -> Outputs:
        """See the base."""
        with tf.device(self._device):
            given, guides = self._given(frames)
            outputs = self._predict(given, guides)
            if self._logits is None or self.spec.levels is None:
                return np.asarray(outputs)
            piece = max(1, _AT_ONCE // (len(frames) * self.spec.size * self.spec.levels))
            parts = [
                self._logits(outputs[:, at : at + piece], guides[:, at : at + piece]).numpy()
                for at in range(0, max(1, frames.shape[1]), piece)
            ]
        return np.concatenate(parts, axis=1)

    def stream(self, batch: int, sampling: Sampling, seed: int) -> Stream:
        """See the base; runs in core's engine where that is the fastest."""
        network = layers.network(self.config, self.spec, self._weights())
        # To launch a frame's kernels on a GPU takes longer than the engine takes to compute it;
        # whole blocks are worth a GPU.
        compiled = self.config.engine and ("CPU" in self._device or self.block == 1)
        xla = self.config.jit_compile != "off"
        return open_stream(
            network,
            batch,
            sampling.temperatures(self.spec),
            sampling.top_p,
            seed,
            self._device,
            compiled,
            xla,
        )

    # State.

    def _weights(self) -> layers.Weights:
        weights: layers.Weights = {}
        for name, value in self._network.variables.items():
            weights |= canonical(name, np.array(value.numpy()))
        return weights

    def _assign(self, weights: layers.Weights) -> None:
        for name, variable in self._network.variables.items():
            variable.assign(held(name, variable.shape, weights))

    def _optimiser_state(self) -> State:
        if self._loaded is not None:
            return self._loaded
        return {} if self._step is None else self._step[1].state()

    def state(self) -> State:
        """See the base."""
        weights: State = {f"weights/{name}": value for name, value in self._weights().items()}
        carried = {f"carried/{n}": value.numpy() for n, value in enumerate(self._carried)}
        return weights | self._optimiser_state() | carried

    def load_state(self, state: State) -> None:
        """See the base; the state may come from any backend of these models.

        Raises:
            RunError: If a weight is missing, not of this model, or of another shape.
        """
        weights = {
            name.removeprefix("weights/"): value
            for name, value in state.items()
            if name.startswith("weights/")
        }
        hint = "build the model with the options that it was trained with"
        shapes = layers.shapes(self.config, self.spec)
        for name in weights.keys() ^ shapes.keys():
            what = "is missing" if name in shapes else "is not of this model"
            raise RunError(f"the weight {name} {what}", hint)
        for name, shape in shapes.items():
            if weights[name].shape != shape:
                raise RunError(
                    f"the weight {name} has shape {weights[name].shape}, not {shape}", hint
                )
        self._assign(weights)
        self._loaded = {k: np.array(v) for k, v in state.items() if k.startswith("optimizer/")}
        names = [f"carried/{n}" for n in range(self._network.memories)]
        self._carried = []
        if all(name in state for name in names):
            with tf.device(self._device):
                self._carried = [tf.constant(state[name]) for name in names]


class KerasTCN(KerasModel):
    """``keras/tcn``: keras-tcn's TCN layer, and a dense head at each frame."""

    # Of 64 filters and 2 taps, one thread: 0.71 to 0.91 of the time at 1 to 4 chunks of 512,
    # and 1.3 to 1.4 at 8 to 32.
    _xla_frames = 2052
