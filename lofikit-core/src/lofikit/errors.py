"""What can go wrong, in words a user can act on.

Every error that lofikit raises on purpose is a :class:`LofikitError`: one line that says what
failed and why, and a hint that says what to type next. The command line prints these two lines
and no traceback (unless ``--debug`` is given); anything else that escapes is a bug in lofikit or
in a plugin.
"""

from __future__ import annotations


class LofikitError(Exception):
    """Base of all errors meant for the user.

    Args:
        message: What failed and why, in one line.
        hint: The next thing to do, as a command where there is one.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class AudioError(LofikitError):
    """A file that cannot be read or written as audio."""


class LibraryError(LofikitError):
    """A library that is missing, empty or damaged, or lacks the stem asked for."""


class SourceError(LofikitError):
    """A source that cannot be reached, refuses, or lacks what it needs to begin."""


class PluginError(LofikitError):
    """A plugin that cannot be loaded, or a component that no plugin offers."""


class OptionError(LofikitError):
    """An option that does not exist, or a value that it does not take."""


class UnsupportedSpecError(LofikitError):
    """A model that cannot take the frames of a representation; raised when the model is built."""


class RepresentationError(LofikitError):
    """A representation that is used before it has learned, or given what it did not learn."""


class RunError(LofikitError):
    """A run folder that is missing, damaged, or made by a plugin that is not here."""


class PromptError(LofikitError):
    """A prompt that cannot prime the model, for example one shorter than its context."""


class OutputError(LofikitError):
    """An output that exists already, cannot be written, or has a format that is not known."""


class IsolationError(LofikitError):
    """An environment or a worker that cannot be started, so that no job can be done at all."""


class WorkerError(LofikitError):
    """A job that failed in a worker, or killed it."""
