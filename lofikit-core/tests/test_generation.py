"""Generation: the same seed gives the same samples, however long, and the file is playable."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lofikit.audio import Audio, read
from lofikit.beats import Beats, tracked
from lofikit.errors import OptionError, PromptError
from lofikit.generation import generate, play, sidecar
from lofikit.library import Library
from lofikit.models.base import Sampling
from lofikit.performers import TakeOptions, Voice
from lofikit.plan import TrainingConfig
from lofikit.prompts import find_prompt, open_voice
from lofikit.run import ComponentConfig, Run, RunConfig
from lofikit.session import prepare
from lofikit.training import train
from lofikit.writers import write

REPRESENTATIONS = {
    "raw": {},
    "mulaw": {"levels": 64},
    "mdct": {"hop": 32},
    "stft": {"frame": 50},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, music: Path) -> dict[str, Run]:
    """A trained run of the linear model for each representation."""
    folder = tmp_path_factory.mktemp("runs")
    made = {}
    for name, options in REPRESENTATIONS.items():
        config = RunConfig(
            library=str(music),
            representation=ComponentConfig(name=f"core/{name}", options=options),
            model=ComponentConfig(name="core/linear", options={"order": 6}),
            training=TrainingConfig.model_validate(
                {"audition": 0, "phases": [{"epochs": 1, "steps": 4}]}
            ),
        )
        made[name] = Run.create(folder / name, config)
        train(prepare(made[name], Library(music)))
    return made


def make(
    path: Path, *voices: Voice, seconds: float = 0.7, seed: int = 0, with_prompt: bool = False
) -> np.ndarray:
    options = TakeOptions(seconds, seed, Sampling(), with_prompt)
    generate(voices, options, path)
    return read(path).samples[0]


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_a_take_has_its_length_and_moves(tmp_path: Path, runs: dict[str, Run], name: str) -> None:
    take = make(tmp_path / "take.wav", open_voice(runs[name], "held-out", seconds=2.0))
    assert len(take) == round(0.7 * 4410)
    assert take.std() > 0


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_the_same_seed_gives_the_same_samples_at_any_length(
    tmp_path: Path, runs: dict[str, Run], name: str
) -> None:
    voice = Voice(runs[name], None)
    short = make(tmp_path / "a.wav", voice, seconds=0.4)
    long = make(tmp_path / "b.wav", voice, seconds=0.9)
    np.testing.assert_array_equal(short, long[: len(short)])


def test_another_seed_gives_other_samples(tmp_path: Path, runs: dict[str, Run]) -> None:
    voice = open_voice(runs["mulaw"], "held-out", seconds=2.0)
    assert not np.array_equal(
        make(tmp_path / "a.wav", voice), make(tmp_path / "b.wav", voice, seed=1)
    )


def test_a_prompt_of_a_clip_has_the_beats_of_the_whole(runs: dict[str, Run]) -> None:
    run = runs["raw"]
    library = Library(Path(run.config.library))
    (held,) = (c for c in library.clips if c.id == run.manifest()["held_out_clips"][0]["id"])
    whole = tracked(library, [held])[held.id].times
    prompt = find_prompt("held-out", run, start=2.0, seconds=3.0)
    assert prompt is not None
    assert prompt.find_beats is not None
    beats = prompt.find_beats()
    found = open_voice(run, "held-out", 2.0, 3.0).find_beats
    assert found is not None
    np.testing.assert_array_equal(found().times, beats.times)
    np.testing.assert_allclose(beats.times, whole[whole <= 5.0] - 5.0)
    assert len(beats.times) > 3


def test_beats_of_files_and_of_noise_are_not_known(tmp_path: Path, runs: dict[str, Run]) -> None:
    write(tmp_path / "song.wav", Audio(np.full((1, 4410), 0.1, np.float32), 4410))
    assert open_voice(runs["raw"], str(tmp_path / "song.wav")).find_beats is None
    assert open_voice(runs["raw"], "noise").find_beats is None


def test_a_run_that_keeps_no_time_asks_for_no_beats(tmp_path: Path, runs: dict[str, Run]) -> None:
    def ask() -> Beats:
        raise AssertionError

    voice = open_voice(runs["raw"], "held-out", seconds=2.0)
    make(tmp_path / "take.wav", replace(voice, find_beats=ask))


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_the_take_begins_with_the_prompt(tmp_path: Path, runs: dict[str, Run], name: str) -> None:
    voice = open_voice(runs[name], "held-out", start=4.0, seconds=2.0)
    prompt = voice.prompt
    assert prompt is not None
    path = tmp_path / "take.wav"
    take = make(path, voice, with_prompt=True)
    seconds = json.loads(sidecar(path).read_text())["prompt_seconds"]
    assert seconds == pytest.approx(2.0, abs=0.05)
    assert len(take) == pytest.approx((seconds + 0.7) * 4410, abs=1)
    heard = take[: round(seconds * 4410)]
    given = read_at(prompt, 4410)
    likeness = max(
        np.corrcoef(heard[: len(heard) - 60], given[i : i + len(heard) - 60])[0, 1]
        for i in range(60)
        if len(given) - i >= len(heard) - 60
    )
    assert likeness > 0.95  # mu-law of 64 levels is not exact


def read_at(audio: Audio, rate: int) -> np.ndarray:
    from lofikit.audio import resample

    return resample(Audio(audio.mono()[None], audio.rate), rate).samples[0]


def test_runs_play_side_by_side(tmp_path: Path, runs: dict[str, Run]) -> None:
    one, two = Voice(runs["raw"], None), Voice(runs["mdct"], None)
    mix = make(tmp_path / "mix.wav", one, two)
    silent = Voice(runs["mdct"], None, gain=-200.0)
    alone = make(tmp_path / "one.wav", one)
    np.testing.assert_allclose(make(tmp_path / "faint.wav", one, silent), alone, atol=1e-4)
    assert not np.allclose(mix, alone, atol=1e-3)
    louder = make(tmp_path / "louder.wav", Voice(runs["raw"], None, gain=-6.0206))
    np.testing.assert_allclose(louder, alone / 2, atol=1e-4)


def test_runs_of_different_rates_meet_at_the_highest(
    tmp_path: Path, runs: dict[str, Run], music: Path
) -> None:
    config = runs["raw"].config
    faster = config.model_copy(
        update={"data": config.data.model_copy(update={"sample_rate": 8820})}
    )
    run = Run.create(tmp_path / "faster", faster)
    train(prepare(run, Library(music)))
    path = tmp_path / "mix.wav"
    take = make(path, Voice(runs["raw"], None), Voice(run, None), seconds=1.0)
    assert soundfile.info(path).samplerate == 8820
    assert len(take) == 8820


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_other_formats(tmp_path: Path, runs: dict[str, Run], suffix: str) -> None:
    path = tmp_path / f"take{suffix}"
    make(path, Voice(runs["mulaw"], None), seconds=1.0)
    audio = read(path)
    assert audio.seconds == pytest.approx(1.0, abs=0.2)
    assert np.abs(audio.samples).max() > 0.01


def test_stopping_early_leaves_a_playable_file(tmp_path: Path, runs: dict[str, Run]) -> None:
    path = tmp_path / "take.wav"

    def stop(made: float) -> None:
        if made >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate([Voice(runs["raw"], None)], TakeOptions(3600.0), path, stop)
    assert 0.5 <= read(path).seconds < 1.0
    assert json.loads(sidecar(path).read_text())["seconds"] == pytest.approx(read(path).seconds)


def test_a_take_is_heard_block_by_block_and_can_be_stopped(
    tmp_path: Path, runs: dict[str, Run]
) -> None:
    voice = Voice(runs["raw"], None)
    heard: list[np.ndarray] = []

    def player(block: np.ndarray, rate: int, is_prompt: bool) -> bool:
        assert (rate, is_prompt) == (4410, False)
        heard.append(block)
        return len(heard) < 3

    play([voice], TakeOptions(3600.0), player)
    assert len(heard) == 3
    whole = make(tmp_path / "take.wav", voice, seconds=0.7)
    np.testing.assert_allclose(np.concatenate(heard)[: len(whole)], whole, atol=1e-4)


def test_how_a_take_was_made_lies_beside_it(tmp_path: Path, runs: dict[str, Run]) -> None:
    path = tmp_path / "take.wav"
    make(path, Voice(runs["mulaw"], None), seed=7)
    said = json.loads(sidecar(path).read_text())
    assert (said["seed"], said["runs"][0]["model"]) == (7, "core/linear")
    assert {clip["licence"] for clip in said["trained_on"]} == {"CC0-1.0"}


def test_a_prompt_shorter_than_the_context_is_refused(tmp_path: Path, runs: dict[str, Run]) -> None:
    short = Audio(np.full((1, 3), 0.1, np.float32), 4410)
    with pytest.raises(PromptError, match=r"the prompt has 0\.00 s, and the model needs") as caught:
        make(tmp_path / "take.wav", Voice(runs["raw"], short))
    assert "--prompt noise" in caught.value.hint


def test_prompts_that_are_not_there(tmp_path: Path, runs: dict[str, Run], odd: Path) -> None:
    with pytest.raises(PromptError, match="is not there"):
        find_prompt("nowhere.wav", runs["raw"])
    with pytest.raises(PromptError, match="cannot be read"):
        find_prompt(str(odd / "text.flac"), runs["raw"])
    assert find_prompt("noise", runs["raw"]) is None


def test_wrong_numbers_are_refused() -> None:
    for wrong in (lambda: TakeOptions(0.0), lambda: Sampling(-1.0), lambda: Sampling(1.0, 0.0)):
        with pytest.raises(OptionError):
            wrong()
