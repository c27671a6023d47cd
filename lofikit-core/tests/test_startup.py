"""The command line starts at once: nothing heavy is imported before it is asked for."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "tensorflow", "keras", "librosa", "numba", "matplotlib", "scipy"}


@pytest.mark.parametrize("words", [["--help"], ["plugins"], ["train", "--help"], ["--version"]])
def test_nothing_heavy_is_imported(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from lofikit.cli.main import run\n"
        f"code = run({words!r})\n"
        "print('MODULES', *sys.modules)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.rpartition("MODULES")[2].split())
    assert not modules & HEAVY
    if words == ["--help"]:
        assert not modules & {"numpy", "pydantic"}
