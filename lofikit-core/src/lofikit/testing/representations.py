"""What every representation must do.

A plugin's test file::

    from lofikit.testing.representations import RepresentationSuite

    class TestCodec(RepresentationSuite):
        component = "mine/codec"
        options = {"levels": 64}

Each ``check_...`` can also be called by itself, on a representation; it raises an AssertionError
that says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from lofikit.errors import LofikitError
from lofikit.hookspecs import Kind
from lofikit.plugins import load_class
from lofikit.representations.base import FREE, Frames, FrameSpec, Representation, Samples
from lofikit.spectrum import spectral_error
from lofikit.testing.components import ComponentSuite, music

_SLACK = 1e-5
"""Rounding that is allowed between two ways of computing the same, relative to the largest."""


class RepresentationSuite(ComponentSuite):
    """The tests; derive from it and name the component.

    Attributes:
        sample_rate: Rate that it is built for, in Hz.
    """

    kind: ClassVar[Kind] = "representation"
    sample_rate: ClassVar[int] = 4410

    def fresh(self) -> Representation:
        """Builds it; one that learns has learned nothing yet."""
        built: Representation = load_class(self.found().target)(self.config(), self.sample_rate)
        return built

    def representation(self) -> Representation:
        """Builds it, and lets it learn if it is one that learns."""
        built = self.fresh()
        built.fit(training_clips(self.sample_rate), seed=0)
        return built

    def test_spec(self) -> None:
        """Frames are what the spec says."""
        check_spec(self.representation())

    def test_round_trip(self) -> None:
        """Samples come back within the tolerance, or their spectra where phase is not kept."""
        check_round_trip(self.representation())

    def test_lengths(self) -> None:
        """Any number of samples gives the frames that it holds, none padded."""
        check_lengths(self.representation())

    def test_grid(self) -> None:
        """Any stretch gives the frames that the whole gives."""
        check_grid(self.representation())

    def test_signals(self) -> None:
        """Frames begin with a value for each signal, which can be given by itself."""
        check_signals(self.representation())

    def test_batch(self) -> None:
        """Streams side by side do not touch each other."""
        check_batch(self.representation())

    def test_streaming(self) -> None:
        """Samples are the same however the frames are pushed."""
        check_streaming(self.representation())

    def test_silence(self) -> None:
        """Silence is finite, and stays silence within the tolerance, or quieter than music."""
        check_silence(self.representation())

    def test_input_kept(self) -> None:
        """Arrays that are given are not written to, nor those that were returned."""
        check_input_kept(self.representation())

    def test_state(self) -> None:
        """What was learned can be stored and loaded."""
        check_state(self.representation(), self.fresh())

    def test_learning(self) -> None:
        """One that learns does so by its seed, and is refused by name before it has."""
        check_learning(self.representation(), self.fresh())


def check_spec(representation: Representation) -> None:
    """Checks dtype, size and range of the frames against the spec."""
    spec = representation.spec
    assert spec.sample_rate == representation.sample_rate, (
        f"the spec says {spec.sample_rate} Hz, built for {representation.sample_rate} Hz"
    )
    assert representation.spec == spec, "the spec changes from one look to the next"
    assert FrameSpec.model_validate_json(spec.model_dump_json()) == spec, "the spec is not JSON"
    assert representation.window >= spec.hop, (
        f"a window of {representation.window} samples leaves gaps at a hop of {spec.hop}"
    )
    for samples in _inputs(representation):
        _check_frames(representation.encode(samples), spec)


def training_clips(rate: int) -> list[Samples]:
    """Returns what a suite lets a representation learn from, each of shape (n,)."""
    return [music(4 * rate, rate, seed=seed)[0] for seed in range(4)]


def check_round_trip(representation: Representation) -> None:
    """Checks that clips of all lengths come back within the declared tolerance.

    Where there is none, their lengths come back, and music within the spectral tolerance; also
    when what came back goes the same way again.
    """
    if representation.tolerance is None:
        rate = representation.sample_rate
        once = _round_trip(representation, music(2 * rate, rate, seed=5))
        _check_spectra(representation, once, music(2 * rate, rate, seed=5), "music")
        twice = _round_trip(representation, once)
        _check_spectra(representation, twice, once, "what came back once")
    for samples in _inputs(representation):
        for length in _lengths(representation):
            clip = samples[:, :length]
            back = _round_trip(representation, clip)
            if representation.tolerance is None:
                continue
            error = float(np.abs(back - clip).max(initial=0.0))
            assert error <= representation.tolerance, (
                f"a clip of {length} samples comes back with an error of {error:.3g}, more than "
                f"the declared tolerance of {representation.tolerance:.3g}"
            )


def check_lengths(representation: Representation) -> None:
    """Checks that ``n`` samples give ``1 + (n - window) // hop`` frames."""
    window, hop = representation.window, representation.spec.hop
    samples = next(_inputs(representation))
    for n in _lengths(representation):
        wanted = 1 + (n - window) // hop if n >= window else 0
        frames = representation.encode(samples[:, :n])
        shape = (samples.shape[0], wanted, representation.spec.size)
        assert frames.shape == shape, f"{n} samples give frames {frames.shape}, not {shape}"
        if wanted:
            fewer = representation.samples_for(wanted)
            assert fewer <= n < fewer + hop, f"samples_for({wanted}) is {fewer}, with {n} samples"


