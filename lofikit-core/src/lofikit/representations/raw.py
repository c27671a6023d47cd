"""Samples as they are."""

from __future__ import annotations

import numpy as np

from lofikit.options import Options, option
from lofikit.representations.base import Decoder, Frames, FrameSpec, Representation, Samples
from lofikit.representations.overlap import OverlapAdd


class RawConfig(Options):
    """Options of :class:`Raw`."""

    frame: int = option(
        1,
        "Samples a frame; 1 is the paper's, more gives a model blocks of samples.",
        unit="samples",
        ge=1,
        le=65_536,
    )


class Raw(Representation):
    """Samples as real values: frame ``t`` is the ``frame`` samples from ``t * frame`` on."""

    config: RawConfig

    @property
    def spec(self) -> FrameSpec:
        """As many values as samples."""
        frame = self.config.frame
        return FrameSpec(sample_rate=self.sample_rate, hop=frame, size=frame)

    def encode(self, samples: Samples) -> Frames:
        """Returns the samples, cut into frames: the same memory where it can be."""
        frame = self.config.frame
        # Frames do not overlap: what is not a whole one is left over, the rest only named anew.
        # To copy half a megabyte a step costs more than to draw it.
        whole = np.asarray(samples[:, : samples.shape[1] // frame * frame], dtype=np.float32)
        return whole.reshape(len(whole), -1, frame)

    def decoder(self, batch: int = 1) -> Decoder:
        """Returns a decoder that holds nothing back."""
        frame = self.config.frame
        return OverlapAdd(lambda frames: frames, batch, frame, frame)

    @property
    def tolerance(self) -> float:
        """Exact."""
        return 0.0
