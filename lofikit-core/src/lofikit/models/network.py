"""What a backend's models of core's families have in common: how they cut their chunks."""

from __future__ import annotations

from lofikit.models.base import Model
from lofikit.models.configs import CausalConfig
from lofikit.models.families import family_of
from lofikit.models.layers import Config, check_spec, guided
from lofikit.representations.base import FrameSpec

WARM_UP = 256
"""Samples that adaptive linear prediction hears before anything is learned beside it."""


class NetworkModel(Model):
    """A model of one of :data:`lofikit.models.families.FAMILIES`; a backend computes it.

    Args:
        config: Derived from one of :mod:`lofikit.models.configs`.
        spec: Its frames.
        seed: Seeds the initial weights, which are those of every backend.

    Attributes:
        inputs: The frames of a chunk that go in.
        targets: Those that are predicted; of as many positions at the end of the inputs.

    Raises:
        UnsupportedSpecError: If the network cannot take the frames with these options.
    """

    config: Config

    def __init__(self, config: Config, spec: FrameSpec, seed: int) -> None:
        super().__init__(config, spec, seed)
        check_spec(config, spec)
        self._family = family_of(config)
        self.block = self._family.block(config)
        self.inputs, self.targets = slice(0, -self.block), slice(self.block, None)
        self.warm_up = WARM_UP if guided(config) else 0
        if self.warm_up:
            self.targets = slice(self.warm_up + 1, None)
        self.last_only = isinstance(config, CausalConfig) and config.targets == "last"
        if self.last_only:
            # The last prediction sees no further, so the rest of the window need not be computed.
            seen = min(self._family.receptive_field(self.config) or self.chunk, self.chunk - 1)
            self.inputs, self.targets = slice(-1 - seen, -1), slice(-1, None)

    @property
    def chunk(self) -> int:
        """The window and the block after it; before them what a predictor needs to settle."""
        return self.warm_up + self._family.window(self.config) + self.block

    @property
    def context(self) -> int:
        """The receptive field; where it has no bound, the window."""
        return self.warm_up + self._family.context(self.config)

    @property
    def receptive_field(self) -> int | None:
        """Past frames that a prediction depends on; None if there is no bound."""
        if guided(self.config):
            return None
        return self._family.receptive_field(self.config)
