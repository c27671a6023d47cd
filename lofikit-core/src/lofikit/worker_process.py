"""A worker's process: started by uv in its environment, spoken to in JSON lines, and killed."""

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
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lofikit.errors import IsolationError
from lofikit.worker.lofikit_worker import FOLDER

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


class DiedError(Exception):
    """The worker's process ended; says how, and its last words."""


class SilentError(Exception):
    """No message came in time."""


class RefusedError(Exception):
    """The script's function raised; says what."""


class WorkerProcess:
    """One life of a worker.

    Args:
        script: The PEP 723 script.
        folder: Where it runs, and files are passed to and fro.
        show: Called with each line that uv and the script print until it is ready.

    Attributes:
        ready: Whether the script has said that its start is done.

    Raises:
        IsolationError: If there is no uv.
    """

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
        """Whether the process runs."""
        return self._popen.poll() is None

    def send(self, message: Message) -> None:
        """Sends a message; a dead worker shows when its answer is read."""
        assert self._popen.stdin is not None
        self._busy = True
        # If the worker is dead, reading its answer will tell, with its last words.
        with contextlib.suppress(OSError):
            self._popen.stdin.write(json.dumps(message) + "\n")
            self._popen.stdin.flush()

    def ask(self, message: Message, word: str, seconds: float, progress: Progress) -> Any:
        """Sends a message and waits for its answer; see :meth:`wait_for`."""
        self.send(message)
        return self.wait_for(word, seconds, progress)

    def wait_for(self, word: str, seconds: float, progress: Progress) -> Any:
        """Returns what a message holds under a word, once one does.

        Args:
            word: What is waited for.
            seconds: How long no message at all may come.
            progress: Called with what is done and its total, as messages tell it.

        Raises:
            RefusedError: If the script says that it failed.
            DiedError: If the process ends.
            SilentError: If no message comes in time.
        """
        while True:
            message = self.receive(seconds)
            if "progress" in message:
                progress(*message["progress"])
            elif word in message or "error" in message:
                self._busy = False
                if word in message:
                    return message[word]
                kind = message.get("type", "")
                raise RefusedError(": ".join(part for part in (kind, message["error"]) if part))

    def receive(self, seconds: float) -> Message:
        """Returns the next message; raises as :meth:`wait_for` does."""
        end = time.monotonic() + seconds
        while True:
            try:
                message = self._inbox.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                said = self._last_words()
                raise SilentError(f"; it last said: {said}" if said else "") from None
            if message is None:
                raise DiedError(self._death())
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
        """Ends the process and all that it started, and waits until they are gone."""
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
