"""How well and how fast clips are separated: lofikit-spleeter, spleeter itself, and hpss.

    pip install fast-bss-eval
    python benchmarks/separation.py --songs STEMS --clips LOFI --weights 2stems/

STEMS holds a folder a song with mixture.flac and true stems; LOFI holds clips of any kind. SDR is
that of BSS Eval (512 taps; fast-bss-eval), the median over seconds in which the stem sounds.
"""

from __future__ import annotations

import argparse
import os
import time
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import SUFFIXES, Audio, read, resample
from lofikit.isolation import Worker
from lofikit.separators.hpss import HPSS, HPSSConfig
from lofikit.silence import silent_share
from lofikit_spleeter.config import SpleeterConfig
from lofikit_spleeter.fetching import fetch
from lofikit_spleeter.separator import RATE, STEMS, Spleeter
from lofikit_spleeter.weights import WEIGHTS

Samples = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=Path, help="without it, speed alone")
    parser.add_argument("--clips", type=Path, help="without it, quality alone")
    parser.add_argument("--weights", type=Path, help="the 2stems checkpoint; fetched without it")
    parser.add_argument("--count", type=int, default=20, help="clips to time")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a timed clip")
    parser.add_argument("--song-seconds", type=float, default=60.0, help="length of a song")
    args = parser.parse_args()
    weights = (args.weights or fetch(WEIGHTS[2])).resolve()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    config = SpleeterConfig(stems=2, weights=str(weights))
    if args.songs:
        songs = sorted(path.parent for path in args.songs.glob("*/mixture.flac"))
        with closing(Itself(weights)) as itself, closing(Spleeter(config)) as ours:
            quality(songs, args.song_seconds, ours, itself)
    if args.clips:
        clips = sorted(p for p in args.clips.rglob("*") if p.suffix.lower() in SUFFIXES)
        chosen = [read(clip, seconds=args.seconds) for clip in clips[: args.count]]
        speed(chosen, config, weights)


class Itself:
    """Spleeter's own separator in its own environment."""

    def __init__(self, weights: Path) -> None:
        (weights / ".probe").write_text("OK")  # spleeter would fetch them without it
        script = Path(__file__).with_name("spleeter_itself.py")
        self._worker = Worker(script, {"models": str(weights.parent)}, name="spleeter itself")
        self._worker.start()

    def separate(self, mix: Audio) -> tuple[dict[str, Samples], float]:
        """Returns the stems (channels, samples) and the seconds that separating took."""
        folder = self._worker.folder
        samples = resample(mix, RATE).samples
        np.broadcast_to(samples, (2, samples.shape[1])).T.tofile(folder / "mix.f32")
        files = {name: str(folder / f"{name}.f32") for name in STEMS[2]}
        took = self._worker.call("separate", mix=str(folder / "mix.f32"), stems=files)
        stems = {name: np.fromfile(f, np.float32).reshape(-1, 2).T for name, f in files.items()}
        return stems, took

    def close(self) -> None:
        self._worker.close()


def quality(songs: list[Path], seconds: float, ours: Spleeter, itself: Itself) -> None:
    print(f"\nmedian SDR [dB] of the first {seconds:g} s of a song")
    print(
        f"{'song':20} {'stem':14} {'ours':>8} {'itself':>8} {'hpss':>8} {'the mix':>8}  difference"
    )
    for song in songs:
        mix = read(song / "mixture.flac", seconds=seconds)
        if (song / "vocals.flac").exists():
            mine = {name: stem.samples for name, stem in ours.separate(mix).items()}
            theirs, _ = itself.separate(mix)
            vocals = read(song / "vocals.flac", seconds=seconds).samples
            true = {"vocals": vocals, "accompaniment": mix.samples - vocals}
            for stem, reference in true.items():
                a, b = sdr(reference, mine[stem]), sdr(reference, theirs[stem])
                rest = sdr(reference, mix.samples)
                print(
                    f"{song.name:20} {stem:14} {a:8.2f} {b:8.2f} {'':8} {rest:8.2f}  {a - b:+.3f}"
                )
        drums = read(song / "drums.flac", seconds=seconds).samples
        found = HPSS(HPSSConfig()).separate(mix)["percussive"].samples
        scores = f"{sdr(drums, found):8.2f} {sdr(drums, mix.samples):8.2f}"
        print(f"{song.name:20} {'drums':14} {'':8} {'':8} {scores}")


def sdr(reference: Samples, estimate: Samples) -> float:
    """Returns the median SDR over the seconds in which the reference sounds, channels averaged."""
    import fast_bss_eval

    scores = []
    for begin in range(0, reference.shape[1] - RATE + 1, RATE):
        part = slice(begin, begin + RATE)
        if silent_share(reference[:, part], RATE) < 0.5:
            scores.append(
                np.mean(
                    [
                        fast_bss_eval.sdr(r[None].astype(float), e[None].astype(float))[0]
                        for r, e in zip(reference[:, part], estimate[:, part], strict=True)
                        if r.any()
                    ]
                )
            )
    return float(np.median(scores))


def speed(clips: list[Audio], config: SpleeterConfig, weights: Path) -> None:
    total = sum(clip.seconds for clip in clips)
    print(f"\nspeed over {len(clips)} clips, {total:.0f} s of music in all")
    began = time.perf_counter()
    with closing(Itself(weights)) as itself:
        took = [itself.separate(clip)[1] for clip in clips]
        _report("spleeter itself", total, time.perf_counter() - began, took)
    began = time.perf_counter()
    took_ours = []
    with closing(Spleeter(config)) as ours:
        for clip in clips:
            start = time.perf_counter()
            ours.separate(clip)
            took_ours.append(time.perf_counter() - start)
        _report("lofikit-spleeter", total, time.perf_counter() - began, took_ours)
    began = time.perf_counter()
    hpss = HPSS(HPSSConfig())
    took_hpss = []
    for clip in clips:
        start = time.perf_counter()
        hpss.separate(clip)
        took_hpss.append(time.perf_counter() - start)
    _report("hpss", total, time.perf_counter() - began, took_hpss)
    print(
        f"ours a clip, the first left out, is {np.median(took[1:]) / np.median(took_ours[1:]):.1f}"
        " times as fast as spleeter itself"
    )


def _report(name: str, music: float, whole: float, took: list[float]) -> None:
    middle = np.median(took[1:])
    print(
        f"{name:18} {whole:7.1f} s with starting: {music / whole:5.2f} times real time;"
        f" a clip {middle:6.2f} s: {music / len(took) / middle:5.2f} times"
    )


if __name__ == "__main__":
    main()
