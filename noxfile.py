"""What is checked: core alone, each plugin alone with core, all together, style and types.

``nox`` runs the default sessions, ``nox -l`` lists them all. An interpreter that is not on the
machine is skipped with a word. Environments are made by uv, since there are many; but torch is
pinned and installed first and by pip, so that where a build without CUDA is at hand (a local
wheel, an index of one's own) no gigabytes of CUDA come along.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "core", "plugin", "together"]

PYTHONS = ["3.11", "3.12", "3.13"]
PYTHON = "3.11"
TORCH = "torch==2.13.0"
PLUGINS = ["torch", "keras", "spotify", "spleeter", "archive"]
WITH_PIP = ["--seed"]
FAST = ["-m", "not slow"]  # what is slow is run once, by core on the first Python
# Two workers share two cores: threads of theirs would only wait for each other.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def install(session: nox.Session, *plugins: str) -> None:
    """Installs core with its test tools and some plugins, from this checkout."""
    if "torch" in plugins:
        session.run("python", "-m", "pip", "install", "-q", TORCH)
    session.install("-e", "./lofikit-core[test]", *(f"./lofikit-{plugin}" for plugin in plugins))


def pytest(session: nox.Session, *paths: str) -> None:
    """Runs the tests at some paths, with what stands after ``--``."""
    # The same examples each time; new ones are looked for where somebody sees what they find.
    same = ["--hypothesis-profile", "ci"]
    words = ["-n", "2", "--dist", "loadfile", *same, *paths, *session.posargs]
    session.run("pytest", "-q", *words, env=ENVIRONMENT)


@nox.session(python=PYTHONS)
def core(session: nox.Session) -> None:
    """Core alone, against its own tests."""
    install(session)
    pytest(session, "lofikit-core/tests", *([] if session.python == PYTHON else FAST))


@nox.session(python=PYTHON, venv_params=WITH_PIP)
@nox.parametrize("plugin", PLUGINS)
def plugin(session: nox.Session, plugin: str) -> None:
    """One plugin alone with core, against the plugin's tests."""
    install(session, plugin)
    pytest(session, f"lofikit-{plugin}/tests")


@nox.session(python=PYTHON, venv_params=WITH_PIP)
def together(session: nox.Session) -> None:
    """All plugins together, against core's tests and those that need several packages."""
    install(session, *PLUGINS)
    pytest(session, "lofikit-core/tests", "tests", *FAST)
    pytest(session, "lofikit-spleeter/tests/test_pipeline.py")


@nox.session(python=PYTHON)
def docs(session: nox.Session) -> None:
    """The documentation as a site, with warnings as errors: docs/_build/html."""
    install(session)
    # The pages list the options of every package, and those need no backend.
    session.install("--no-deps", *(f"./lofikit-{plugin}" for plugin in PLUGINS))
    session.install("furo", "myst-parser", "sphinx")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "docs/_build/html")


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """Style, by ruff."""
    session.install("ruff==0.17.*")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=PYTHON)
def types(session: nox.Session) -> None:
    """Types of all packages but spleeter's, whose worker has a Python of its own."""
    install(session, "archive", "spotify")
    session.install("mypy")
    session.run("mypy")


@nox.session(python=PYTHON, venv_params=WITH_PIP)
def bench(session: nox.Session) -> None:
    """Speed, as ratios against peers measured in the same run; takes long, and a quiet machine."""
    install(session, "torch", "keras")
    session.install("pytorch-tcn", "--no-deps")
    for name in session.posargs or ["generation", "training", "preparation"]:
        session.run("python", f"benchmarks/{name}.py")


@nox.session(python=PYTHON)
def new(session: nox.Session) -> None:
    """A new plugin of each kind, as its author makes it: written, installed, tested and used."""
    install(session)
    folder = emptied(session)
    for kind in ("source", "separator", "representation", "model"):
        package = folder / f"lofikit-new-{kind}"
        session.run("lofikit", "new", kind, f"new-{kind}/thing", "-o", str(package))
        session.install("--reinstall", "--no-deps", str(package))
        with session.chdir(package):
            session.run("pytest", "-q", env=ENVIRONMENT)
    plan = ["--epochs", "1", "--steps", "5", "--audition", "0"]
    with session.chdir(folder):
        for words in (
            ["collect", "new-source/thing", "--source.seconds", "4", "-o", "library"],
            ["separate", "library", "--separator", "new-separator/thing"],
            ["train", "library", "--model", "new-model/thing", *plan, "-o", "run"],
            ["generate", "run", "--seconds", "1", "-o", "take.wav"],
            ["train", "library", "--stem", "thing/low", "--model", "linear", *plan,
             "--representation", "new-representation/thing", "-o", "low"],
            ["generate", "low", "--seconds", "1", "-o", "low.wav"],
        ):  # fmt: skip
            session.run("lofikit", *words, env=ENVIRONMENT)


@nox.session(python=PYTHON, venv_params=WITH_PIP)
def examples(session: nox.Session) -> None:
    """The examples: the plugins' tests, and the paper's experiments at a small size."""
    install(session, "torch")
    for example in ("lofikit-markov", "isolated"):
        session.install("-e", f"./examples/{example}")
        with session.chdir(f"examples/{example}"):
            session.run("pytest", "-q", env=ENVIRONMENT)
    paper = emptied(session) / "paper"
    session.run("python", "examples/paper.py", "--small", "-o", str(paper), env=ENVIRONMENT)


@nox.session(python=PYTHON, venv_params=WITH_PIP)
def matrix(session: nox.Session) -> None:
    """Every representation with every model, trained, resumed and played: docs/matrix.md."""
    install(session, "torch", "keras")
    session.install("-e", "./examples/lofikit-markov")
    session.run("python", "tests/matrix.py", "docs/matrix.md", env=ENVIRONMENT)


def emptied(session: nox.Session) -> Path:
    """Returns an empty folder for what a session makes."""
    folder = Path(session.create_tmp()).resolve() / "made"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
