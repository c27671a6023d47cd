"""The command line, as a person uses it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from lofikit.cli.main import run
from lofikit.library import Library
from lofikit.run import Run, read_arrays

SMALL = ["--model", "linear", "--model.order", "8", "--representation.levels", "64"]
QUICK = [*SMALL, "--epochs", "1", "--steps", "3", "--audition", "0.5"]


LOFIKIT = [sys.executable, "-m", "lofikit"]


class Said:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def lofikit(capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def call(*words: object) -> Said:
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err + captured.out
        return Said(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, music: Path) -> Path:
    path = tmp_path_factory.mktemp("trained") / "run"
    assert run(["train", str(music), *QUICK, "-o", str(path)]) == 0
    return path


def test_the_whole_path(lofikit, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    library, drums = tmp_path / "library", tmp_path / "drums"
    music = ["--source.clips", 3, "--source.seconds", 8, "--source.sample-rate", 8820]
    done = lofikit("collect", "synthetic", *music, "-o", library)
    assert (done.code, "3 clips collected" in done.out) == (0, True)
    assert "3 there already" in lofikit("collect", "synthetic", *music, "-o", library).out
    assert lofikit("separate", library, "--separator", "hpss").code == 0
    assert "3 there already" in lofikit("separate", library, "--separator", "hpss").out
    listed = lofikit("library", library).out
    assert "stem hpss/percussive: 3 clips" in listed
    assert "licence CC0-1.0: 3 clips" in listed
    for stem, where in (("hpss/percussive", drums), ("true/keys+bass", tmp_path / "melody")):
        assert lofikit("train", library, *QUICK, "--stem", stem, "-o", where).code == 0
    assert len(list((drums / "auditions").glob("*.wav"))) == 1
    scored = lofikit("evaluate", drums, "--bits-only", "--scored-seconds", 2)
    assert "bits" in scored.out
    take = tmp_path / "take.flac"
    done = lofikit(
        "generate", drums, tmp_path / "melody", "--gain", -3, "--gain", 0, "--seconds", 1,
        "--prompt-seconds", 1, "-o", take,
    )  # fmt: skip
    assert done.code == 0
    assert soundfile.info(take).duration == pytest.approx(2.0, abs=0.05)
    for figure in ("waveform", "spectrogram", "rates"):
        path = tmp_path / f"{figure}.png"
        assert lofikit("plot", figure, take, "-o", path).code == 0
        assert path.read_bytes().startswith(b"\x89PNG")
    assert lofikit("plot", "loss", drums, "-o", tmp_path / "loss.svg").code == 0


def test_every_command_has_help(lofikit) -> None:  # type: ignore[no-untyped-def]
    from lofikit.cli.main import VERBS

    for verb in VERBS:
        done = lofikit(verb, "--help")
        assert done.code == 0
        assert done.out.startswith(f"Usage: lofikit {verb}")


def test_help_shows_the_options_of_the_chosen_component(lofikit) -> None:  # type: ignore[no-untyped-def]
    done = lofikit("train", "--model", "linear", "--help")
    for text in ("--model.order", "--representation.levels", "--learning-rate", "[default: 32]"):
        assert text in done.out
    assert "--model.order" not in lofikit("train", "--help").out
    assert "--source.clips" in lofikit("collect", "synthetic", "--help").out


def test_show_and_plugins(lofikit) -> None:  # type: ignore[no-untyped-def]
    assert "--model.order" in lofikit("show", "model", "core/linear").out
    assert "core/mdct" in lofikit("show", "representation").out
    assert "paper/tcn" in lofikit("show", "recipe").out
    assert "dilations" in lofikit("show", "recipe", "paper/tcn").out
    assert "lofikit-core" in lofikit("plugins").out


def test_a_list_is_given_at_once_or_flag_by_flag(lofikit, music: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first, second = (clip.id for clip in Library(music).clips[:2])
    for name, words in (
        ("flags", ["--hold-out", first, "--hold-out", second]),
        ("commas", ["--hold-out", f"{first},{second}"]),
    ):
        assert lofikit("train", music, *QUICK, *words, "-o", tmp_path / name).code == 0
        held = Run.open(tmp_path / name).manifest()["held_out_clips"]
        assert {clip["id"] for clip in held} == {first, second}


WRONG = [
    (["trian"], "no command 'trian'", "lofikit train"),
    (["train", "LIB", "--model", "core/linaer", "-o", "NEW"], "core/linaer", "lofikit plugins"),
    (["train", "LIB", "--model", "elsewhere/x", "-o", "NEW"], "elsewhere/x", "lofikit plugins"),
    (
        ["train", "LIB", "--model", "linear", "--model.ordre", "3", "-o", "NEW"],
        "--model.ordre",
        "--model.order",
    ),
    (["train", "LIB", "--model", "linear", "--epohcs", "3", "-o", "NEW"], "--epohcs", "--epochs"),
    (
        ["train", "LIB", "--model", "linear", "--minutes", "1", "--steps", "3", "-o", "NEW"],
        "--steps does too",
        "leave one of them out",
    ),
    (["train", "LIB", "--model", "linear", "--minutes", "inf", "-o", "NEW"], "--minutes", "min"),
    (
        ["evaluate", "RUN", "--bits-only", "--quick"],
        "--quick goes with takes",
        "leave one out",
    ),
    (["evaluate", "RUN", "--embedding", "mine"], "names no class", "package.module:Class"),
    (["evaluate", "RUN", "--embedding", "absent.mine:It"], "absent", "embed(samples, rate)"),
    (
        ["train", "LIB", "--model", "linear", "--model.order", "0", "-o", "NEW"],
        "--model.order 0: input should be greater than or equal to 1",
        "Past frames",
    ),
    (
        ["train", "LIB", "--model", "linear", "--learning-rate", "fast", "-o", "NEW"],
        "--learning-rate fast",
        "--learning-rate",
    ),
    (["train", "LIB", "-o", "NEW"], "no model is chosen", "--model NAME"),
    (["train", "--model", "linear", "-o", "NEW"], "no library is given", "lofikit train LIBRARY"),
    (["train", "nowhere", "--model", "linear", "-o", "NEW"], "does not exist", "lofikit collect"),
    (["train", "EMPTY", "--model", "linear", "-o", "NEW"], "is empty", "lofikit collect"),
    (["train", "LIB", "--recipe", "paper/tnc", "-o", "NEW"], "'paper/tnc'", "paper/tcn"),
    (
        ["train", "LIB", "--model", "linear", "--model.window", "90000", "-o", "NEW"],
        "shorter than a chunk",
        "shorter window",
    ),
    (
        ["train", "LIB", "--model", "linear", "--stem", "hpss/drums", "-o", "NEW"],
        "no clip in LIB has the stem",
        "lofikit separate",
    ),
    (["train", "LIB", "--model", "linear", "--loss", "mse", "-o", "NEW"], "'mse'", "cross-entropy"),
    (["train", "LIB", "--model", "linear", "-o", "RUN"], "exists already", "--resume"),
    (["train", "--resume", "-o", "nowhere"], "is not a run", "lofikit train"),
    (["train", "--resume", "--epochs", "3", "-o", "RUN"], "--epochs", "lofikit train --config"),
    (["generate", "nowhere", "-o", "take.wav"], "is not a run", "lofikit train"),
    (["generate", "RUN", "-o", "take.xyz"], ".xyz", "wav, flac, ogg, opus, mp3"),
    (["generate", "RUN", "--bpm", "80", "-o", "beat.wav"], "--bpm", "--representation.beat"),
    (["generate", "RUN", "--bpm", "5", "-o", "beat.wav"], "between 20 and 400", "70 to 90"),
    (["generate", "RUN", "--raw", "-o", "take.wav"], "--raw", "-o - --raw"),
    (["generate", "RUN", "-o", "no/take.wav"], "the folder no does not exist", "mkdir"),
    (["generate", "RUN", "-o", "here.wav"], "exists already", "--overwrite"),
    (["generate", "RUN", "--prompt", "no.wav", "-o", "take.wav"], "no.wav is not there", "noise"),
    (["generate", "RUN", "--prompt", "tiny.wav", "-o", "take.wav"], "the prompt has", "longer"),
    (["generate", "RUN", "--seconds", "0", "-o", "take.wav"], "--seconds 0", "--seconds 10"),
    (["generate", "RUN", "--temperature", "-1", "-o", "take.wav"], "--temperature", "1 samples"),
    (["generate", "RUN", "--gain", "1", "--gain", "2", "-o", "take.wav"], "2 times", "once"),
    (["separate", "LIB", "--separator", "spleter"], "'spleter'", "lofikit plugins"),
    (["collect", "nowhere/at/all", "-o", "NEW"], "nowhere/at/all", "lofikit plugins"),
    (["plot", "waveform", "no.wav", "-o", "w.png"], "no.wav", "audio file"),
    (["plot", "waveform", "here.wav", "-o", "w.bmp"], "w.bmp", "png"),
    (["library", "nowhere"], "does not exist", "lofikit collect"),
]


@pytest.mark.parametrize(("words", "said", "hint"), WRONG, ids=lambda v: " ".join(v)[:40])
def test_wrong_use_is_answered_by_a_line_and_a_next_step(  # type: ignore[no-untyped-def]
    lofikit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    music: Path,
    trained: Path,
    words: list[str],
    said: str,
    hint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "LIB").symlink_to(music)
    (tmp_path / "RUN").symlink_to(trained)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "EMPTY" / "index.jsonl").touch()
    soundfile.write(tmp_path / "here.wav", [0.0, 0.1], 4410)
    soundfile.write(tmp_path / "tiny.wav", [0.1] * 3, 4410)
    before = sorted(tmp_path.rglob("*"))
    done = lofikit(*words)
    assert done.code in (1, 2)
    lines = [line for line in done.err.splitlines() if line.strip()]
    error = next(i for i, line in enumerate(lines) if line.startswith("error: "))
    assert said in lines[error]
    assert hint in " ".join(lines[error:])
    assert len(lines) - error <= 2  # one clear line, and the next step
    assert sorted(tmp_path.rglob("*")) == before  # nothing half-made is left behind


def test_a_representation_that_a_model_cannot_take_is_refused_before_training(  # type: ignore[no-untyped-def]
    lofikit, tmp_path: Path, music: Path
) -> None:
    from lofikit.errors import UnsupportedSpecError
    from lofikit.models.linear import Linear, LinearConfig
    from lofikit.representations.base import FrameSpec

    codes = FrameSpec(sample_rate=4410, hop=128, size=4, levels=256, ordinal=False)
    with pytest.raises(UnsupportedSpecError) as caught:
        Linear(LinearConfig(), codes, 0)
    assert caught.value.hint


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["library", "nowhere", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_flags_win_over_a_run_file(lofikit, tmp_path: Path, music: Path, trained: Path) -> None:  # type: ignore[no-untyped-def]
    again = tmp_path / "again"
    assert lofikit("train", "--config", trained / "run.toml", "-o", again).code == 0
    same = [read_arrays(path / "best.safetensors")[0] for path in (trained, again)]
    assert {k: v.tobytes() for k, v in same[0].items()} == {
        k: v.tobytes() for k, v in same[1].items()
    }
    other = tmp_path / "other"
    words = ["--model.order", 5, "--epochs", 2, "--seed", 9]
    assert lofikit("train", "--config", trained / "run.toml", *words, "-o", other).code == 0
    text = (other / "run.toml").read_text()
    assert "order = 5" in text and "epochs = 2" in text and "seed = 9" in text
    assert "levels = 64" in text


def test_one_bad_file_makes_the_exit_code_not_zero(lofikit, tmp_path: Path, odd: Path) -> None:  # type: ignore[no-untyped-def]
    done = lofikit("collect", odd, "-o", tmp_path / "library")
    assert done.code == 1
    for name in ("text.flac", "nan_inf_f32.wav", "aac_lc.m4a"):
        assert f"failed: {name}: " in done.err
    assert "in part: truncated.flac" in done.err


def test_json_of_a_library(lofikit, music: Path) -> None:  # type: ignore[no-untyped-def]
    clips = json.loads(lofikit("library", music, "--json").out)
    assert len(clips) == 5
    assert {"sha256", "licence", "origin", "stems"} <= set(clips[0])


def test_completion_knows_commands_components_and_options(lofikit) -> None:  # type: ignore[no-untyped-def]
    assert "_LOFIKIT_COMPLETE" in lofikit("completion", "bash").out

    def complete(*words: str) -> list[str]:
        environment = {
            **os.environ,
            "_LOFIKIT_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["lofikit", *words]),
            "COMP_CWORD": str(len(words)),
        }
        code = "from lofikit.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert "train" in complete("tr")
    assert "core/linear" in complete("train", "--model", "core/")
    assert "--model.order" in complete("train", "--model", "core/linear", "--model.or")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_everything_and_says_how_to_go_on(
    tmp_path: Path, music: Path, number: signal.Signals
) -> None:
    code = "from lofikit.cli.main import main; main()"
    words = ["train", str(music), *SMALL, "--epochs", "100000", "--checkpoint-every", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words, "-o", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "last.safetensors").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "lofikit train --resume -o" in out.replace("\n", " ")


def test_a_take_is_piped_as_it_is_made(trained: Path) -> None:
    words = ["generate", str(trained), "--prompt", "noise", "--seconds", "1", "-o", "-"]
    done = subprocess.run([*LOFIKIT, *words], capture_output=True, check=True)
    samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="int16")
    assert (rate, len(samples)) == (4410, 4410)
    assert b"first block after" in done.stderr
    raw = subprocess.run([*LOFIKIT, *words, "--raw"], capture_output=True, check=True)
    assert raw.stdout == samples.tobytes()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_player_that_stops_listening_ends_the_take_quietly(trained: Path) -> None:
    words = ["generate", str(trained), "--prompt", "noise", "--seconds", "100000", "-o", "-"]
    process = subprocess.Popen([*LOFIKIT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    assert len(process.stdout.read(20_000)) == 20_000  # long before the take is done
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("verb", ["collect", "train", "generate"])
def test_a_full_disk_is_said_in_a_line_and_leaves_nothing_half_made(
    tmp_path: Path, music: Path, trained: Path, verb: str
) -> None:
    """A limit on the size of files stands for a full disk: writing fails at the same places."""
    words = {
        "collect": ["collect", str(music / "clips"), "-o", "new"],
        "train": ["train", str(music), *SMALL, "--model.order", "64", "-o", "new"],
        "generate": ["generate", str(trained), "--seconds", "60", "-o", "new.wav"],
    }[verb]
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))\n"
        "from lofikit.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert not list(tmp_path.rglob("*.flac"))
    for checkpoint in tmp_path.rglob("*.safetensors"):  # what is there is whole
        read_arrays(checkpoint)
    assert not list(tmp_path.rglob(".partial*"))
