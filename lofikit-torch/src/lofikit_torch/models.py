"""Models in PyTorch: training steps, states, and opening streams."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lofikit.errors import OptionError, RunError
from lofikit.models.base import Outputs, Sampling, State, StepSettings, Stream
from lofikit.models.guides import guides_for
from lofikit.models.layers import initial_weights, network
from lofikit.models.network import NetworkModel
from lofikit.representations.base import Frames, FrameSpec
from lofikit.streaming import engine
from lofikit_torch.bodies.base import Memory
from lofikit_torch.device import check_precision, find_device, working
from lofikit_torch.guides import followed
from lofikit_torch.networks import FrameNetwork, core_layout
from lofikit_torch.optimisers import OPTIMISERS, Optimiser, clip
from lofikit_torch.stream import CompiledStream, TorchStream

log = logging.getLogger(__name__)


class TorchModel(NetworkModel):
    """A network of one of core's families, computed by torch.

    Args:
        config: The model's options, which say what family it is of.
        spec: Its frames.
        seed: Seeds the initial weights, which are those of every backend.

    Raises:
        UnsupportedSpecError: If the network cannot take the frames with these options.
        OptionError: If the device is not there.
    """

    config: Any  # one of core's with TorchOptions

    def __init__(self, config: Any, spec: FrameSpec, seed: int) -> None:
        super().__init__(config, spec, seed)
        self.device = find_device(config.device)
        self._network = FrameNetwork(config, spec)
        self._weights: Mapping[str, Tensor] = self._network.weights()
        self._optimiser: Optimiser | None = None
        self._optimiser_name = ""
        self._carried: list[Memory] = []  # of each part of a batch, where the last step ended
        _fill(self._weights, initial_weights(config, spec, seed), "")
        self._network.to(self.device)
        self._told_why = False

    def check_settings(self, settings: StepSettings) -> None:
        """Refuses what cannot be trained: an optimiser, a loss, or a precision of GPUs."""
        super().check_settings(settings)
        check_precision(self.config.precision, self.device)
        if settings.optimiser not in OPTIMISERS:
            raise OptionError(
                f"there is no optimiser {settings.optimiser!r}",
                f"choose one of: {', '.join(OPTIMISERS)}",
            )

    @property
    def carry(self) -> int:
        """As the options say; 1 for models whose state ends."""
        return getattr(self.config, "carry", 1)

    def train_step(self, frames: Frames, settings: StepSettings) -> Tensor:
        """Does one optimiser step; see :meth:`lofikit.models.base.Model.train_step`."""
        self.check_settings(settings)
        generator = torch.Generator(self.device).manual_seed(settings.seed)
        with working(self.device, self.config, training=True):
            examples = self._tensor(frames)
            loss = self._accumulate(examples, settings, generator)
        gradients = [_gradient(weight) for weight in self._weights.values()]
        if settings.clip_norm > 0:
            clip(gradients, settings.clip_norm)
        self._optimiser_for(settings).step(gradients, settings)
        return loss

    def _accumulate(
        self, examples: Tensor, settings: StepSettings, generator: torch.Generator
    ) -> Tensor:
        """Leaves the gradients of the mean loss in the weights, and returns the loss."""
        count = len(examples)
        # Drawn for the whole batch, so that how it is cut does not change what is drawn.
        given = self._replaced(examples[:, self.inputs], generator)
        noise = self._noise(given, generator)
        guides = self._guides(examples)
        masks = self._network.body.masks(count, given.shape[1], generator)
        for weight in self._weights.values():
            weight.grad = None
        total = torch.zeros((), device=self.device)
        parts = self._parts(given)
        carrying = self.carry > 1
        if carrying and not (settings.carried and len(self._carried) == len(parts)):
            self._carried = [[] for _ in parts]
        for number, part in enumerate(parts):
            memory = self._carried[number] if carrying else None
            inputs = self._network.inputs(given[part], None if guides is None else guides[part])
            if noise is not None:
                inputs[..., : noise.shape[2]] += noise[part]
            loss = self._compare(inputs, examples[part], settings, [m[part] for m in masks], memory)
            loss = loss * (len(inputs) / count)
            loss.backward()
            total += loss.detach()
            if memory is not None:
                memory[:] = [_detached(left) for left in memory]
        return total

    def loss(self, frames: Frames, settings: StepSettings) -> float:
        """Returns the loss of examples; see :meth:`lofikit.models.base.Model.loss`."""
        super().check_settings(settings)
        with working(self.device, self.config, training=True), torch.inference_mode():
            examples = self._tensor(frames)
            given, guides, total = examples[:, self.inputs], self._guides(examples), 0.0
            for part in self._parts(given):
                inputs = self._network.inputs(given[part], None if guides is None else guides[part])
                loss = self._compare(inputs, examples[part], settings, [])
                total += float(loss) * len(inputs) / len(examples)
            return total

    def forward(self, frames: Frames) -> Outputs:
        """Predicts from the whole history; see :meth:`lofikit.models.base.Model.forward`."""
        with working(self.device, self.config, training=False), torch.inference_mode():
            given = self._tensor(frames)
            guides = guides_for(self.config, len(given), self.spec.levels)
            inputs = self._network.inputs(given, followed(guides, given))
            outputs: Tensor = self._network(inputs, [])
            return outputs.cpu().numpy()

    def state(self) -> State:
        """Returns copies of the weights in core's layout, of the optimiser, and what is carried."""
        arrays = {f"weights/{name}": _array(name, w) for name, w in self._weights.items()}
        if self._optimiser is not None:
            prefix = f"optimizer/{self._optimiser_name}"
            arrays[f"{prefix}/steps"] = np.array(self._optimiser.steps, np.int64)
            for slot, values in self._optimiser.slots.items():
                for name, value in values.items():
                    arrays[f"{prefix}/{slot}/{name}"] = _array(name, value)
        for number, memory in enumerate(self._carried):
            for index, left in enumerate(memory):
                for leaf, value in enumerate(left if isinstance(left, tuple) else [left]):
                    name = f"carried/{number}/{index}/{leaf}"
                    arrays[name] = np.array(value.cpu().numpy(), order="C")
        return arrays

    def load_state(self, state: State) -> None:
        """Takes back what :meth:`state` gave; without an optimiser's arrays it starts anew.

        Raises:
            RunError: If an array is missing, or does not fit this model.
        """
        _fill(self._weights, _under("weights/", state), "")
        self._carried = self._memories(_under("carried/", state))
        self._optimiser, self._optimiser_name = None, ""
        for name in {key.split("/")[1] for key in state if key.startswith("optimizer/")}:
            kept = _under(f"optimizer/{name}/", state)
            if name not in OPTIMISERS or "steps" not in kept:
                raise RunError(
                    f"the state of the optimiser {name!r} cannot be used",
                    "start a new training from the weights alone",
                )
            self._optimiser, self._optimiser_name = OPTIMISERS[name](self._weights), name
            self._optimiser.steps = int(kept["steps"])
            for slot, values in self._optimiser.slots.items():
                _fill(values, _under(f"{slot}/", kept), f"{name}'s {slot} of ")

    def _memories(self, arrays: Mapping[str, np.ndarray]) -> list[Memory]:
        """Returns the memories of a batch's parts by their arrays' names, part/index/leaf.

        Those of another backend have other names; without them the next examples start anew.
        """
        found: dict[int, dict[int, dict[int, Tensor]]] = {}
        for name, array in arrays.items():
            if name.count("/") != 2:
                return []
            part, index, leaf = map(int, name.split("/"))
            tensor = torch.tensor(array, device=self.device)
            found.setdefault(part, {}).setdefault(index, {})[leaf] = tensor
        return [
            [
                leaves[0] if len(leaves) == 1 else tuple(leaves[n] for n in sorted(leaves))
                for _, leaves in sorted(memory.items())
            ]
            for _, memory in sorted(found.items())
        ]

    def stream(self, batch: int, sampling: Sampling, seed: int) -> Stream:
        """Opens streams on the compiled engine, or on torch where that is the faster one."""
        # Launching a frame's kernels on a GPU takes longer than the engine takes to compute it;
        # whole blocks are worth a GPU.
        if self.config.engine and (self.device.type == "cpu" or self.block == 1):
            weights = {name: _array(name, value) for name, value in self._weights.items()}
            described = network(self.config, self.spec, weights)
            reason = engine.supports(described)
            if reason is None:
                temperatures = sampling.temperatures(self.spec)
                opened = engine.open_stream(described, batch, temperatures, sampling.top_p, seed)
                return CompiledStream(opened, self.block)
            if not self._told_why:
                log.warning("generating by torch, which is slower, because %s", reason)
                self._told_why = True
        return TorchStream(
            self._network, batch, self.block, self.config, self.device, sampling, seed
        )

    def _compare(
        self,
        inputs: Tensor,
        examples: Tensor,
        settings: StepSettings,
        masks: list[Tensor],
        memory: Memory | None = None,
    ) -> Tensor:
        """Returns the mean loss of predictions from inputs."""
        targets = examples[:, self.targets]
        return self._network.compare(inputs, targets, settings.loss, masks, self.last_only, memory)

    def _guides(self, examples: Tensor) -> Tensor | None:
        """Returns what a predictor says beside the inputs of examples, if there is one."""
        told = followed(guides_for(self.config, len(examples), self.spec.levels), examples)
        return None if told is None else told[:, self.inputs]

    def _parts(self, given: Tensor) -> list[slice]:
        count, time, _ = given.shape
        size = self.config.micro_batch
        if size == 0:
            on_cpu = self.device.type == "cpu"
            size = self._network.body.micro_batch(time) if on_cpu else count
        return [slice(start, start + size) for start in range(0, count, size)]

    def _noise(self, given: Tensor, generator: torch.Generator) -> Tensor | None:
        if not self.config.input_noise:
            return None
        noise = torch.randn(given.shape, generator=generator, device=self.device)
        return noise * self.config.input_noise

    def _replaced(self, given: Tensor, generator: torch.Generator) -> Tensor:
        """Replaces a share of class ids by random ones, as the config's ``id_noise`` asks."""
        share, levels = getattr(self.config, "id_noise", 0.0), self.spec.levels
        if not share or levels is None:
            return given
        drawn = torch.rand(given.shape, generator=generator, device=self.device)
        drawn[:, :, : self.spec.signals] = 1.0  # told as they are when music is made, too
        others = torch.randint(levels, given.shape, generator=generator, device=self.device)
        return torch.where(drawn < share, others, given)

    def _optimiser_for(self, settings: StepSettings) -> Optimiser:
        if self._optimiser is None or self._optimiser_name != settings.optimiser:
            self._optimiser = OPTIMISERS[settings.optimiser](self._weights)
            self._optimiser_name = settings.optimiser
        return self._optimiser

    def _tensor(self, frames: Frames) -> Tensor:
        dtype = torch.float32 if self.spec.levels is None else torch.int64
        return torch.tensor(frames, dtype=dtype, device=self.device)


