"""Workers: scripts that run in an environment of their own, for libraries that suit no other.

A plugin whose dependencies clash with everyone's puts what needs them into a script with inline
metadata (PEP 723) and talks to it through a :class:`Worker`: ``uv run --script`` makes the
environment, jobs and answers are JSON lines over pipes, and bulk data goes through files in
:attr:`Worker.folder`. docs/isolation.md shows a whole plugin's worth.

A worker never outlives the process that started it: it ends when its pipe closes, which the
system does for a process however it dies.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lofikit.errors import IsolationError, WorkerError
from lofikit.worker.lofikit_worker import PROTOCOL
from lofikit.worker_process import (
    DiedError,
    Message,
    Progress,
    RefusedError,
    SilentError,
    WorkerProcess,
    find_uv,
)

__all__ = ["Worker", "find_uv"]

START_SECONDS = 3600.0
"""Time for the first start, in which an environment may have to be downloaded."""
JOB_SECONDS = 600.0
"""Time in which a job must give an answer or a sign of progress."""


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
        self._process: WorkerProcess | None = None
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
            process = WorkerProcess(self._script, self.folder, self._show)
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
            except DiedError:
                self._end()
                return self._ask(message, seconds, progress)
        except RefusedError as refusal:
            raise WorkerError(f"{self._name}: {refusal}") from None
        except DiedError as death:
            self._end()
            raise WorkerError(f"{self._name} died twice: {death}") from None
        except SilentError as silence:
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

    def _greet(self, process: WorkerProcess) -> None:
        command = f"uv run --script {self._script}"
        try:
            hello = process.receive(self._start_seconds)
            while "hello" not in hello:  # what the script printed before serve()
                hello = process.receive(self._start_seconds)
        except DiedError as death:
            raise IsolationError(
                f"the environment of {self._name} cannot be made or its script does not run: "
                f"{death}",
                f"the first start needs a network; see it all: {command}",
            ) from None
        except SilentError as silence:
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
                raise DiedError(error.message) from None
            raise
        return process.ask(message, "result", seconds, progress)

    def _ready(self) -> WorkerProcess:
        self.start()
        process = self._process
        assert process is not None
        if not process.ready:
            try:
                process.wait_for("ready", self._start_seconds, lambda done, total: None)
            except (DiedError, RefusedError, SilentError) as error:
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
