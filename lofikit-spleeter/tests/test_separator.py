"""Spleeter in its own environment: the same stems as by itself, at any length, rate and width."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from lofikit.audio import Audio
from lofikit.errors import AudioError
from lofikit.plugins import load_class, registry
from lofikit_spleeter.config import SpleeterConfig
from lofikit_spleeter.separator import RATE, STEMS, Spleeter
from lofikit_spleeter.weights import FILES, WeightsError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("environment")]


def music(seconds: float, rate: int = RATE, channels: int = 2) -> Audio:
    """Returns a beat, a bass and a melody that differ between the channels."""
    rng = np.random.default_rng(7)
    time = np.arange(round(seconds * rate)) / rate
    # Low-passed: resampling and the networks' 11 kHz cut off what is near the Nyquist frequency.
    noise = np.convolve(rng.standard_normal(len(time)), np.hanning(18) / 3, "same")
    beat = noise * np.exp(-12 * (time % 0.5))
    bass = np.sin(2 * np.pi * 55 * time * (1 + (time % 4 > 2)))
    melody = np.sin(2 * np.pi * 440 * time + 3 * np.sin(2 * np.pi * 5 * time))
    melody *= 0.5 + 0.5 * np.sin(2 * np.pi * 0.7 * time)
    rows = [0.1 * beat + 0.2 * bass + 0.2 * melody, 0.1 * beat + 0.2 * bass + 0.1 * melody]
    return Audio(np.array(rows[:channels], np.float32), rate)


@pytest.fixture(scope="module")
def two(genuine: Path) -> Iterator[Spleeter]:
    config = SpleeterConfig(stems=2, weights=str(genuine), segments=1)
    with closing(Spleeter(config)) as made:
        yield made


@pytest.fixture(scope="module")
def random_weights(
    tmp_path_factory: pytest.TempPathFactory, itself: Callable[..., None]
) -> dict[int, Path]:
    folders = {}
    for stems in (4, 5):
        folders[stems] = tmp_path_factory.mktemp(f"{stems}stems")
        itself("random", f"spleeter:{stems}stems", folders[stems])
    return folders


@pytest.fixture(scope="module")
def own(
    genuine: Path, itself: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Returns a folder with what spleeter itself makes of 14 s of music."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "2stems").symlink_to(genuine)
    (genuine / ".probe").write_text("OK")  # spleeter would fetch them without it
    np.ascontiguousarray(music(14.321).samples.T).tofile(folder / "mix.f32")
    itself("separate", folder, folder / "mix.f32", folder)
    return folder


@pytest.mark.parametrize(("bandwidth", "filtering"), [(11, "mask"), (16, "wiener")])
def test_stems_are_those_of_spleeter_itself(
    genuine: Path, own: Path, bandwidth: int, filtering: str
) -> None:
    config = SpleeterConfig(
        stems=2, weights=str(genuine), filter=filtering, bandwidth=bandwidth, segments=2
    )
    with closing(Spleeter(config)) as made, np.load(own / f"{filtering}.npz") as expected:
        stems = made.separate(music(14.321))  # two segments, the second not whole
        for stem in made.stems:
            np.testing.assert_allclose(stems[stem].samples, expected[stem].T, atol=2e-6)


def test_pieces_leave_no_seam(two: Spleeter, genuine: Path) -> None:
    audio = music(26)
    with closing(Spleeter(SpleeterConfig(stems=2, weights=str(genuine), segments=64))) as at_once:
        whole = at_once.separate(audio)
    for stem, pieces in two.separate(audio).items():
        np.testing.assert_allclose(pieces.samples, whole[stem].samples, atol=2e-6)


def test_a_faded_wiener_filter_leaves_no_jump(genuine: Path) -> None:
    config = SpleeterConfig(stems=2, weights=str(genuine), segments=1, filter="wiener")
    with closing(Spleeter(config)) as made:
        stems = made.separate(music(30))
    segment, hop, frame = 512 * 1024, 1024, 4096
    for stem in stems.values():
        bends = np.abs(np.diff(stem.samples, 2, axis=1)).max(axis=0)
        near = np.zeros(len(bends), np.bool_)
        for join in (segment, 2 * segment):
            near[join - frame - hop : join + frame + hop] = True
        assert bends[near].max() < 1.5 * bends[~near].max()


@pytest.mark.parametrize(
    ("rate", "channels", "length"),
    [(44_100, 1, 1), (44_100, 2, 44_101), (48_000, 1, 50_003), (8_000, 2, 12_345), (4_410, 1, 999)],
)
def test_rate_channels_and_length_are_the_clips(
    two: Spleeter, rate: int, channels: int, length: int
) -> None:
    audio = Audio(music(7, rate, channels).samples[:, :length], rate)
    stems = two.separate(audio)
    assert tuple(stems) == two.stems
    for stem in stems.values():
        assert stem.samples.shape == (channels, length)
        assert stem.samples.dtype == np.float32
        assert stem.rate == rate


def test_stems_add_up_to_the_mix(two: Spleeter) -> None:
    audio = music(5, 16_000, 1)
    total = sum(stem.samples for stem in two.separate(audio).values())
    middle = slice(1000, -1000)
    error = np.square(total - audio.samples)[:, middle].mean()
    assert error < 1e-4 * np.square(audio.samples).mean()


def test_silence_stays_silent(two: Spleeter) -> None:
    for stem in two.separate(Audio(np.zeros((2, RATE), np.float32), RATE)).values():
        assert not stem.samples.any()


def test_more_than_two_channels_are_refused(two: Spleeter) -> None:
    with pytest.raises(AudioError, match="3 channels"):
        two.separate(Audio(np.zeros((3, 100), np.float32), RATE))


@pytest.mark.parametrize("count", [4, 5])
def test_four_and_five_stems(random_weights: dict[int, Path], count: int) -> None:
    folder = str(random_weights[count])
    with pytest.raises(WeightsError, match="truncated or altered"):
        Spleeter(SpleeterConfig(stems=count, weights=folder))
    config = SpleeterConfig(stems=count, weights=folder, unverified=True)
    audio = music(3, 22_050)
    with closing(Spleeter(config)) as made:
        stems = made.separate(audio)
    assert set(stems) == set(STEMS[count])
    assert all(stem.samples.shape == audio.samples.shape for stem in stems.values())
    total = sum(stem.samples for stem in stems.values())
    error = np.square(total - audio.samples)[:, 2000:-2000].mean()
    assert error < 1e-3 * np.square(audio.samples).mean()


def test_incomplete_weights_are_refused_though_unverified(tmp_path: Path) -> None:
    for name in FILES[:2]:
        (tmp_path / name).write_text("x")
    with pytest.raises(WeightsError, match=r"has no model\.index, model\.meta"):
        Spleeter(SpleeterConfig(stems=2, weights=str(tmp_path), unverified=True))


def test_it_is_found_by_its_short_name() -> None:
    component = registry().find("separator", "spleeter")
    assert load_class(component.target) is Spleeter
    assert load_class(component.config) is SpleeterConfig