def _detached(left: Any) -> Any:
    # Copies, as a view of the last state would keep those of all frames.
    if isinstance(left, tuple):
        return tuple(value.detach().clone() for value in left)
    return left.detach().clone()


def _gradient(weight: Tensor) -> Tensor:
    # A weight that the loss does not depend on has none: with skips, a last block's match.
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _array(name: str, value: Tensor) -> np.ndarray:
    return np.array(core_layout(name, value.detach()).cpu().numpy(), order="C")


def _under(prefix: str, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _fill(tensors: Mapping[str, Tensor], arrays: Mapping[str, np.ndarray], what: str) -> None:
    """Copies arrays in core's layout into tensors of the same names, or raises a RunError."""
    hint = "build the model with the options that it was trained with"
    unknown = sorted(set(arrays) - set(tensors))
    if unknown:
        raise RunError(f"{what}{unknown[0]} is not of this model", hint)
    for name, tensor in tensors.items():
        if name not in arrays:
            raise RunError(f"{what}{name} is missing", hint)
        shape = tuple(core_layout(name, tensor).shape)
        if arrays[name].shape != shape:
            raise RunError(f"{what}{name} has shape {arrays[name].shape}, not {shape}", hint)
        with torch.no_grad():
            tensor.copy_(core_layout(name, torch.tensor(arrays[name])))
