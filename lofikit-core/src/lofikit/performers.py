"""Runs that play: a model primed with a prompt goes on from it, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import Audio, resample
from lofikit.beats import Beats, Pulse
from lofikit.chunks import level_gain
from lofikit.credits import Credited
from lofikit.errors import OptionError, PromptError
from lofikit.levelling import LevelHold
from lofikit.models.base import Model, Sampling, Stream, check_takes_given
from lofikit.representations.base import Decoder, Representation, Samples
from lofikit.run import Run
from lofikit.timekeeping import Timekeeper, primed

FindBeats = Callable[[], Beats]
NOISE = "noise"
NOISE_LEVEL = -20.0
"""Level of a noise prompt in dBFS RMS, if the run's clips were left at their own levels."""


@dataclass(frozen=True)
class Voice:
    """One run's part in a take.

    Attributes:
        run: The run.
        prompt: Music to go on from, or ``None`` for noise.
        gain: Gain in the mix, in dB.
        prompt_of: Title, artist, licence and origin of the prompt's music, if they are known.
        sampling: Temperature and top-p of this run, or ``None`` for the take's.
        find_beats: Finds the beats of the music that the prompt is the end of, time 0 being that
            end; called where the run keeps time. ``None`` to hear them in the prompt.
    """

    run: Run
    prompt: Audio | None = None
    gain: float = 0.0
    prompt_of: Credited | None = None
    sampling: Sampling | None = None
    find_beats: FindBeats | None = None

    def credited(self) -> list[Credited]:
        """Returns the clips that the run was trained on, and what the prompt is of."""
        clips = list(self.run.manifest().get("training_clips", []))
        return clips + ([self.prompt_of] if self.prompt_of else [])


@dataclass(frozen=True)
class TakeOptions:
    """How a take is made.

    Attributes:
        seconds: Length of the new music, the prompt not counted.
        seed: The same seed gives the same samples.
        sampling: Temperature and top-p.
        with_prompt: Begin the take with the prompt.
        bpm: Beats a minute of runs that keep time; ``None`` for the prompt's tempo.
    """

    seconds: float
    seed: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    with_prompt: bool = True
    bpm: float | None = None

    def __post_init__(self) -> None:
        if self.bpm is not None and not 20 <= self.bpm <= 400:
            raise OptionError(
                f"--bpm {self.bpm:g}: must lie between 20 and 400", "lo-fi has 70 to 90"
            )
        if not self.seconds > 0:
            raise OptionError(
                f"--seconds {self.seconds:g}: must be above 0", "for example --seconds 10"
            )


