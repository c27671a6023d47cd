"""``lofikit check``, and core as a plugin among others."""

import importlib
import sys
from pathlib import Path

import pytest

from lofikit.cli.main import run
from lofikit.plugins import registry
from lofikit.testing.plugins import PluginSuite


class TestCore(PluginSuite):
    distribution = "lofikit-core"


def test_a_component_that_is_right_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "mulaw", "--representation.levels", "64"]) == 0
    said = capsys.readouterr().out
    assert "round trip" in said and "listing is light" in said
    assert "failed" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["linaer"], "no component 'linaer'. Did you mean 'core/linear'?"),
        (["linear", "--kind", "source"], "no source 'linear'"),
        (["linear", "--model.ordre", "3"], "--model.ordre"),
        (["elsewhere/x"], "no component 'elsewhere/x'"),
    ],
)
def test_what_cannot_be_checked_is_told(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", *words]) in (1, 2)
    assert said in capsys.readouterr().err


def test_faults_are_told_and_one_name_of_two_kinds_needs_a_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lofikit_twice.py").write_text(
        "from lofikit.hookspecs import Component, hookimpl\n"
        "from lofikit.representations.raw import Raw\n"
        "class Wrong(Raw):\n"
        "    def encode(self, samples):\n"
        "        return super().encode(samples) * 0.5\n"
        "@hookimpl\n"
        "def lofikit_components():\n"
        "    return [Component(kind, 'twice/raw', 'Half as loud.', 'lofikit_twice:Wrong',\n"
        "            'lofikit.representations.raw:RawConfig') for kind in ('representation',\n"
        "            'separator')]\n"
    )
    info = tmp_path / "lofikit_twice-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lofikit-twice\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lofikit]\ntwice = lofikit_twice\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    importlib.invalidate_caches()
    registry.cache_clear()
    try:
        assert run(["check", "twice/raw"]) == 1
        assert "--kind" in capsys.readouterr().err
        assert run(["check", "twice/raw", "--kind", "representation"]) == 1
        said = capsys.readouterr().out
    finally:
        registry.cache_clear()
        sys.modules.pop("lofikit_twice", None)
    assert "failed: a clip of 1 samples comes back with an error" in said
    assert "failed: lofikit-twice does not require lofikit-core" in said
    assert "failed: lofikit_twice:Wrong is no class derived from lofikit.separators" in said
