"""Runs and anchors are measured alike, from prompts that nobody was trained on."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from lofikit.beats import tracked
from lofikit.chunks import LevelledClips
from lofikit.cli.main import run as lofikit
from lofikit.errors import LibraryError, OptionError
from lofikit.evaluation import FIGURES
from lofikit.evaluation.anchors import ANCHORS
from lofikit.evaluation.comparison import Comparison, Spread, as_json, judge
from lofikit.evaluation.evaluate import evaluate
from lofikit.evaluation.excerpts import excerpt_beats, real_excerpts, spread_prompts
from lofikit.evaluation.stage import EvaluationOptions
from lofikit.evaluation.takes import bounded
from lofikit.library import Library
from lofikit.run import Run
from lofikit.samples import open_samples

SMALL = EvaluationOptions(prompts=3, seeds=2, seconds=5.0)
GATE = 0.25
"""A row that has fewer takes within, by some figure, has not passed."""
INVENTED = ("linear prediction", "adaptive prediction", "white noise", "silence")
"""Anchors that have no sounds of music."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, music: Path) -> Path:
    """A folder with a run of linear prediction of classes, one of frames, one at another rate."""
    folder = tmp_path_factory.mktemp("runs")
    train = ["train", str(music), "--model", "linear", "--model.order", "8", "--held-out", "0.3"]
    quick = ["--epochs", "1", "--steps", "4", "--audition", "0"]
    for name, more in {
        "classes": ["--representation", "mulaw"],
        "frames": ["--representation", "mdct"],
        "again": ["--representation", "stft"],
        "fast": ["--representation", "mdct", "--sample-rate", "8000"],
    }.items():
        assert lofikit([*train, *quick, *more, "-o", str(folder / name)]) == 0
    return folder


def evaluated(music: Path, *paths: Path, options: EvaluationOptions = SMALL) -> list[Comparison]:
    return evaluate([(Run.open(path), Library(music)) for path in paths], options)


def test_rows_figures_and_prompts(runs: Path, music: Path) -> None:
    (found,) = evaluated(music, runs / "frames", runs / "again")
    names = {row.name for row in found.rows}
    own = {str(runs / "frames"), str(runs / "again")}
    assert names == {
        "real music",
        "code chain",
        "adaptive prediction",
        *own,
        *(anchor.name for anchor in ANCHORS),
    }
    kinds = {row.name: row.kind for row in found.rows}
    assert all(kinds[name] == "run" for name in own)
    held = {clip["id"] for clip in Run.open(runs / "classes").manifest()["held_out_clips"]}
    assert len(held) == 2
    assert {prompt.clip.id for prompt in found.prompts} == held  # spread over all of them
    for row in found.rows:
        assert list(row.figures) == [figure.name for figure in FIGURES]
        assert 0 <= row.all_within <= 1
    assert [row.all_within for row in found.rows] == sorted(
        (row.all_within for row in found.rows), reverse=True
    )
    silent = next(row for row in found.rows if row.name == "silence")
    assert silent.figures["near_constant"].spread.median == 1.0
    assert silent.figures["collapse"].within == 0.0
    assert np.isnan(silent.memorisation)


def test_the_same_inputs_give_the_same_figures(runs: Path, music: Path) -> None:
    short = EvaluationOptions(prompts=1, seeds=2, seconds=1.0)
    one = as_json(evaluated(music, runs / "classes", options=short))
    assert as_json(evaluated(music, runs / "classes", options=short)) == one
    name = str(runs / "classes")
    row = next(row for row in one["rows"] if row["name"] == name)
    beside = as_json(evaluated(music, runs / "frames", runs / "classes", options=short))
    assert row in beside["rows"]  # other runs change nothing of it


def test_runs_of_another_rate_are_measured_at_theirs(runs: Path, music: Path) -> None:
    found = evaluated(music, runs / "frames", runs / "fast")
    assert [comparison.rate for comparison in found] == [4410, 8000]
    said = as_json(found)
    assert said["rate"] == 4410
    assert [other["rate"] for other in said["others"]] == [8000]
    for one in (said, *said["others"]):
        assert {row["kind"] for row in one["rows"]} == {"real", "anchor", "run"}


