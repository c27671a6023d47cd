"""The worker's side of ``lofikit.isolation``: answers jobs over standard input and output.

A script that runs in an environment of its own imports this module, which needs nothing but the
standard library of Python 3.8 or later, and ends in :func:`serve`. ``lofikit.isolation.Worker``
puts the module on the script's path; nothing of lofikit is installed in the environment.

Messages are JSON objects, one a line (docs/isolation.md lists them).
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import sys
import threading
import time
import traceback
from typing import Any, Callable, TextIO  # noqa: UP035 (for Python 3.8)

PROTOCOL = 1
"""Version of the messages; both sides must speak the same."""
FOLDER = "LOFIKIT_WORKER_FOLDER"
"""Environment variable that names the folder through which files are passed."""
GRACE = 2.0
"""Seconds that the script has to end by itself once lofikit is gone."""

_output: TextIO | None = None
_lock = threading.Lock()


def folder() -> str:
    """Returns the folder through which files are passed; lofikit removes it at the end."""
    return os.environ[FOLDER]


def progress(done: float, total: float) -> None:
    """Tells how far the present job is; it also shows that the worker lives."""
    _send({"progress": [done, total]})


def serve(*jobs: Callable[..., Any], start: Callable[..., Any] | None = None) -> None:
    """Answers jobs until lofikit closes the pipe or is gone, however it ended.

    Standard output becomes standard error for the script and all libraries, so that what they
    print cannot get between the messages.

    Args:
        *jobs: The functions that may be called, by their names; arguments and results are JSON.
        start: Called once with the worker's options before any job; what it raises ends the
            worker with a clear message. Import and load here what is heavy.
    """
    global _output
    source = os.fdopen(os.dup(0), "r", encoding="utf-8")
    _output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    table = {job.__name__: job for job in jobs}
    _send({"hello": PROTOCOL, "python": sys.version.split()[0], "jobs": sorted(table)})
    inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_listen, args=(source, inbox), daemon=True).start()
    begun = start is None
    while True:
        message = inbox.get()
        if message is None:
            _tidy()
            return
        if "options" in message:
            begun = _answer(start or dict, message["options"], "ready")
        elif not begun:
            _send({"error": "the worker has not been started"})
        elif message.get("job") in table:
            _answer(table[message["job"]], message.get("arguments", {}), "result")
        else:
            _send({"error": f"there is no job {message.get('job')!r} (have: {sorted(table)})"})


def _listen(source: TextIO, inbox: queue.Queue[dict[str, Any] | None]) -> None:
    """Takes in messages; the end of the pipe is the end of the worker, busy or not."""
    for line in source:
        inbox.put(json.loads(line))
    inbox.put(None)
    time.sleep(GRACE)
    _leave()


def _leave() -> None:
    """Ends a worker whose lofikit was killed, in the middle of a job that nobody waits for."""
    _tidy()
    os._exit(1)


def _tidy() -> None:
    shutil.rmtree(os.environ.get(FOLDER, ""), ignore_errors=True)


def _answer(function: Callable[..., Any], arguments: dict[str, Any], word: str) -> bool:
    try:
        result = function(**arguments)
        # What cannot be written as JSON is the script's mistake, and is told as such.
        json.dumps(result)
    except Exception as error:
        traceback.print_exc()
        _send({"error": " ".join(str(error).split()), "type": type(error).__name__})
        return False
    _send({word: result})
    return True


def _send(message: dict[str, Any]) -> None:
    if _output is None:
        return
    line = json.dumps(message) + "\n"
    try:
        with _lock:
            _output.write(line)
            _output.flush()
    except OSError:
        _leave()
