"""Frames of codes: magnitude spectra in a few class ids, learned from the training clips.

Phase is not kept: a decoder finds one as the frames come (see ``phase``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lofikit.errors import LibraryError, OptionError, RepresentationError
from lofikit.onsets import heard_signals
from lofikit.options import Options, option
from lofikit.representations.base import (
    FREE,
    Decoder,
    Frames,
    FrameSpec,
    Representation,
    Samples,
    Signals,
)
from lofikit.representations.code_decoder import CodesDecoder, delayed
from lofikit.representations.code_signals import (
    LEVEL_CLASSES,
    NO_BEAT,
    ONSET_CLASSES,
    TIMBRE_CLASSES,
    signal_classes,
)
from lofikit.representations.codebooks import fit_books, principal_components
from lofikit.representations.overlap import hann, windows
from lofikit.spectrum import LOWEST
from lofikit.timbre import restoring_gains

if TYPE_CHECKING:
    from lofikit.representations.quantisation import Quantiser

FRAMES = 16_384
"""Spectra that are learned from, of all clips together; more gain nothing that is heard."""
BLOCK = 2_048
"""Spectra that are worked on at once in learning, which bounds memory."""


class CodesConfig(Options):
    """Options of :class:`Codes`."""

    window: int | None = option(
        None,
        "Samples of a spectrum; none for 512 at 4,410 Hz and as long in time at other rates.",
        unit="samples",
        ge=16,
        le=65_536,
        multiple_of=2,
    )
    hop: int | None = option(
        None,
        "Samples from one frame to the next, at most half a window; none for 128 at 4,410 Hz and "
        "as long in time at other rates, about 34 frames a second.",
        unit="samples",
        ge=4,
        le=32_768,
    )
    components: int = option(
        64, "Principal components of a spectrum that are kept.", unit="values", ge=1, le=1_024
    )
    books: int = option(4, "Codebooks, and class ids a frame.", unit="class ids", ge=1, le=16)
    levels: int = option(256, "Codes a book.", unit="classes", ge=2, le=4_096)
    delay: bool = option(
        True,
        "Delay each book by a frame against the one before it, so that models which draw the ids "
        "of a frame side by side still know the rough codes of a spectrum when they draw its fine "
        "ones.",
    )
    beat: bool = option(
        False,
        "Begin each frame with the place in the beat of the frame to come, so that models keep "
        "time: 16 places a beat, four beats, and a class of its own where there is no beat.",
    )
    onsets: int = option(
        0,
        "Begin each frame also with how strongly sounds begin in the frame to come, in so many "
        "bands (3 tell bass from snare from hi-hat); with the beat, takes go on in the groove of "
        "their prompt.",
        unit="bands",
        ge=0,
        le=8,
    )
    dynamics: bool = option(
        False,
        "Begin each frame also with how loud the frame to come is, in steps of 4 dB; with the "
        "beat, takes have the rests and swells of their prompt's groove.",
    )
    timbre: int = option(
        0,
        "Begin each frame also with the timbre of the music that it is of: how loud each of so "
        "many bands is against the others, in steps of 2 dB. Takes keep that of their prompt.",
        unit="bands",
        ge=0,
        le=32,
    )


class Codes(Representation):
    """Residual codes of magnitude spectra, fitted to the training clips.

    A spectrum is the magnitude of a Hann-windowed Fourier transform, to the power of 1/4 (about
    as loudness grows, Stevens 1957), with bins weighted by how much of the mel scale they cover,
    ``700 / (700 + f)`` of the squared error (O'Shaughnessy 1987). Its principal components are
    quantised by residual k-means: book 0 gives the rough spectrum, and each book what those
    before it leave over.

    With ``delay`` a frame holds the books of several spectra, as in the delay pattern of
    MusicGen (Copet et al. 2023, section 2.2): frame ``t`` holds book ``b`` of spectrum
    ``t + books - 1 - b``, so that the rough codes of a spectrum come before its fine ones. A
    frame is then made of ``window + (books - 1) hop`` samples.

    With ``beat`` each frame begins with one more class id, the place in the beat at which the
    newest spectrum of the *next* frame lies: what a model must know to draw that frame. Beats are
    counted in fours; which of them is the first of a bar is not known. With ``onsets`` the next
    class ids are how strongly sounds begin there in each band, in steps that grow as loudness does,
    and with ``dynamics`` the last of them is how loud it is there. With ``timbre`` class ids before
    all others tell the balance of low and high in the whole music, from the lowest band on; 0 where
    it is not told.

    Nothing is encoded before :meth:`fit` or :meth:`load_state`.

    Attributes:
        span: Samples of a spectrum.
    """

    config: CodesConfig

    def __init__(self, config: CodesConfig, sample_rate: int) -> None:
        super().__init__(config, sample_rate)
        usual = max(4, 4 * round(sample_rate * 128 / 4410 / 4))
        self._hop = config.hop or usual
        self.span = config.window or max(4 * usual, 16)
        if 2 * self._hop > self.span:
            raise OptionError(
                f"a hop of {self._hop} samples is more than half of the window of {self.span}, "
                "and no phase can be found for spectra that overlap so little",
                f"choose --representation.hop {self.span // 2} or less, or a longer "
                "--representation.window",
            )
        for told, classes, what in (
            (config.beat, NO_BEAT + 1, "places in the beat"),
            (config.onsets > 0, ONSET_CLASSES, "strengths of onsets"),
            (config.dynamics, LEVEL_CLASSES, "levels"),
            (config.timbre > 0, TIMBRE_CLASSES, "balances of a band"),
        ):
            if told and config.levels < classes:
                raise OptionError(
                    f"the {what} are {classes} classes, and codes have {config.levels}",
                    f"choose --representation.levels {classes} or more, or do not tell them",
                )
        bins = self.span // 2 + 1
        if config.components > bins:
            raise OptionError(
                f"spectra of {self.span} samples have {bins} bins, and {config.components} "
                "components cannot be had of them",
                f"choose --representation.components {bins} or less",
            )
        self._analysis = hann(self.span).astype(np.float32)
        self._frequencies = np.arange(bins) * (sample_rate / self.span)
        self._weights = np.sqrt(700.0 / (700.0 + self._frequencies)).astype(np.float32)
        self._learned: dict[str, NDArray[Any]] = {}

    @property
    def spec(self) -> FrameSpec:
        """A class id a book, without an order, and before them one a signal."""
        told = len(self.signals)
        return FrameSpec(
            sample_rate=self.sample_rate,
            hop=self._hop,
            size=told + self.config.books,
            levels=self.config.levels,
            ordinal=False,
            signals=told,
            conditions=self.config.timbre,
        )

    @property
    def signals(self) -> tuple[str, ...]:
        """``timbre-1`` and so on, ``beat``, ``onsets-1`` and so on, ``dynamics``: what is told."""
        timbre = [f"timbre-{band + 1}" for band in range(self.config.timbre)]
        bands = [f"onsets-{band + 1}" for band in range(self.config.onsets)]
        before = ["beat"] if self.config.beat else []
        return (*timbre, *before, *bands, *(["dynamics"] if self.config.dynamics else []))

    def given(self, signals: Signals) -> Frames:
        """Returns frames of which some signals are known."""
        length = next(iter(signals.values())).shape[1]
        time = max(0, 1 + (length - self.window) // self._hop)
        # The newest spectrum of the next frame is centred here.
        centres = (self.delays + 1 + np.arange(time)) * self._hop + self.span // 2
        batch = len(next(iter(signals.values())))
        frames = np.full((batch, time, self.spec.size), FREE, np.int32)
        for column, name in enumerate(self.signals):
            if name in signals:
                frames[:, :, column] = signal_classes(
                    name, signals[name], centres, self.span, self._hop
                )
        return frames

    def bands_of_bins(self) -> NDArray[np.int64]:
        """Returns the band of onsets that each bin of a spectrum lies in, shape (bins,)."""
        mels = np.log(1 + self._frequencies / 700)  # of a scale without a unit
        lowest = np.log(1 + min(LOWEST, self.sample_rate / 40) / 700)
        bands = (mels - lowest) / (mels[-1] - lowest) * self.config.onsets
        return np.asarray(np.clip(bands.astype(np.int64), 0, self.config.onsets - 1))

    @property
    def delays(self) -> int:
        """Frames by which the last book lies behind the first."""
        return self.config.books - 1 if self.config.delay else 0

    @property
    def window(self) -> int:
        """Samples that one frame is made of: those of all spectra that it holds a book of."""
        return self.span + self.delays * self._hop

    @property
    def tolerance(self) -> float | None:
        """None: samples come back with another phase."""
        return None

    @property
    def spectral_tolerance(self) -> float:
        """What four books of 256 reach with room to spare; fewer books are rougher."""
        return 8.0

    def encode(self, samples: Samples, signals: Signals | None = None) -> Frames:
        """Returns int32 class ids of shape (batch, time, books), and the signals' before them.

        Args:
            samples: Shape (batch, n).
            signals: With ``beat``, the count of beats at each sample, or else no beat; with
                ``timbre``, the balance of each band, or else it is not told; onsets and the level
                are heard in the samples.

        Raises:
            RepresentationError: If nothing has been learned yet.
        """
        self._require_learned()
        batch = samples.shape[0]
        spectra = self._compressed(windows(samples, self.span, self._hop))
        ids = self._quantised(spectra.reshape(-1, spectra.shape[2]))
        frames = delayed(ids.reshape(batch, -1, self.config.books), self.delays)
        if not self.signals:
            return frames
        nothing = np.full(samples.shape, np.nan, np.float32)
        known = dict.fromkeys(self.signals, nothing) | dict(signals or {})
        known |= heard_signals(samples, self.sample_rate, self.signals, self._hop)
        told = self.given(known)[:, : frames.shape[1], : len(self.signals)]
        return np.concatenate([told, frames], axis=2)

    def decoder(self, batch: int = 1) -> Decoder:
        """Returns a decoder that finds a phase as frames come.

        Raises:
            RepresentationError: If nothing has been learned yet.
        """
        self._require_learned()
        return CodesDecoder(self, batch)

    def decoder_after(self, samples: Samples, frames: Frames) -> Decoder:
        """Returns a decoder that gives back the balance of low and high that codes lose.

        Codes of music unlike what they were learned from are nearer to that than the music is.
        """
        heard = self.decoder(len(frames)).push(frames)[:, self.window - self._hop :]
        original = samples[:, : heard.shape[1]]
        decoder = self.decoder(len(frames))
        if isinstance(decoder, CodesDecoder):  # one of a class that derives from this may not be
            decoder.gains = restoring_gains(original, heard, self.sample_rate, self._frequencies)
        return decoder

    def magnitudes(self, ids: Frames) -> NDArray[np.float32]:
        """Returns the spectra that codes stand for.

        Args:
            ids: The books of each spectrum, not delayed, shape (batch, time, books); fewer books
                give rougher spectra.

        Returns:
            Magnitudes of the Hann-windowed transform, shape (batch, time, bins).
        """
        compressed = np.broadcast_to(self._learned["mean"], (*ids.shape[:2], len(self._weights)))
        for book in range(ids.shape[2]):
            compressed = compressed + self._spectra[book][ids[:, :, book]]
        square = np.square(np.maximum(compressed, 0.0))
        return np.asarray(np.square(square) * self._learned["gain"], dtype=np.float32)

    def fit(self, samples: Sequence[Samples], seed: int) -> None:
        """Learns mean, components and books from spectra at random places of all clips.

        Args:
            samples: Training clips, each of shape (n,), at the level that they are trained at.
            seed: Chooses the places, and the codes that k-means starts from.

        Raises:
            LibraryError: If every clip is shorter than a window.
        """
        rng = np.random.default_rng(seed)
        spectra = self._drawn(samples, rng)
        mean = spectra.mean(axis=0)
        vectors = (spectra - mean) * self._weights
        basis = principal_components(vectors, self.config.components)
        books = fit_books(vectors @ basis, self.config.books, self.config.levels, rng)
        self.load_state({"mean": mean, "basis": basis, "books": books, "gain": np.ones(1)})
        # A centroid is a mean of compressed spectra, which is quieter than they are together.
        had = wanted = 0.0
        for first in range(0, len(spectra), BLOCK):
            block = spectra[first : first + BLOCK]
            coded = self.magnitudes(self._quantised(block)[None])
            real = np.square(np.square(block))
            had += float(np.square(coded).sum(dtype=np.float64))
            wanted += float(np.square(real).sum(dtype=np.float64))
        gain = np.sqrt(wanted / had) if had > 0 else 1.0
        self.load_state({**self._learned, "gain": np.full(1, gain)})

    def state(self) -> dict[str, NDArray[Any]]:
        """Returns mean (bins,), basis (bins, components), books and gain; nothing if unfitted."""
        return {name: array.copy() for name, array in self._learned.items()}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Takes back what :meth:`state` gave."""
        self._learned = {
            name: np.array(array, np.float32, order="C") for name, array in state.items()
        }
        if not self._learned:
            return
        basis, books = self._learned["basis"], self._learned["books"]
        self._spectra = (books @ basis.T) / self._weights
        self._quantiser: Quantiser | None = None

    def _quantised(self, spectra: NDArray[np.float32]) -> NDArray[np.int32]:
        """Returns the ids (n, books) of compressed spectra (n, bins)."""
        from lofikit.representations.quantisation import Quantiser  # numba takes a while

        if self._quantiser is None:
            projection = self._weights[:, None] * self._learned["basis"]
            offset = self._learned["mean"] @ projection
            self._quantiser = Quantiser(projection, offset, self._learned["books"])
        return self._quantiser(spectra)

    def _require_learned(self) -> None:
        if not self._learned:
            raise RepresentationError(
                "core/codes has no codebooks yet: they are learned from training clips",
                "train a run with it: lofikit train LIBRARY --representation codes --model "
                "torch/lstm --model.embedding 16; or in Python: codes.fit(clips, seed)",
            )

    def _compressed(self, blocks: Samples) -> NDArray[np.float32]:
        """Returns magnitudes to the power of 1/4 of windows (..., window)."""
        from scipy.fft import rfft

        spectra = rfft(blocks * self._analysis)
        power = np.square(spectra.real) + np.square(spectra.imag)
        return np.asarray(np.sqrt(np.sqrt(np.sqrt(power))), dtype=np.float32)

    def _drawn(self, samples: Sequence[Samples], rng: np.random.Generator) -> NDArray[np.float32]:
        """Returns compressed spectra at random places, as many of each clip that is long enough."""
        share = -(-FRAMES // max(1, len(samples)))
        parts = []
        for clip in samples:
            places = len(clip) - self.span + 1
            if places < 1:
                continue
            view = np.lib.stride_tricks.sliding_window_view(np.asarray(clip), self.span)
            chosen = rng.integers(0, places, min(share, 1 + (places - 1) // self._hop))
            parts += [
                self._compressed(view[chosen[first : first + BLOCK]])
                for first in range(0, len(chosen), BLOCK)
            ]
        if not parts:
            raise LibraryError(
                f"every training clip is shorter than a window of codes, {self.span} samples or "
                f"{self.span / self.sample_rate:.2f} s",
                "collect longer clips, or choose a shorter --representation.window",
            )
        return np.concatenate(parts)
