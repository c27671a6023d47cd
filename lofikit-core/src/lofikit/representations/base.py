"""The interface of a representation: samples as frames, and frames as samples again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lofikit.errors import RepresentationError
from lofikit.options import Options
from lofikit.timbre import is_timbre

Samples = NDArray[np.float32]
Frames = NDArray[Any]
"""float32 values or int32 class ids, shape (batch, time, size)."""
Signals = Mapping[str, NDArray[np.float32]]
"""What a representation is told beside the samples: a value a sample, shape (batch, n), by name.

``beat`` counts beats, with their fractions; NaN where there is no beat. ``onsets-1``,
``onsets-2`` and so on are how strongly sounds begin in bands from low to high, in dB
(:func:`lofikit.onsets.onset_curves`), and ``dynamics`` is how loud the music is, in dBFS
(:func:`lofikit.onsets.level_curve`); NaN where that is for the model to choose. ``timbre-1``,
``timbre-2`` and so on are the balance of bands from low to high, in dB
(:func:`lofikit.timbre.timbre_signals`); NaN where nothing is told.
"""
FREE = -1
"""Stands in given frames for a value that the model is to choose."""


class FrameSpec(Options):
    """What the frames of a representation look like; all that a model knows of it.

    Attributes:
        sample_rate: Rate of the samples in Hz.
        hop: Samples from one frame to the next.
        size: Values a frame.
        levels: Number of classes, if the values are class ids; ``None`` for real values.
        ordinal: Whether neighbouring class ids stand for neighbouring values (as in mu-law).
        signals: How many values a frame begins with that say something about the music, such as
            the place in the beat, and are not its sound itself: they may be given to a model
            when it generates.
        conditions: How many of the signals, the first of them, are always given, such as the
            timbre that a take is to have: nothing is gained by learning to predict them. They
            have a value that says that nothing is told, which takes are given of all but the
            timbre and the beat.
    """

    sample_rate: int = Field(gt=0)
    hop: int = Field(gt=0)
    size: int = Field(gt=0)
    levels: int | None = Field(None, gt=1)
    ordinal: bool = True
    signals: int = Field(0, ge=0)
    conditions: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _check_signals(self) -> Self:
        if self.conditions > self.signals:
            raise ValueError(f"{self.conditions} of {self.signals} signals cannot be always given")
        if self.signals >= self.size:
            raise ValueError(f"{self.signals} signals leave no sound in frames of {self.size}")
        return self

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop


class Decoder(ABC):
    """Turns frames into samples as they come, for a batch of streams."""

    @abstractmethod
    def push(self, frames: Frames) -> Samples:
        """Takes frames (batch, time, size) and returns the samples that are now final.

        Returns:
            Samples (batch, n); ``n`` may be 0 while the decoder waits for more. They may share
            the memory of ``frames``.
        """

    @abstractmethod
    def flush(self) -> Samples:
        """Returns the samples (batch, n) still held back, and ends the stream."""


class Representation(ABC):
    """Samples as frames and back.

    Frames lie on a regular grid: frame ``t`` is made of the ``window`` samples that start at
    ``t * hop``, and of nothing else. So any stretch of a clip can be encoded by itself, and
    gives the frames that the whole clip would give.

    Args:
        config: The representation's options.
        sample_rate: Rate of the samples in Hz.
    """

    def __init__(self, config: Any, sample_rate: int) -> None:
        self.config = config
        self.sample_rate = sample_rate

    @property
    @abstractmethod
    def spec(self) -> FrameSpec:
        """What the frames look like."""

    @property
    def window(self) -> int:
        """Samples that one frame is made of; the hop, unless frames overlap."""
        return self.spec.hop

    # A representation that tells signals overrides the next two, and its `encode` takes them as a
    # second argument, which others are not given: the beat and the timbre, if it names them. What
    # it is not given there it finds in the samples, or says that there is none.

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the signals that frames begin with, a value each."""
        return ()

    @property
    def keeps_time(self) -> bool:
        """Whether frames tell the place in the beat, which is given when music is made."""
        return "beat" in self.signals

    @property
    def keeps_timbre(self) -> bool:
        """Whether frames tell the timbre of the music that they are of, which takes keep."""
        return any(is_timbre(name) for name in self.signals)

    def given(self, signals: Signals) -> Frames:
        """Returns frames of which only the signals are known.

        All else is :data:`FREE`, or NaN in frames of real values.

        Args:
            signals: By name, shape (batch, n); frames lie on the grid of :meth:`encode`.

        Raises:
            RepresentationError: If there are no signals, or the class names some and lacks this.
        """
        raise RepresentationError(
            f"{type(self).__name__} cannot be given signals",
            "one that names signals has a method given(): see lofikit.representations.base",
        )

    @abstractmethod
    def encode(self, samples: Samples) -> Frames:
        """Returns the frames of all whole windows in ``samples``; nothing is padded.

        In training it is called on a thread of its own, by one at a time, while the model learns
        from what it returned before: that is not to be written to again.

        Args:
            samples: float32 in [-1, 1], shape (batch, n).

        Returns:
            Frames of shape (batch, 1 + (n - window) // hop, size), or (batch, 0, size) if
            ``n < window``: float32, or int32 where ``spec.levels`` is set. They may share the
            memory of ``samples``.
        """

    @abstractmethod
    def decoder(self, batch: int = 1) -> Decoder:
        """Returns a new streaming decoder for ``batch`` streams.

        Fed with the frames of ``encode(x)``, all its samples together are ``x`` within the
        representation's tolerance, except for the first and the last ``window - hop`` samples,
        which lack the frames that overlap them.
        """

    def decoder_after(self, samples: Samples, frames: Frames) -> Decoder:
        """Returns a decoder for the frames of some music, and for what goes on from it.

        As the music is known, what encoding changes of it all along may be undone. The default
        is a decoder as any other.

        Args:
            samples: The music, shape (batch, n).
            frames: Its frames, ``window - hop`` zeros having been added before it.
        """
        return self.decoder(len(samples))

    @property
    def tolerance(self) -> float | None:
        """Largest absolute error of a round trip of samples in [-1, 1].

        ``None`` if samples do not come back as they were, since the phase is not kept: the
        spectra then come back, and :attr:`spectral_tolerance` says how nearly.
        """
        return 1e-5

    @property
    def spectral_tolerance(self) -> float:
        """Largest error of a round trip's spectra where :attr:`tolerance` is ``None``, in dB.

        The mean absolute difference of log-mel spectra, of clips like those that it was fitted to.
        """
        return 0.0

    def samples_for(self, frames: int) -> int:
        """Returns how many samples make ``frames`` frames."""
        return self.window + (frames - 1) * self.spec.hop if frames > 0 else 0

    def encode_clip(self, samples: Samples) -> Frames:
        """Returns frames that cover every sample, zeros being added at both ends.

        Args:
            samples: Shape (batch, n).
        """
        n, hop, overlap = samples.shape[1], self.spec.hop, self.window - self.spec.hop
        frames = -(-(n + overlap) // hop)
        after = self.samples_for(frames) - n - overlap
        return self.encode(np.pad(samples, ((0, 0), (overlap, after))))

    def decode_clip(self, frames: Frames, length: int) -> Samples:
        """Returns the ``length`` samples (batch, length) that :meth:`encode_clip` was given."""
        decoder = self.decoder(frames.shape[0])
        samples = np.concatenate([decoder.push(frames), decoder.flush()], axis=1)
        overlap = self.window - self.spec.hop
        return samples[:, overlap : overlap + length]

    # A representation may itself be trained (a learned codec): it then overrides these three.

    def fit(self, samples: Sequence[Samples], seed: int) -> None:  # noqa: B027
        """Learns from training clips, each of shape (n,). The default learns nothing.

        Called once when a run starts, with the clips of the training split only, at the level
        that they are trained at. A clip is read when it is indexed.
        """

    def state(self) -> dict[str, NDArray[Any]]:
        """Returns what was learned, as named arrays; stored in the run."""
        return {}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:  # noqa: B027
        """Takes back what :meth:`state` gave."""