class BatchPerformer:
    """A run that plays several takes at once: each primed with its prompt, then block by block.

    Args:
        model: The trained model.
        representation: Its representation.
        prompts: Mono samples at the representation's rate and the training's level, one prompt a
            take, shape (batch, n).
        sampling: Temperature and top-p.
        seed: Seed of the streams, each of which draws differently.
        bpm: Beats a minute, if the frames tell the place in the beat; ``None`` for the tempo of
            each prompt, or what the model makes of it where a prompt has no beat.
        pulse: The pulse that all takes keep, time 0 being the end of the prompts; wins over bpm.
        beats: The beats of the music that each prompt is the end of, time 0 being the end of the
            prompts; ``None`` to hear them in the prompts.
        music: Whether the prompts are music, so that takes should sound like them.

    Attributes:
        rate: Sample rate in Hz.
        prompts: The prompts as the model heard them, decoded again, shape (batch, m).

    Raises:
        PromptError: If the prompts are shorter than the model's context.
        OptionError: If a tempo is asked for, and the frames tell nothing of beats.
    """

    def __init__(
        self,
        model: Model,
        representation: Representation,
        prompts: Samples,
        sampling: Sampling,
        seed: int,
        bpm: float | None = None,
        pulse: Pulse | None = None,
        beats: Sequence[Beats] | None = None,
        music: bool = True,
    ) -> None:
        spec, batch = representation.spec, len(prompts)
        self._batch = batch
        self._representation = representation
        self._done = 0  # frames generated
        self._time: Timekeeper | None = None
        self.rate = spec.sample_rate
        self._hop = spec.hop
        self._skip = representation.window - spec.hop
        self._stream: Stream = model.stream(batch, sampling, seed)
        prompts = self._whole_frames(model, prompts)
        frames = self._prompt_frames(model, prompts, bpm, pulse, beats, music)
        # A take from noise is not to have the balance of noise.
        self._decoder: Decoder = (
            representation.decoder_after(prompts, frames)
            if music
            else representation.decoder(batch)
        )
        for _ in primed(self._stream, model, frames):
            pass
        heard = self._decode(frames)
        # Codes draw their level with all else, and it wanders.
        self._level: LevelHold | None = None
        if heard.size and not spec.ordinal:
            # The end of the prompts, which the decoder holds back, is not compared.
            self._level = LevelHold(prompts[:, : heard.shape[1]], heard, self.rate)
            heard = heard * self._level.makeup
        self._held: Samples = np.zeros((batch, 0), np.float32)
        # A decoder holds back what later frames reach: the end of the prompts takes some new ones.
        rest = self.next(frames.shape[1] * self._hop - heard.shape[1])
        self.prompts: Samples = np.concatenate([heard, rest], axis=1)

    @property
    def pulses(self) -> list[Pulse | None]:
        """What each take keeps time by, time 0 being the end of the prompts."""
        return [None] * self._batch if self._time is None else self._time.pulses

    def _whole_frames(self, model: Model, prompts: Samples) -> Samples:
        """Returns the end of prompts: as many blocks of frames as they have."""
        length = prompts.shape[1]
        count = (length // self._hop) // model.block * model.block
        if count < model.context:
            needed = model.context * self._hop / self.rate
            raise PromptError(
                f"the prompt has {length / self.rate:.2f} s, and the model needs "
                f"{needed:.2f} s ({model.context} frames of {self._hop} samples at {self.rate} Hz)",
                "give a longer clip, or --prompt noise",
            )
        return prompts[:, length - count * self._hop :]

    def _prompt_frames(
        self,
        model: Model,
        prompts: Samples,
        bpm: float | None,
        pulse: Pulse | None,
        beats: Sequence[Beats] | None,
        music: bool,
    ) -> NDArray[Any]:
        keeps_time = self._representation.keeps_time
        if bpm is not None and not keeps_time:
            raise OptionError(
                "--bpm is for runs that keep time, and these frames tell nothing of beats",
                "train one: lofikit train LIBRARY --representation codes "
                "--representation.beat --model torch/gru",
            )
        spec = self._representation.spec
        if keeps_time or self._representation.keeps_timbre or spec.conditions:
            check_takes_given(self._stream, f"the stream of {type(model).__name__}")
            self._time = Timekeeper(
                self._representation, prompts, self._skip, bpm, pulse, beats, music
            )
            return self._time.prompt_frames(model)
        return self._representation.encode(np.pad(prompts, ((0, 0), (self._skip, 0))))

    def _decode(self, frames: NDArray[Any]) -> Samples:
        samples = self._decoder.push(frames)
        skipped = min(self._skip, samples.shape[1])
        self._skip -= skipped
        return np.asarray(samples[:, skipped:])

    def next(self, count: int) -> Samples:
        """Generates the next ``count`` samples of each take, shape (batch, count)."""
        while self._held.shape[1] < count:
            frames = max(1, -(-(count - self._held.shape[1]) // self._hop))
            given = None if self._time is None else self._time.given(self._done, frames)
            self._done += frames
            new = self._decode(
                self._stream.next(frames) if given is None else self._stream.next(frames, given)
            )
            if self._level is not None:
                new = self._level.push(new)
            self._held = np.concatenate([self._held, new], axis=1)
        block, self._held = self._held[:, :count], self._held[:, count:]
        return block


class Performer:
    """A run that plays one take: primed with its prompt, then generating block by block.

    Args:
        model: The trained model.
        representation: Its representation.
        prompt: Mono samples at the representation's rate and the training's level, shape (n,).
        options: How the take is made.
        seed: Seed of this stream.
        pulse: What the take keeps time by, time 0 being the end of the prompt; ``None`` for the
            options' tempo or the prompt's.
        beats: Of the music that the prompt is the end of, time 0 being that end; ``None`` to hear
            them in the prompt.
        music: Whether the prompt is music, so that the take should sound like it.

    Attributes:
        rate: Sample rate in Hz.
        prompt: The prompt's samples as the model heard them, decoded again.
        pulse: What the take keeps time by, if anything.

    Raises:
        PromptError: If the prompt is shorter than the model's context.
    """

    def __init__(
        self,
        model: Model,
        representation: Representation,
        prompt: Samples,
        options: TakeOptions,
        seed: int,
        pulse: Pulse | None = None,
        beats: Beats | None = None,
        music: bool = True,
    ) -> None:
        self._batch = BatchPerformer(
            model,
            representation,
            prompt[None],
            options.sampling,
            seed,
            options.bpm,
            pulse,
            None if beats is None else [beats],
            music,
        )
        self.rate = self._batch.rate
        self.pulse = self._batch.pulses[0]
        self.prompt: Samples = self._batch.prompts[0]

    def next(self, count: int) -> Samples:
        """Generates the next ``count`` samples."""
        block: Samples = self._batch.next(count)[0]
        if not np.isfinite(block).all():
            raise PromptError(
                "the model's predictions grew beyond all bounds",
                "try another prompt, a lower --temperature, or training with input noise",
            )
        return block


def open_performers(voices: Sequence[Voice], options: TakeOptions) -> list[Performer]:
    """Loads the best weights of runs and primes each with its prompt.

    Those that keep time share the pulse of the first of them that has one.

    Args:
        voices: The runs and their prompts.
        options: How the take is made.

    Raises:
        OptionError: If a tempo is asked for, and no run keeps time.
    """
    loaded = []
    for voice in voices:
        representation = voice.run.representation()
        loaded.append((voice.run.trained_model(representation), representation, voice))
    keeping = [representation.keeps_time for _, representation, _ in loaded]
    deaf = replace(options, bpm=None) if any(keeping) else options
    performers: list[Performer] = []
    pulse: Pulse | None = None
    for index, (model, representation, voice) in enumerate(loaded):
        told = options if keeping[index] else deaf
        performer = perform(model, representation, voice, told, index, pulse)
        pulse = pulse or performer.pulse
        performers.append(performer)
    return performers


def perform(
    model: Model,
    representation: Representation,
    voice: Voice,
    options: TakeOptions,
    index: int = 0,
    pulse: Pulse | None = None,
) -> Performer:
    """Primes a model that is in memory already; what :func:`open_performers` does with a run's."""
    level = voice.run.config.data.level
    seed = (options.seed * 7919 + index) & 0x7FFF_FFFF
    if voice.prompt is None:
        prompt = _noise(model, representation, level, seed)
    else:
        prompt = resample(
            Audio(voice.prompt.mono()[None], voice.prompt.rate), representation.sample_rate
        ).samples[0]
        rms = float(np.sqrt(np.mean(np.square(prompt, dtype=np.float64)))) if len(prompt) else 0.0
        prompt = np.clip(prompt * np.float32(level_gain(rms, level)), -1.0, 1.0)
    options = replace(options, sampling=voice.sampling or options.sampling)
    beats = voice.find_beats() if voice.find_beats and representation.keeps_time else None
    music = voice.prompt is not None
    return Performer(model, representation, prompt, options, seed, pulse, beats, music)


def _noise(model: Model, representation: Representation, level: float | None, seed: int) -> Samples:
    """Draws white noise, as long as the model's context and at least a second."""
    hop, block = representation.spec.hop, model.block * representation.spec.hop
    count = max(model.context * hop, -(-representation.sample_rate // block) * block)
    deviation = 10 ** ((NOISE_LEVEL if level is None else level) / 20)
    noise = np.random.default_rng([seed, 0x401]).standard_normal(count) * deviation
    return np.clip(noise, -1, 1).astype(np.float32)
