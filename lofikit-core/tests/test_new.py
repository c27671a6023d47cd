"""``lofikit new``: what it writes is a plugin that passes every check."""

import importlib
import os
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lofikit.cli.main import run
from lofikit.hookspecs import KINDS, Kind
from lofikit.plugins import registry
from lofikit.testing.running import checks_of, run_check

SMALL = {
    "source": {"clips": 2, "seconds": 1.0},
    "separator": {},
    "representation": {},
    "model": {"window": 32},
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves packages of the working folder as an editable installation does."""
    monkeypatch.chdir(tmp_path)
    yield
    registry.cache_clear()
    for name in [n for n in sys.modules if n.startswith("lofikit_try_")]:
        del sys.modules[name]


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / "src" / f"{project['name'].replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {text}\n" for text in project["dependencies"])
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n{requires}"
    )
    points = project["entry-points"]["lofikit"].items()
    (info / "entry_points.txt").write_text(
        "[lofikit]\n" + "".join(f"{name} = {module}\n" for name, module in points)
    )
    monkeypatch.syspath_prepend(str(folder / "src"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "src"), *sys.path]))
    importlib.invalidate_caches()
    registry.cache_clear()


@pytest.mark.usefixtures("install")
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_passes_its_checks(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"try-{kind}/net-2"
    assert run(["new", kind, name]) == 0
    folder = tmp_path / f"lofikit-try-{kind}"
    put_on_path(folder, monkeypatch)
    checks = checks_of(registry().find(kind, name), SMALL[kind])
    outcomes = [run_check(check) for check in checks]
    assert {o.check: o.fault for o in outcomes if o.fault} == {}
    for file in (f for f in folder.rglob("*") if f.suffix in (".py", ".md", ".toml")):
        for word in ("PACKAGE", "NAME", "KIND", "SUMMARY", "USAGE", "CORE", "LIMIT"):
            assert word not in file.read_text(), file
    assert f"class TestNet2({kind.capitalize()}Suite)" in "".join(
        file.read_text() for file in (folder / "tests").iterdir()
    )


@pytest.mark.usefixtures("install")
def test_a_new_model_trains_and_plays(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["new", "model", "try-it", "-o", "here"]) == 0
    put_on_path(tmp_path / "here", monkeypatch)
    plan = ["--epochs", "2", "--steps", "5", "--audition", "0"]
    assert run(["train", str(music), "--model", "try-it", *plan, "-o", "run"]) == 0
    assert run(["generate", "run", "--seconds", "1", "-o", "take.wav"]) == 0


@pytest.mark.usefixtures("install")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My/Net", "lower-case letters"),
        ("net/", "lower-case letters"),
        ("../net", "lower-case letters"),
        ("a/b/c", "lower-case letters"),
        ("a--b", "single dashes"),
        ("core/net", "name of another plugin"),
        ("spleeter/net", "name of another plugin"),
        ("mine/none", "word of Python"),
        ("mine/stream", "would hide"),
    ],
)
def test_names_that_cannot_be_are_refused(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new", "model", name]) == 1
    assert said in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("install")
def test_a_folder_that_exists_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lofikit-mine").mkdir()
    assert run(["new", "source", "mine"]) == 1
    assert "lofikit-mine exists already" in capsys.readouterr().err
    assert not any((tmp_path / "lofikit-mine").iterdir())
