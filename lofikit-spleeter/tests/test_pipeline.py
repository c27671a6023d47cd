"""Every package in one pipeline: stems by spleeter, models of two backends, and a band of them."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from lofikit.audio import read
from lofikit.cli.main import run as lofikit
from lofikit.library import Library

BACKENDS = ("torch", "keras")
MISSING = [name for name in BACKENDS if importlib.util.find_spec(f"lofikit_{name}") is None]

SMALL = [
    *("--steps", "20", "--audition", "0"),
    *("--model.filters", "8", "--model.dilations", "1,2,4", "--model.window", "64"),
]
BAND = """
seconds = 1
prompt_seconds = 2

[[part]]
run = "drums"
gain = -3

[[part]]
run = "accompaniment"
"""


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_stems_of_spleeter_models_of_torch_and_keras_and_a_band_of_both(
    tmp_path: Path, music: Path, genuine: Path
) -> None:
    library = tmp_path / "library"
    shutil.copytree(music, library)
    spleeter = ["--separator.stems", "2", "--separator.weights", str(genuine)]
    assert lofikit(["separate", str(library), "--separator", "spleeter", *spleeter]) == 0
    assert lofikit(["separate", str(library), "--separator", "hpss"]) == 0
    stems = Library(library).stem_names()
    assert stems["spleeter/vocals"] == stems["spleeter/accompaniment"] == 5
    assert lofikit(["separate", str(library), "--separator", "spleeter", *spleeter]) == 0
    for part, stem, model in (
        ("drums", "hpss/percussive", "torch/tcn"),
        ("accompaniment", "spleeter/accompaniment", "keras/tcn"),
    ):
        words = ["--stem", stem, "--skip-silence", "-60", "--model", model, *SMALL]
        assert lofikit(["train", str(library), *words, "-o", str(tmp_path / part)]) == 0
    (tmp_path / "band.toml").write_text(BAND)
    words = ["-o", str(tmp_path / "mix.wav"), "--parts", str(tmp_path / "parts")]
    assert lofikit(["band", str(tmp_path / "band.toml"), *words]) == 0
    mix = read(tmp_path / "mix.wav")
    assert mix.seconds == pytest.approx(3, abs=0.1)
    for part in ("drums", "accompaniment"):
        assert read(tmp_path / "parts" / f"{part}.wav").samples.shape == mix.samples.shape