def test_the_command_writes_what_it_found(
    runs: Path, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    small = ["--prompts", "2", "--seeds", "1", "--seconds", "1", "--scored-seconds", "1"]
    words = ["evaluate", str(runs / "classes"), str(runs / "frames"), *small, "--json", str(file)]
    assert lofikit(words) == 0
    printed = capsys.readouterr().out
    for title in (
        "bits a sample",
        "Share of takes",
        "looped prompt",
        "tempo steadiness",
        "seeds 0",
    ):
        assert title in printed
    said = json.loads(file.read_text())
    assert (said["format"], said["rate"], said["seconds"], said["seeds"]) == (1, 4410, 1.0, [0])
    assert len(said["prompts"]) == 2 and set(said["prompts"][0]) == {"clip", "title", "start"}
    assert {figure["name"] for figure in said["figures"]} == {figure.name for figure in FIGURES}
    real = [figure for figure in said["figures"] if figure["median"] is not None]
    assert all(figure["low"] <= figure["median"] <= figure["high"] for figure in real)
    row = next(row for row in said["rows"] if row["name"] == str(runs / "classes"))
    assert (row["unit"], row["held_out"]["clips"], row["model"]) == ("bits", 2, "core/linear")
    assert row["figures"]["flatness"].keys() == {"low", "median", "high", "within"}
    assert lofikit(words) == 1  # the file is there already
    assert "--overwrite" in capsys.readouterr().err


def test_bits_alone(runs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["evaluate", str(runs / "classes"), "--bits-only", "--scored-seconds", "1"]
    assert lofikit(words) == 0
    printed = capsys.readouterr().out
    assert "bits a sample" in printed and "looped prompt" not in printed
    assert lofikit([*words, "--json", str(tmp_path / "a.json")]) == 1


def test_ctrl_c_leaves_nothing_half_written(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(runs / "classes"), "--seconds", "3600", "--scored-seconds", "1"]

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 2.0)
    try:
        assert lofikit([*words, "--json", str(tmp_path / "found.json")]) == 130
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert "interrupted" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_evaluated_is_refused(runs: Path, music: Path) -> None:
    with pytest.raises(OptionError, match="--seconds"):
        EvaluationOptions(seconds=0.1)
    with pytest.raises(OptionError, match="--prompts 0"):
        EvaluationOptions(prompts=0)
    with pytest.raises(OptionError, match="--seeds 0"):
        EvaluationOptions(seeds=0)


def test_runs_that_hold_nothing_back_in_common_are_refused(
    runs: Path, music: Path, tmp_path: Path
) -> None:
    held = Run.open(runs / "classes").manifest()["held_out_clips"]
    words = ["train", str(music), "--model", "linear", "--representation", "mdct", "--epochs", "1"]
    others = [c.id for c in Library(music).clips if c.id not in {h["id"] for h in held}]
    more = ["--steps", "1", "--audition", "0", "--hold-out", others[0], "-o", str(tmp_path / "run")]
    assert lofikit([*words, *more]) == 0
    with pytest.raises(LibraryError, match="no clip that was held back by") as caught:
        evaluated(music, runs / "classes", tmp_path / "run")
    assert "one by one" in caught.value.hint


def test_prompts_are_spread_and_sound(music: Path) -> None:
    store = open_samples(Library(music), 4410)
    prompts = spread_prompts(store, store.clips, -20.0, 10, 4410)
    assert len(prompts) == 10
    assert len({p.clip.id for p in prompts}) == len(store.clips)
    assert len({(p.clip.id, p.start) for p in prompts}) == 10
    assert all(len(p.prompt) == 4410 and p.prompt.std() > 0.01 for p in prompts)
    with pytest.raises(LibraryError, match="shorter than a prompt"):
        spread_prompts(store, store.clips, -20.0, 10, 4410 * 60)


@pytest.mark.parametrize(("seconds", "length"), [(None, 3.0), (1.5, 1.5)])
def test_prompts_have_the_beats_of_their_clips(
    music: Path, seconds: float | None, length: float
) -> None:
    library = Library(music)
    store = open_samples(library, 4410)
    # In another order than the clips, and several of one clip.
    prompts = spread_prompts(store, store.clips, -20.0, 7, 3 * 4410)[::-1]
    whole = tracked(library, library.clips)
    for prompt, beats in zip(prompts, excerpt_beats(store, prompts, seconds), strict=True):
        end = prompt.start + length
        times = whole[prompt.clip.id].times
        np.testing.assert_allclose(beats.times + end, times[times <= end])


def test_excerpts_are_what_the_clip_has_there(music: Path) -> None:
    store = open_samples(Library(music), 4410)
    found = real_excerpts(store, store.clips, -20.0, 2000, 10_000)
    clips = LevelledClips(store, store.clips, -20.0)
    samples = {part.clip.id: clips[index] for index, part in enumerate(store.clips)}
    for excerpt in found:
        whole = samples[excerpt.clip.id]
        start = round(excerpt.start * 4410)
        np.testing.assert_array_equal(excerpt.prompt, whole[start : start + 2000])
        np.testing.assert_array_equal(excerpt.music, whole[start + 2000 : start + 12_000])
    assert len(found) >= 2 * len(store.clips)
    assert not real_excerpts(store, store.clips, None, 0, 4410 * 60)


def test_a_take_that_blows_up_is_silent_from_there() -> None:
    takes = np.array([[0.5, np.inf, 0.5], [2.0, 0.1, np.nan]], np.float32)
    expected = np.array([[0.5, 0.0, 0.0], [1.0, 0.1, 0.0]], np.float32)
    np.testing.assert_array_equal(bounded(takes), expected)


def test_all_within_asks_for_every_figure_of_the_same_take() -> None:
    real = {figure.name: Spread(0.0, 0.5, 1.0) for figure in FIGURES}
    good = {figure.name: 0.5 for figure in FIGURES}
    figures, every = judge([good, good | {"flux": 2.0}, good | {"beat": -1.0}, good], [real] * 4)
    assert every == 0.5
    assert (figures["flux"].within, figures["beat"].within, figures["jumps"].within) == (
        0.75,
        0.75,
        1.0,
    )
    unknown = good | {"beat": float("nan")}
    figures, every = judge([unknown], [real])
    assert every == 1.0 and np.isnan(figures["beat"].within)


@pytest.mark.slow
def test_no_anchor_passes_on_real_music_but_real_music(tmp_path: Path, lofi: Path) -> None:
    library, run = tmp_path / "library", tmp_path / "run"
    assert lofikit(["collect", str(lofi), "-o", str(library)]) == 0
    held = "winter-fire-place,roof-tops,ocean-memory"
    words = ["--model", "linear", "--representation", "mdct", "--hold-out", held]
    quick = ["--epochs", "1", "--steps", "1", "--audition", "0", "-o", str(run)]
    assert lofikit(["train", str(library), *words, *quick]) == 0
    options = EvaluationOptions(prompts=9, seeds=1, seconds=20.0)
    (found,) = evaluate([(Run.open(run), Library(library))], options)
    for row in found.rows:
        worst = min(judged.within for judged in row.figures.values())
        if row.kind == "real":
            assert worst >= 0.7 and row.all_within >= GATE
            assert row.memorisation < 0.05
        else:
            assert worst < GATE, f"{row.name} passes all gates"
            assert row.all_within == 0.0
    # The code chain is strung together from the training clips themselves, which distances are
    # measured from: held-back music can lie further off. Its beat is what gives it away.
    distance = {row.name: row.kad for row in found.rows}
    made_of_reference = distance.pop("code chain")
    assert distance["real music"] == min(distance.values())
    assert made_of_reference < min(v for name, v in distance.items() if name in INVENTED)
    (chain,) = (row for row in found.rows if row.name == "code chain")
    assert chain.figures["beat"].within < GATE
