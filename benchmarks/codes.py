"""What codes keep of music and give back, the phase they get, their smoothing, and their cost.

    python benchmarks/codes.py CLIPS [--hold-out NAME ...] [--rates 4410 11025 22050]

CLIPS is a folder of audio. Codes are fitted to all clips but those held out, which are measured:
10 s of each, at -20 dBFS RMS. Errors are mean absolute differences of log-mel spectra (64 bands;
60 dB below the loudest is silence); spectral convergence is the distance of the spectra of what
was decoded from those it was decoded from, relative to these. Seconds are those of one core. Flux
and beat, of whole clips, are the figures of `lofikit evaluate`.
"""

from __future__ import annotations

import one_core  # noqa: F401 - before the libraries that start threads

# isort: split
import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from lofikit.audio import SUFFIXES, Audio, read, resample
from lofikit.chunks import level_gain
from lofikit.evaluation.listening import measure
from lofikit.representations import code_decoder
from lofikit.representations.codes import Codes, CodesConfig
from lofikit.representations.overlap import dual, hann, windows
from lofikit.representations.phase import PhaseFinder
from lofikit.spectrum import spectral_error

Samples = NDArray[np.float32]
Magnitudes = NDArray[np.float32]
SECONDS = 10
START = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    held = ["winter-fire-place", "roof-tops", "ocean-memory"]
    parser.add_argument("--hold-out", nargs="+", default=held, help="file names, without suffix")
    parser.add_argument("--rates", nargs="+", type=int, default=[4410, 11025, 22050])
    args = parser.parse_args()
    files = sorted(p for p in args.clips.iterdir() if p.suffix.lower() in SUFFIXES)
    audio = {file.stem: read(file) for file in files}
    for rate in args.rates:
        clips = {name: levelled(clip, rate) for name, clip in audio.items()}
        training = [clip for name, clip in clips.items() if name not in args.hold_out]
        begin = START * rate
        test = np.stack([clips[name][begin : begin + SECONDS * rate] for name in args.hold_out])
        print(f"\n{rate} Hz, {len(training)} clips")
        codes(training, test, rate)
        phases(training, test, rate)
        smoothing(training, [clips[name] for name in args.hold_out], rate)
        balance(training, [clips[name] for name in args.hold_out], rate)


def levelled(clip: Audio, rate: int) -> Samples:
    samples = resample(Audio(clip.mono()[None], clip.rate), rate).samples[0]
    return samples * np.float32(level_gain(float(np.sqrt(np.mean(samples**2))), -20.0))