def check_grid(representation: Representation) -> None:
    """Checks that frame ``t`` is made of the samples from ``t * hop`` on and of nothing else.

    Signals tell of the frame to come: they may look ahead, by at most another window.
    """
    window, hop = representation.window, representation.spec.hop
    told = representation.spec.signals
    for samples in _inputs(representation):
        whole = representation.encode(samples)
        for first, count in ((0, 1), (1, 1), (2, 3), (whole.shape[1] - 2, 2)):
            start = first * hop
            stop = start + representation.samples_for(count)
            wanted = whole[:, first : first + count]
            _check_same(
                representation.encode(samples[:, start:stop])[:, :, told:],
                wanted[:, :, told:],
                f"the {count} frames from {first} on differ when their {window} samples each "
                f"are encoded by themselves",
            )
            _check_same(
                representation.encode(samples[:, start : stop + window])[:, :count, :told],
                wanted[:, :, :told],
                f"the signals of the {count} frames from {first} on differ when their {window} "
                f"samples each and as many that follow are encoded by themselves",
            )


def check_signals(representation: Representation) -> None:
    """Checks that frames begin with a value a signal, and that it can be given by itself."""
    spec, names = representation.spec, representation.signals
    assert spec.signals == len(names), (
        f"the spec says that frames begin with {spec.signals} signals, and there are {len(names)}"
    )
    if not names:
        return
    samples = next(iter(_inputs(representation)))
    frames = representation.encode(samples)
    curve = np.zeros(samples.shape, np.float32)
    for name in names[: spec.conditions]:
        untold = representation.given({name: np.full_like(curve, np.nan)})
        free = np.isnan(untold) if spec.levels is None else untold == FREE
        assert not free[:, :, names.index(name)].any(), (
            f"{name} is always given, and left to the model where nothing is known of it"
        )
    for name in names:
        given = representation.given({name: curve})
        assert given.shape == frames.shape, (
            f"given({name}) has shape {given.shape}, and the same samples {frames.shape}"
        )
        free = np.isnan(given) if spec.levels is None else given == FREE
        known = ~free[:, :, : spec.signals]
        assert (known == (np.array(names) == name)).all(), (
            f"given({name}) settles other signals than {name}"
        )
        assert free[:, :, spec.signals :].all(), f"given({name}) settles the sound too"


