"""Workers: what comes back, what is said when they die, and that none is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lofikit import isolation
from lofikit.errors import IsolationError, LofikitError, WorkerError
from lofikit.isolation import Worker, find_uv

pytestmark = pytest.mark.usefixtures("offline_uv")
DOCS = Path(__file__).parents[2] / "docs" / "isolation.md"

SCRIPT = '''\
# /// script
# requires-python = ">=3.8"
# dependencies = []
# ///
import os, pathlib, signal, sys, time
import lofikit_worker

print("a library that prints before all is ready")
base = 0

def start(base=0, fail=False):
    globals()["base"] = base
    if fail:
        raise RuntimeError("no weights in /nowhere")

def add(number):
    print("a library that prints", flush=True)
    os.write(1, b"and one in C\\n")
    return base + number

def fail(text):
    raise ValueError(text)

def unfit():
    return {1, 2}

def slowly(steps, pause):
    for step in range(steps):
        time.sleep(pause)
        lofikit_worker.progress(step + 1, steps)
    return os.getpid()

def die(until, code=None):
    """Dies while the file `until` has fewer than so many lines, and then answers."""
    path, lives = pathlib.Path(until[0]), until[1]
    with path.open("a") as file:
        file.write("x")
    if path.stat().st_size < lives:
        print("about to go", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL) if code is None else os._exit(code)
    return path.stat().st_size

def leave(name):
    (pathlib.Path(lofikit_worker.folder()) / name).write_text("here")

lofikit_worker.serve(add, fail, unfit, slowly, die, leave, start=start)
'''


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "tiny.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def worker(script: Path) -> Iterator[Worker]:
    with Worker(script, {"base": 40}) as made:
        yield made


def test_answers_come_back_whatever_libraries_print(worker: Worker) -> None:
    assert [worker.call("add", number=n) for n in range(3)] == [40, 41, 42]


def test_progress_is_told(worker: Worker) -> None:
    told: list[tuple[float, float]] = []
    worker.call("slowly", progress=lambda *at: told.append(at), steps=3, pause=0.01)
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_starting_is_shown(script: Path) -> None:
    shown: list[str] = []
    with Worker(script, show=shown.append) as worker:
        worker.start()
        assert worker.running
    assert "a library that prints before all is ready" in shown
    assert not worker.running


@pytest.mark.parametrize(
    ("job", "arguments", "said"),
    [
        ("fail", {"text": "the weights are odd"}, "ValueError: the weights are odd"),
        ("add", {"nomber": 1}, "nomber"),
        ("unfit", {}, "not JSON serializable"),
        ("multiply", {}, "no job 'multiply'"),
    ],
)
def test_a_failed_job_is_told_and_the_worker_lives(
    worker: Worker, job: str, arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(WorkerError, match=re.escape(said)):
        worker.call(job, **arguments)
    assert worker.call("add", number=2) == 42


def test_a_job_that_kills_its_worker_once_is_tried_again(worker: Worker, tmp_path: Path) -> None:
    assert worker.call("die", until=[str(tmp_path / "lives"), 2]) == 2
    assert worker.call("add", number=2) == 42, "a new worker gets the options again"


@pytest.mark.parametrize(("code", "said"), [(None, "killed by SIGKILL"), (3, "ended with code 3")])
def test_a_job_that_kills_its_worker_twice_fails_with_last_words(
    worker: Worker, tmp_path: Path, code: int | None, said: str
) -> None:
    lives = tmp_path / "lives"
    with pytest.raises(WorkerError, match=f"died twice: .*{said}.*about to go"):
        worker.call("die", until=[str(lives), 9], code=code)
    assert lives.stat().st_size == 2
    assert worker.call("add", number=2) == 42


def test_silence_ends_a_job_and_progress_does_not(worker: Worker) -> None:
    worker.call("slowly", limit=5.0, steps=1, pause=0.0)
    with pytest.raises(WorkerError, match=r"no sign of life for 0\.3 s"):
        worker.call("slowly", limit=0.3, steps=1, pause=60)
    worker.start()
    assert worker.call("slowly", limit=2.0, steps=8, pause=0.3)


def test_files_pass_through_the_folder_and_go_with_it(script: Path) -> None:
    with Worker(script) as worker:
        worker.call("leave", name="a.txt")
        folder = worker.folder
        assert (folder / "a.txt").read_text() == "here"
    assert not folder.exists()


def test_a_start_that_fails_says_why(script: Path) -> None:
    with (
        Worker(script, {"fail": True}, name="tiny") as worker,
        pytest.raises(IsolationError, match=r"tiny cannot start: RuntimeError: no weights"),
    ):
        worker.call("add", number=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('# /// script\n# dependencies = ["lofikit-no-such-package"]\n# ///\n', "no-such-package"),
        ("# /// script\n# dependencies = []\n# ///\nimport nothing_of_this_name\n", "_of_this_"),
        (
            "# /// script\n# dependencies = []\n# ///\nprint('{\"hello\": 0}', flush=True)\n",
            "proto",
        ),
    ],
)
def test_an_environment_or_script_that_does_not_work_is_told(
    tmp_path: Path, text: str, said: str
) -> None:
    script = tmp_path / "bad.py"
    script.write_text(text)
    with Worker(script) as worker, pytest.raises(IsolationError, match=said) as caught:
        worker.call("add", number=1)
    assert caught.value.hint


def test_without_uv_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(IsolationError) as caught:
        find_uv()
    assert "pip install uv" in caught.value.hint


def test_every_failure_is_an_error_for_the_user() -> None:
    assert issubclass(IsolationError, LofikitError)
    assert issubclass(WorkerError, LofikitError)


PARENT = """\
import signal
import sys
from pathlib import Path
from lofikit.isolation import Worker

# Ctrl-C is passed over by what a shell started in the background, as these tests may be.
signal.signal(signal.SIGINT, signal.default_int_handler)
with Worker(Path(sys.argv[1])) as worker:
    (worker.folder / "file").write_text("bulk")
    print(worker.folder, flush=True)
    worker.call("slowly", progress=lambda *at: print("busy", flush=True), steps=600, pause=0.1)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_parent(
    script: Path, number: int, processes_of: Callable[[Path], list[str]]
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    folder = Path(parent.stdout.readline().strip())
    assert parent.stdout.readline() == "busy\n"
    assert processes_of(folder), "uv and the script run"
    parent.send_signal(number)
    parent.wait(30)
    parent.stdout.close()
    end = time.monotonic() + 30
    while (processes_of(folder) or folder.exists()) and time.monotonic() < end:
        time.sleep(0.15)
    assert not processes_of(folder)
    assert not folder.exists()


@pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not beside the package")
def test_the_example_in_the_documentation_works(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    script, plugin = blocks[:2]
    (tmp_path / "loudness.py").write_text(script)
    (tmp_path / "plugin.py").write_text(plugin)
    check = textwrap.dedent(
        """
        import numpy as np
        from plugin import Loudness
        with Loudness() as loudness:
            assert loudness.rms(np.full(1000, 0.5, np.float32)) == 0.5
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_worker_module_runs_on_old_pythons() -> None:
    import ast

    source = Path(isolation.__file__).parent / "worker" / "lofikit_worker.py"
    ast.parse(source.read_text(), feature_version=(3, 8))