def codes(training: list[Samples], test: Samples, rate: int) -> None:
    """Prints what settings cost, and what they keep."""
    print("| settings | bits/s | fit s | encode x | decode x | log-mel dB |")
    usual = Codes(CodesConfig(), rate).spec.hop
    for config in (
        CodesConfig(),
        CodesConfig(delay=False),
        CodesConfig(hop=2 * usual),
        CodesConfig(books=2),
        CodesConfig(books=8),
        CodesConfig(levels=1024),
        CodesConfig(components=32),
    ):
        found = Codes(config, rate)
        fit, _ = timed(lambda found=found: found.fit(training, 0))
        encode, frames = timed(lambda found=found: found.encode_clip(test))
        found.decode_clip(frames[:, :8], rate // 8)  # compiled by now
        decode, back = timed(lambda f=found, x=frames: f.decode_clip(x, test.shape[1]))
        bits = found.spec.frame_rate * config.books * np.log2(config.levels)
        said = config.model_dump(exclude_defaults=True)
        seconds = SECONDS * len(test)
        error = spectral_error(back, test, rate)
        print(
            f"| {said or 'defaults'} | {bits:.0f} | {fit:.1f} | {seconds / encode:.0f} "
            f"| {seconds / decode:.0f} | {error:.2f} |"
        )


def phases(training: list[Samples], test: Samples, rate: int) -> None:
    """Prints how near each method comes to given spectra, with and without codes."""
    found = Codes(CodesConfig(delay=False), rate)
    found.fit(training, 0)
    window, hop = found.window, found.spec.hop
    exact = magnitudes(test, window, hop)
    coded = found.magnitudes(found.encode(test))
    for name, spectra in (("exact", exact), ("coded", coded)):
        print(f"| phase, {name} spectra | log-mel dB | convergence dB | level dB | x real time |")
        for method, find in methods(window, hop).items():
            find(spectra[:, :16])
            seconds, back = timed(lambda find=find, spectra=spectra: find(spectra))
            came = magnitudes(back, window, hop)
            inner = slice(8, -8)
            gap = came[:, inner] - spectra[:, inner]
            power = np.square(spectra[:, inner], dtype=np.float64).sum()
            convergence = 10 * np.log10(np.square(gap, dtype=np.float64).sum() / power)
            level = 10 * np.log10(np.square(came[:, inner], dtype=np.float64).sum() / power)
            middle = slice(8 * hop, back.shape[1] - 8 * hop)
            error = spectral_error(back[:, middle], test[:, middle], rate)
            speed = SECONDS * len(test) / seconds
            print(f"| {method} | {error:.2f} | {convergence:.1f} | {level:+.2f} | {speed:.0f} |")


def smoothing(training: list[Samples], whole: list[Samples], rate: int) -> None:
    """Prints what is left of clips that are smoothed between strokes, more and less."""
    found = Codes(CodesConfig(onsets=1), rate)
    found.fit(training, 0)
    frames = [found.encode_clip(clip[None]) for clip in whole]
    print("| rise | fall | stroke dB | log-mel dB | flux dB | beat |")
    print(f"| the clips | | | | {figures(whole, rate)} |")
    usual = (code_decoder.RISE, code_decoder.FALL, code_decoder.STROKE)
    for rise, fall, stroke in (
        (1.0, 1.0, 1.0), (0.1, 0.6, 1.0), (0.1, 0.6, 2.0), (0.1, 0.6, 4.0), (0.05, 1.0, 2.0),
        (0.3, 0.3, 2.0), (0.3, 0.3, 4.0), (0.15, 0.15, 4.0), (0.15, 0.15, 6.0),
    ):  # fmt: skip
        # The same at every rate.
        code_decoder.RISE, code_decoder.FALL = (rise, rise), (fall, fall)
        code_decoder.STROKE = stroke, stroke
        pairs = list(zip(whole, frames, strict=True))
        back = [found.decode_clip(one, len(clip))[0] for clip, one in pairs]
        errors = [spectral_error(a[None], b[None], rate) for a, b in zip(back, whole, strict=True)]
        error = f"{np.mean(errors):.2f}"
        print(f"| {rise} | {fall} | {stroke} | {error} | {figures(back, rate)} |")
    code_decoder.RISE, code_decoder.FALL, code_decoder.STROKE = usual


def balance(training: list[Samples], whole: list[Samples], rate: int) -> None:
    """Prints how near music comes that goes on from a prompt, its balance given back or not."""
    found = Codes(CodesConfig(onsets=1), rate)
    found.fit(training, 0)
    rows: dict[str, list[list[float]]] = {"codes": [], "the balance given back": []}
    flat = []
    for clip in whole:
        for start in range(0, len(clip) - 22 * rate, 10 * rate):
            prompt = clip[None, start : start + 8 * rate]
            after = clip[None, start + 8 * rate : start + 22 * rate]
            flat.append(measure(after[0], rate)["flatness"])
            frames = found.encode(np.pad(prompt, ((0, 0), (found.window - found.spec.hop, 0))))
            follow = found.encode(after)
            decoders = found.decoder(), found.decoder_after(prompt, frames)
            for row, decoder in zip(rows.values(), decoders, strict=True):
                back = np.concatenate([decoder.push(follow), decoder.flush()], axis=1)
                wanted = after[:, : back.shape[1]]
                of = measure(back[0], rate, wanted[0])
                level = 20 * np.log10(back.std() / wanted.std())
                error = spectral_error(back, wanted, rate)
                row.append([error, of["log_mel_distance"], of["flatness"], level])
    print("| what follows a prompt | log-mel dB | timbre distance dB | flatness dB | level dB |")
    print(f"| the music | | | {np.mean(flat):.2f} | |")
    for name, values in rows.items():
        print(f"| {name} | {' | '.join(f'{mean:.2f}' for mean in np.mean(values, axis=0))} |")


def figures(music: list[Samples], rate: int) -> str:
    """Returns the medians of flux and beat."""
    rows = [measure(one, rate) for one in music]
    flux, beat = (float(np.median([row[name] for row in rows])) for name in ("flux", "beat"))
    return f"{flux:.2f} | {beat:.2f}"


def methods(window: int, hop: int) -> dict[str, Callable[[Magnitudes], Samples]]:
    found: dict[str, Callable[[Magnitudes], Samples]] = {"random": lambda m: random(m, window, hop)}
    for iterations in (0, 1, 2, 4):

        def streamed(spectra: Magnitudes, iterations: int = iterations) -> Samples:
            finder = PhaseFinder(len(spectra), window, hop, iterations)
            return np.concatenate([finder.push(spectra), finder.flush()], axis=1)

        found[f"gradient integration, {iterations} iterations"] = streamed
    for turns in (2, 8):
        found[f"RTISI-LA, 3 ahead, {turns} iterations"] = lambda m, turns=turns: look_ahead(
            m, window, hop, 3, turns
        )
    for iterations in (32, 60):
        found[f"librosa's Griffin-Lim, offline, {iterations} iterations"] = (
            lambda m, iterations=iterations: offline(m, window, hop, iterations)
        )
    return found


def random(spectra: Magnitudes, window: int, hop: int) -> Samples:
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, spectra.shape)
    parts = irfft(spectra * np.exp(1j * phases), window) * dual(hann(window), hop)
    return added(parts, hop)


