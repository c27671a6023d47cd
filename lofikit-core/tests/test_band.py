"""Bands: parts in step, mixed below the ceiling, each kept if one likes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lofikit.audio import Reader, read
from lofikit.band import play_band, read_band
from lofikit.chunks import DataConfig
from lofikit.cli.main import cli
from lofikit.errors import LofikitError, OptionError
from lofikit.generation import sidecar
from lofikit.library import Library
from lofikit.plan import TrainingConfig
from lofikit.run import ComponentConfig, Run, RunConfig
from lofikit.session import prepare
from lofikit.training import train

STEMS = {"drums": 2205, "bass": 4410}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, music: Path) -> Path:
    """A folder with a run of each stem, at different rates."""
    made = tmp_path_factory.mktemp("band")
    for stem, rate in STEMS.items():
        config = RunConfig(
            library=str(music),
            data=DataConfig(stem=f"true/{stem}", sample_rate=rate),
            representation=ComponentConfig(name="core/mulaw", options={"levels": 64}),
            model=ComponentConfig(name="core/linear", options={"order": 6}),
            training=TrainingConfig.model_validate(
                {"audition": 0, "phases": [{"epochs": 1, "steps": 4}]}
            ),
        )
        train(prepare(Run.create(made / stem, config), Library(music)))
    return made


def band(folder: Path, text: str) -> Path:
    file = folder / "band.toml"
    file.write_text(text)
    return file


LOUD = """
seconds = 1.5
seed = 3
prompt_seconds = 2
ceiling = -6

[[part]]
run = "drums"
gain = 12.0

[[part]]
run = "bass"
gain = 6.0
temperature = 0.8

[[part]]
run = "drums"
name = "noise"
prompt = "noise"
"""


def test_a_band_plays_in_step_and_never_above_the_ceiling(folder: Path, tmp_path: Path) -> None:
    playing = read_band(band(folder, LOUD))
    parts = tmp_path / "parts"
    told: list[float] = []
    prompt = play_band(playing, tmp_path / "mix.wav", parts, told.append)
    mix = read(tmp_path / "mix.wav")
    assert mix.rate == 4410
    assert prompt == pytest.approx(2.0, abs=0.1)
    assert mix.seconds == pytest.approx(prompt + 1.5, abs=1e-3)
    assert told[-1] == pytest.approx(1.5, abs=1e-3)
    assert np.abs(mix.samples).max() <= 10 ** (-6 / 20) + 1 / 32768
    kept = {name: _raw(parts / f"{name}.wav") for name in ("drums", "bass", "noise")}
    assert {len(part) for part in kept.values()} == {mix.samples.shape[1]}
    total = sum(kept.values())
    assert np.abs(total).max() > 10 ** (-6 / 20), "there was something to limit"
    begin = round(prompt * 4410)
    assert not kept["noise"][: begin - 1].any(), "noise has no prompt, and waits for the others"
    assert kept["noise"][begin:].any()
    heard = np.abs(total) >= 0.05
    gain = mix.samples[0][heard] / total[heard]
    assert gain.min() > 0, "the mix is the parts' sum, turned down"
    assert gain.max() < 1.01


def test_the_parts_add_up_to_a_mix_that_needs_no_limiting(folder: Path, tmp_path: Path) -> None:
    text = "seconds = 1\n" + "".join(
        f'[[part]]\nrun = "{stem}"\ngain = -20\n' for stem in ("drums", "bass")
    )
    play_band(read_band(band(folder, text)), tmp_path / "mix.wav", tmp_path)
    total = _raw(tmp_path / "drums.wav") + _raw(tmp_path / "bass.wav")
    np.testing.assert_allclose(read(tmp_path / "mix.wav").samples[0], total, atol=1 / 32768)


def test_the_same_seed_gives_the_same_band_and_notes_say_how(folder: Path, tmp_path: Path) -> None:
    playing = read_band(band(folder, LOUD))
    for name in ("one", "two"):
        play_band(playing, tmp_path / f"{name}.wav")
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()
    notes = json.loads(sidecar(tmp_path / "one.wav").read_text())
    assert [run["temperature"] for run in notes["runs"]] == [1.0, 0.8, 1.0]
    assert [run["gain_db"] for run in notes["runs"]] == [12.0, 6.0, 0.0]


def test_stopping_leaves_a_playable_mix(folder: Path, tmp_path: Path) -> None:
    def stop(seconds: float) -> None:
        if seconds > 0.6:
            raise KeyboardInterrupt

    playing = read_band(band(folder, LOUD))
    with pytest.raises(KeyboardInterrupt):
        play_band(playing, tmp_path / "mix.wav", tmp_path / "parts", stop)
    part = _raw(tmp_path / "parts" / "bass.wav")
    assert read(tmp_path / "mix.wav").samples.shape[1] == len(part) > 2 * 4410
    assert sidecar(tmp_path / "mix.wav").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seconds = 3", "names no part"),
        ('part = "drums"', "names no part"),
        ('second = 3\n[[part]]\nrun = "drums"', r"band\.toml: there is no option second"),
        ("[[part]]\ngain = 3", r"band\.toml, part 1: run is required"),
        ('[[part]]\nrun = "drums"\n[[part]]\nrun = "bass"\ngane = 1', "part 2: .* gane"),
        ('[[part]]\nrun = "drums"\ntop_p = 1.5', "part 1: top-p 1.5"),
        ('[[part]]\nrun = "piano"', "piano"),
        ('[[part]]\nrun = "drums"\nprompt = "no.wav"', r"no\.wav"),
        ("[[part", "is not a TOML file"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(folder: Path, text: str, said: str) -> None:
    with pytest.raises(LofikitError, match=said) as caught:
        read_band(band(folder, text))
    assert caught.value.hint or not isinstance(caught.value, OptionError)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    file = band(folder, LOUD)
    words = ["band", str(file), "-o", str(tmp_path / "mix.flac"), "--parts", str(tmp_path / "p")]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert "1.5 s of drums, bass, noise after 2.0 s of prompt" in done.output
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [
        "bass.wav",
        "drums.wav",
        "noise.wav",
    ]
    (tmp_path / "mix.flac").unlink()
    with pytest.raises(LofikitError, match="exists already"):
        CliRunner().invoke(cli, words, standalone_mode=False, catch_exceptions=False)


def _raw(path: Path) -> np.ndarray:
    """Returns a file's samples as they are, without scaling what is above full scale."""
    with Reader(path) as reader:
        return np.concatenate(list(reader.blocks()), axis=1)[0]
