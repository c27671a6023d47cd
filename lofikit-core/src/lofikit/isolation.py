"""Workers: scripts that run in an environment of their own, for libraries that suit no other.

A plugin whose dependencies clash with everyone's puts what needs them into a script with inline
metadata (PEP 723) and talks to it through a :class:`Worker`: ``uv run --script`` makes the
environment, jobs and answers are JSON lines over pipes, and bulk data goes through files in
:attr:`Worker.folder`. docs/isolation.md shows a whole plugin's worth.

A worker never outlives the process that started it: it ends when its pipe closes, which the
system does for a process however it dies.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lofikit.errors import IsolationError, WorkerError
from lofikit.worker.lofikit_worker import FOLDER, PROTOCOL

START_SECONDS = 3600.0
"""Time for the first start, in which an environment may have to be downloaded."""
JOB_SECONDS = 600.0
"""Time in which a job must give an answer or a sign of progress."""
CLOSE_SECONDS = 5.0
"""Time that an idle worker has to end by itself."""

_WORDS = 40  # lines of standard error that are kept
_SAID = 4  # of which so many are quoted
_RULES = " \n\r\t\u00d7\u2502\u2570\u2500\u25b6\u251c"  # the lines that uv draws beside its words
_DROPPED = ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "VIRTUAL_ENV", "UV_PROJECT")
# Linux kills uv with its parent, so that no download goes on for nobody (prctl(2)).
_LAUNCHER = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

Progress = Callable[[float, float], None]
"""Called with how much of a job is done, and its total."""
Message = dict[str, Any]


def find_uv() -> str:
    """Returns the path of the ``uv`` program: that of the PyPI package, or one on ``PATH``.

    Raises:
        IsolationError: If there is none.
    """
    with contextlib.suppress(ImportError, FileNotFoundError):
        return str(importlib.import_module("uv").find_uv_bin())
    found = shutil.which("uv")
    if found is None:
        raise IsolationError(
            "uv is not installed, and an environment cannot be made without it",
            "install it: pip install uv",
        )
    return found


class Worker:
    """A script in an environment of its own, that does one job after the other.

    It starts at the first job, or before by :meth:`start`. If it dies during a job it is started
    again and the job is tried once more; a job that kills it twice fails, and the next one gets
    a fresh worker.

    Args:
        script: The PEP 723 script; it ends in ``lofikit_worker.serve``.
        options: Keyword arguments of the script's ``start`` function.
        name: What the worker is called in messages.
        show: Called with each line that uv and the script print while the worker starts.
        start_seconds: Time limit of a start.
        job_seconds: How long a job may go on without an answer or a sign of progress.
    """

    def __init__(
        self,
        script: Path,
        options: Mapping[str, Any] | None = None,
        *,
        name: str = "",
        show: Callable[[str], None] = lambda line: None,
        start_seconds: float = START_SECONDS,
        job_seconds: float = JOB_SECONDS,
    ) -> None:
        self._script = script
        self._options = dict(options or {})
        self._name = name or script.stem
        self._show = show
        self._start_seconds = start_seconds
        self._job_seconds = job_seconds
        self._process: _Process | None = None
        self._proven = False  # it has started before, so that its environment is as it should be
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    @property
    def folder(self) -> Path:
        """A folder for files that are passed to and fro; removed by :meth:`close`."""
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(
                prefix=f"lofikit-{self._name}-", ignore_cleanup_errors=True
            )
        return Path(self._scratch.name)

    @property
    def running(self) -> bool:
        """Whether there is a live worker now."""
        return self._process is not None and self._process.alive

    def start(self) -> None:
        """Makes the environment and starts the script in it, if it does not run.

        Returns when the script is there; its ``start`` function goes on meanwhile, and the first
        job waits for it.

        Raises:
            IsolationError: If uv is missing, the environment cannot be made, or the script does
                not answer as a worker.
        """
        if self._process is None:
            process = _Process(self._script, self.folder, self._show)
            try:
                self._greet(process)
            except BaseException:
                process.kill()
                raise
            self._process = process

    def call(
        self,
        job: str,
        *,
        progress: Progress = lambda done, total: None,
        limit: float | None = None,
        **arguments: Any,
    ) -> Any:
        """Does a job and returns its result.

        Args:
            job: The name of one of the script's functions.
            progress: Called as the job tells how far it is.
            limit: How long it may go on without a sign of life, in seconds.
            **arguments: The function's keyword arguments, as JSON takes them.

        Raises:
            IsolationError: If the worker cannot be started.
            WorkerError: If the job fails, is silent for longer than its limit, or kills the
                worker twice.
        """
        message = {"job": job, "arguments": arguments}
        seconds = self._job_seconds if limit is None else limit
        try:
            try:
                return self._ask(message, seconds, progress)
            except _DiedError:
                self._end()
                return self._ask(message, seconds, progress)
        except _RefusedError as refusal:
            raise WorkerError(f"{self._name}: {refusal}") from None
        except _DiedError as death:
            self._end()
            raise WorkerError(f"{self._name} died twice: {death}") from None
        except _SilentError as silence:
            self._end()
            raise WorkerError(
                f"{self._name} gave no sign of life for {seconds:g} s and was stopped{silence}"
            ) from None
        except BaseException:
            self._end()  # an answer that nobody waits for must not meet the next job
            raise

    def close(self) -> None:
        """Ends the worker and removes its folder."""
        process, self._process = self._process, None
        if process is not None:
            process.close()
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _greet(self, process: _Process) -> None:
        command = f"uv run --script {self._script}"
        try:
            hello = process.receive(self._start_seconds)
            while "hello" not in hello:  # what the script printed before serve()
                hello = process.receive(self._start_seconds)
        except _DiedError as death:
            raise IsolationError(
                f"the environment of {self._name} cannot be made or its script does not run: "
                f"{death}",
                f"the first start needs a network; see it all: {command}",
            ) from None
        except _SilentError as silence:
            raise IsolationError(
                f"{self._name} has not started in {self._start_seconds:g} s{silence}",
                f"see where it hangs: {command}",
            ) from None
        if hello["hello"] != PROTOCOL:
            raise IsolationError(
                f"{self._name} speaks version {hello['hello']} of the worker's protocol, and this "
                f"lofikit speaks {PROTOCOL}",
                "upgrade both: pip install --upgrade lofikit-core and the plugin",
            )
        process.send({"options": self._options})

    def _ask(self, message: Message, seconds: float, progress: Progress) -> Any:
        try:
            process = self._ready()
        except IsolationError as error:
            if self._proven:  # killed, and not unable to start
                raise _DiedError(error.message) from None
            raise
        return process.ask(message, "result", seconds, progress)

    def _ready(self) -> _Process:
        self.start()
        process = self._process
        assert process is not None
        if not process.ready:
            try:
                process.wait_for("ready", self._start_seconds, lambda done, total: None)
            except (_DiedError, _RefusedError, _SilentError) as error:
                self._end()
                raise IsolationError(
                    f"{self._name} cannot start: {error or 'no answer'}",
                    f"see it all: uv run --script {self._script}",
                ) from None
            process.ready = self._proven = True
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()


class _DiedError(Exception):
    """The worker's process ended; says how, and its last words."""


