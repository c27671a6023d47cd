"""The README's example of a plugin is true: it installs, trains and plays."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from lofikit.cli.main import run
from lofikit.plugins import registry

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert code
    (tmp_path / "lofikit_echo.py").write_text(code[1])
    info = tmp_path / "lofikit_echo-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lofikit-echo\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[lofikit]\necho = lofikit_echo\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.cache_clear()
    yield
    registry.cache_clear()
    sys.modules.pop("lofikit_echo", None)


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("representation", ["raw", "mulaw"])
def test_the_plugin_of_the_readme_trains_and_plays(
    tmp_path: Path, music: Path, representation: str
) -> None:
    where = str(tmp_path / "run")
    words = ["--representation", representation, "--epochs", "1", "--steps", "2"]
    assert run(["train", str(music), "--model", "echo/last", *words, "-o", where]) == 0
    take = str(tmp_path / "take.wav")
    assert run(["generate", where, "--seconds", "0.5", "-o", take]) == 0
    assert np.isfinite(np.fromfile(take, np.int16)).all()
    assert run(["evaluate", where, "--quick", "--seconds", "1"]) == 0


def test_the_commands_stand_alone_in_the_first_two_blocks() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    assert blocks[0].rstrip().endswith("lofikit demo")
    assert blocks[1].rstrip().endswith("nox")
