"""Percussive and harmonic stems."""

from pathlib import Path
from typing import ClassVar

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from lofikit.audio import Audio, read
from lofikit.separators.hpss import HPSS, HPSSConfig
from lofikit.testing.components import music
from lofikit.testing.separators import SeparatorSuite

SONG = Path(__file__).parents[3] / "shared" / "data" / "stems" / "mdn_multitrack"


class TestHPSS(SeparatorSuite):
    component = "core/hpss"


class TestHPSSWithShortFrames(SeparatorSuite):
    component = "core/hpss"
    options: ClassVar = {"frame": 256, "harmonic_kernel": 17, "power": 1.0}


def energy(samples: NDArray[np.float32]) -> float:
    return float(np.square(samples, dtype=np.float64).sum())


@pytest.mark.parametrize(("samples", "channels"), [(1, 1), (700, 2), (2048, 1), (30_001, 2)])
def test_the_stems_add_up_to_the_music(samples: int, channels: int) -> None:
    audio = Audio(music(samples, 44_100, channels), 44_100)
    stems = HPSS(HPSSConfig()).separate(audio)
    total = stems["percussive"].samples + stems["harmonic"].samples
    np.testing.assert_allclose(total, audio.samples, atol=1e-6)


def test_tones_are_harmonic_and_strokes_percussive() -> None:
    rate, seconds = 22_050, np.arange(44_100) / 22_050
    tone = (0.3 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    strokes = np.zeros_like(tone)
    strokes[::4000] = 0.9
    stems = HPSS(HPSSConfig()).separate(Audio((tone + strokes)[None], rate))
    inner = slice(4096, -4096)
    wrong_tone = stems["harmonic"].samples[0, inner] - tone[inner]
    wrong_strokes = stems["percussive"].samples[0, inner] - strokes[inner]
    assert energy(wrong_tone) < 0.02 * energy(tone[inner])
    assert energy(wrong_strokes) < 0.5 * energy(strokes[inner])


@pytest.mark.parametrize(("frame", "kernel"), [(64, 31), (100, 12)])
def test_long_music_in_blocks_is_as_the_whole_at_once(frame: int, kernel: int) -> None:
    rate, hop = 4410, frame // 4
    samples = music(2600 * hop + 7, rate, channels=2)  # five blocks of 512 hops, and a bit
    config = HPSSConfig(frame=frame, harmonic_kernel=kernel)
    stems = HPSS(config).separate(Audio(samples, rate))
    spectrum = librosa.stft(samples, n_fft=frame, hop_length=hop)
    harmonic, percussive = librosa.decompose.hpss(spectrum, kernel_size=(kernel, 31))
    for name, whole in (("harmonic", harmonic), ("percussive", percussive)):
        wanted = librosa.istft(whole, hop_length=hop, n_fft=frame, length=samples.shape[1])
        np.testing.assert_allclose(stems[name].samples, wanted, atol=2e-6)


@pytest.mark.skipif(not SONG.is_dir(), reason=f"there is no song with true stems in {SONG}")
def test_real_drums_are_more_percussive_than_real_keys() -> None:
    def percussive_share(name: str) -> float:
        audio = read(SONG / f"{name}.flac", start=5.0, seconds=3.0)
        stems = HPSS(HPSSConfig()).separate(Audio(audio.mono()[None], audio.rate))
        parts = {name: energy(stem.samples) for name, stem in stems.items()}
        return parts["percussive"] / (parts["percussive"] + parts["harmonic"])

    assert percussive_share("drums") > 2 * percussive_share("keys")