def check_batch(representation: Representation) -> None:
    """Checks that a batch gives what its rows give one by one."""
    n = representation.samples_for(7)
    rows = np.concatenate([samples[:1, :n] for samples in _inputs(representation)])
    frames = representation.encode(rows)
    decoder = representation.decoder(len(rows))
    back = np.concatenate([decoder.push(frames), decoder.flush()], axis=1)
    for index in range(len(rows)):
        row = slice(index, index + 1)
        alone = representation.encode(rows[row])
        _check_same(alone, frames[row], f"row {index} of a batch is encoded otherwise than alone")
        decoder = representation.decoder(1)
        samples = np.concatenate([decoder.push(frames[row]), decoder.flush()], axis=1)
        _check_same(samples, back[row], f"row {index} of a batch is decoded otherwise than alone")


def check_streaming(representation: Representation) -> None:
    """Checks that a decoder gives the same samples however its frames are pushed."""
    overlap = representation.window - representation.spec.hop
    for samples in _inputs(representation):
        samples = samples[:, : representation.samples_for(23)]
        frames = representation.encode(samples)
        whole = _decode(representation, frames, (frames.shape[1],))
        assert whole.shape == samples.shape, (
            f"{frames.shape[1]} frames give {whole.shape[1]} samples, not {samples.shape[1]}"
        )
        if representation.tolerance is not None:
            inner = slice(overlap, max(overlap, samples.shape[1] - overlap))
            error = float(np.abs(whole[:, inner] - samples[:, inner]).max(initial=0.0))
            assert error <= representation.tolerance, (
                f"decoded samples are off by {error:.3g}, or not aligned with those encoded"
            )
        for cuts in ((1,), (3,), (2, 0, 7)):
            pushed = _decode(representation, frames, cuts)
            _check_same(
                pushed, whole, f"frames pushed {cuts} at a time give other samples than at once"
            )
    empty = representation.decoder(2).flush()
    assert empty.shape == (2, 0), f"a decoder without frames gives samples: {empty.shape}"


def check_silence(representation: Representation) -> None:
    """Checks that silence gives finite frames, and silence again.

    A representation without a tolerance need only keep it below half of the level of music.
    """
    n = representation.samples_for(5)
    silence = np.zeros((1, n), np.float32)
    frames = representation.encode_clip(silence)
    _check_frames(frames, representation.spec)
    back = representation.decode_clip(frames, n)
    assert np.isfinite(back).all(), "silence comes back as NaN or infinity"
    if representation.tolerance is None:
        level = np.sqrt(np.square(music(n, representation.sample_rate)).mean())
        came = float(np.sqrt(np.square(back).mean()))
        assert came <= level / 2, f"silence comes back at {came:.3g} RMS, and music has {level:.3g}"
        return
    loudest = float(np.abs(back).max())
    assert loudest <= representation.tolerance, f"silence comes back with a peak of {loudest:.3g}"


def check_input_kept(representation: Representation) -> None:
    """Checks that neither samples nor frames that are given are written to, nor frames returned.

    In training a model still learns from frames when the next ones are encoded.
    """
    samples = next(_inputs(representation))[:, : representation.samples_for(5)].copy()
    before = samples.copy()
    returned = representation.encode(samples)
    frames = np.array(returned)
    assert np.array_equal(samples, before), "encode writes to the samples that it is given"
    representation.encode(samples[:, ::-1].copy())
    assert np.array_equal(returned, frames), "encode writes to the frames that it returned before"
    kept = frames.copy()
    decoder = representation.decoder(len(frames))
    decoder.push(frames)
    decoder.flush()
    assert np.array_equal(frames, kept), "the decoder writes to the frames that it is given"


def check_state(representation: Representation, fresh: Representation) -> None:
    """Checks that a fresh representation does the same once it has the state of another."""
    state = representation.state()
    for name, array in state.items():
        assert isinstance(array, np.ndarray), f"the state {name!r} is no array: {type(array)}"
    fresh.load_state(state)
    samples = next(_inputs(representation))
    _check_same(
        fresh.encode(samples),
        representation.encode(samples),
        "frames differ after the state was loaded into a new representation",
    )