def offline(spectra: Magnitudes, window: int, hop: int, iterations: int) -> Samples:
    from librosa import griffinlim

    length = window + (spectra.shape[1] - 1) * hop
    return griffinlim(
        spectra.swapaxes(1, 2),
        n_iter=iterations,
        hop_length=hop,
        window=hann(window),
        center=False,
        length=length,
        random_state=0,
    )


def look_ahead(spectra: Magnitudes, window: int, hop: int, ahead: int, iterations: int) -> Samples:
    """Real-time iterative spectrogram inversion with look-ahead (Zhu, Beauregard, Wyse 2007)."""
    batch, time, _ = spectra.shape
    analysis, synthesis = hann(window), dual(hann(window), hop)
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, spectra.shape)
    parts = irfft(spectra * np.exp(1j * phases), window)
    total = np.zeros((batch, window + (time - 1) * hop))
    for now in range(time):
        count = min(ahead + 1, time - now)
        area = slice(now * hop, (now + count - 1) * hop + window)
        for _ in range(iterations):
            whole = total[:, area] + added(parts[:, now : now + count] * synthesis, hop)
            found = rfft(windows(whole, window, hop) * analysis)
            sizes = np.maximum(np.abs(found), 1e-9)
            parts[:, now : now + count] = irfft(spectra[:, now : now + count] * found / sizes)
        total[:, now * hop : now * hop + window] += parts[:, now] * synthesis
    return total.astype(np.float32)


def added(parts: NDArray[np.float64], hop: int) -> NDArray[np.float64]:
    batch, time, window = parts.shape
    total = np.zeros((batch, window + (time - 1) * hop))
    for now in range(time):
        total[:, now * hop : now * hop + window] += parts[:, now]
    return total


def magnitudes(samples: Samples, window: int, hop: int) -> Magnitudes:
    return np.abs(rfft(windows(samples, window, hop) * hann(window))).astype(np.float32)


def timed(do: Callable[[], Samples]) -> tuple[float, Samples]:
    start = time.process_time()
    result = do()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