class _SilentError(Exception):
    """No message came in time."""


class _RefusedError(Exception):
    """The script's function raised; says what."""


class _Process:
    """One life of a worker."""

    def __init__(self, script: Path, folder: Path, show: Callable[[str], None]) -> None:
        self.ready = False
        self._busy = True
        self._show = show
        self._words: deque[str] = deque(maxlen=_WORDS)
        self._inbox: queue.Queue[Message | None] = queue.Queue()
        command = [find_uv(), "run", "--no-project", "--script", str(script.resolve())]
        # The signal comes when the starting thread ends, so that only the main one will do.
        if sys.platform == "linux" and threading.current_thread() is threading.main_thread():
            command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]
        # A process group of its own: a Ctrl-C is for lofikit, and a kill takes uv and script.
        group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(folder),
            cwd=folder,  # so that no project or configuration of the user's folder has a say
            encoding="utf-8",
            errors="replace",
            **group,
        )
        self._readers = [
            threading.Thread(target=self._read_messages, daemon=True),
            threading.Thread(target=self._read_words, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def send(self, message: Message) -> None:
        assert self._popen.stdin is not None
        self._busy = True
        # If the worker is dead, reading its answer will tell, with its last words.
        with contextlib.suppress(OSError):
            self._popen.stdin.write(json.dumps(message) + "\n")
            self._popen.stdin.flush()

    def ask(self, message: Message, word: str, seconds: float, progress: Progress) -> Any:
        self.send(message)
        return self.wait_for(word, seconds, progress)

    def wait_for(self, word: str, seconds: float, progress: Progress) -> Any:
        while True:
            message = self.receive(seconds)
            if "progress" in message:
                progress(*message["progress"])
            elif word in message or "error" in message:
                self._busy = False
                if word in message:
                    return message[word]
                kind = message.get("type", "")
                raise _RefusedError(": ".join(part for part in (kind, message["error"]) if part))

    def receive(self, seconds: float) -> Message:
        end = time.monotonic() + seconds
        while True:
            try:
                message = self._inbox.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                said = self._last_words()
                raise _SilentError(f"; it last said: {said}" if said else "") from None
            if message is None:
                raise _DiedError(self._death())
            return message

    def close(self) -> None:
        """Lets an idle worker end by itself; a busy one is killed."""
        if not self._busy:
            assert self._popen.stdin is not None
            with contextlib.suppress(OSError):
                self._popen.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(CLOSE_SECONDS)
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._popen.pid, signal.SIGKILL)
            else:
                self._popen.kill()
        self._popen.wait()
        for reader in self._readers:
            reader.join(CLOSE_SECONDS)
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def _read_messages(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if isinstance(message, dict):
                self._inbox.put(message)
            else:
                self._hear(line)
        self._inbox.put(None)

    def _read_words(self) -> None:
        assert self._popen.stderr is not None
        for line in self._popen.stderr:
            self._hear(line)

    def _hear(self, line: str) -> None:
        line = re.sub(r"\x1b\[[0-9;]*m", "", line).strip(_RULES)
        if line:
            self._words.append(line)
            if not self.ready:
                self._show(line)

    def _last_words(self) -> str:
        return " / ".join(list(self._words)[-_SAID:])

    def _death(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(CLOSE_SECONDS)
        self._readers[1].join(CLOSE_SECONDS)
        said = self._last_words()
        return _ending(self._popen.poll()) + (f"; its last words: {said}" if said else "")


def _environment(folder: Path) -> dict[str, str]:
    """Returns the worker's environment variables: the user's, less what is about this Python."""
    kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    return kept | {
        "PYTHONPATH": str(Path(__file__).parent / "worker"),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        FOLDER: str(folder),
    }


def _ending(code: int | None) -> str:
    number = 0 if code is None else -code if code < 0 else code - 128
    if number > 0:  # uv reports a signal of the script as shells do
        with contextlib.suppress(ValueError):
            named = signal.Signals(number).name
            memory = ", perhaps for want of memory" if named == "SIGKILL" else ""
            return f"killed by {named}{memory}"
    return f"it ended with code {code}"