def check_learning(representation: Representation, fresh: Representation) -> None:
    """Checks that what is learned follows from clips and seed, and is missed where it lacks.

    Args:
        representation: One that has learned from :func:`training_clips` with seed 0.
        fresh: One that has learned nothing.
    """
    learned = representation.state()
    if not learned:
        return
    samples = next(_inputs(representation))
    frames = representation.encode(samples)
    for use in (lambda: fresh.encode(samples), lambda: fresh.decoder(len(frames)).push(frames)):
        try:
            use()
        except LofikitError as error:
            hint = error.hint
        else:
            raise AssertionError("it encodes or decodes before it has learned anything")
        assert hint, "the error before it has learned anything names no next step"
    fresh.fit(training_clips(representation.sample_rate), seed=0)
    for name, array in fresh.state().items():
        assert np.array_equal(array, learned[name]), f"{name!r} differs between two fits of a seed"


def _round_trip(representation: Representation, clip: Samples) -> Samples:
    frames = representation.encode_clip(clip)
    _check_frames(frames, representation.spec)
    back = representation.decode_clip(frames, clip.shape[1])
    assert back.dtype == np.float32, f"samples come back as {back.dtype}, not float32"
    assert back.shape == clip.shape, f"{clip.shape} samples come back as {back.shape}"
    return back


def _check_spectra(representation: Representation, back: Samples, clip: Samples, what: str) -> None:
    error = spectral_error(back, clip, representation.sample_rate)
    assert error <= representation.spectral_tolerance, (
        f"the log-mel spectra of {what} come back with an error of {error:.2f} dB, more than the "
        f"declared {representation.spectral_tolerance:.2f} dB"
    )


def _inputs(representation: Representation) -> Iterator[Samples]:
    """Yields music, full-scale noise, and full-scale steps, shape (2, n)."""
    rate = representation.sample_rate
    n = max(rate // 4, representation.samples_for(24) + 1)
    yield music(n, rate, channels=2)
    yield np.random.default_rng(1).uniform(-1, 1, (2, n)).astype(np.float32)
    yield np.sign(music(n, rate, channels=2, seed=2))


def _lengths(representation: Representation) -> list[int]:
    window, hop = representation.window, representation.spec.hop
    return sorted({0, 1, window - 1, window, window + 1, window + hop, 3 * window + hop // 2})


def _check_frames(frames: Frames, spec: FrameSpec) -> None:
    kind = np.float32 if spec.levels is None else np.int32
    assert frames.dtype == kind, f"frames are {frames.dtype}, not {np.dtype(kind)}"
    assert frames.ndim == 3, f"frames have the shape {frames.shape}, not (batch, time, size)"
    assert frames.shape[2] == spec.size, f"{frames.shape[2]} values a frame, not {spec.size}"
    assert np.isfinite(frames).all(), "frames hold NaN or infinity"
    if spec.levels is not None and frames.size:
        lowest, highest = int(frames.min()), int(frames.max())
        assert lowest >= 0, f"the class id {lowest} is below 0"
        assert highest < spec.levels, f"the class id {highest} is not below {spec.levels} levels"


def _check_same(one: Frames, other: Frames, message: str) -> None:
    assert one.shape == other.shape, f"{message}: {one.shape} and {other.shape}"
    if np.issubdtype(one.dtype, np.integer):
        assert np.array_equal(one, other), message
    elif one.size:
        error = float(np.abs(one - other).max())
        assert error <= _SLACK * max(1.0, float(np.abs(other).max())), f"{message}: by {error:.3g}"


def _decode(representation: Representation, frames: Frames, cuts: tuple[int, ...]) -> Samples:
    """Pushes so many frames at a time, over and over, and flushes."""
    decoder = representation.decoder(frames.shape[0])
    parts, position, turn = [], 0, 0
    while position < frames.shape[1]:
        step = cuts[turn % len(cuts)]
        parts.append(decoder.push(frames[:, position : position + step]))
        position, turn = position + step, turn + 1
    return np.concatenate([*parts, decoder.flush()], axis=1)
