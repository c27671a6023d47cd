"""A run: the folder that holds a training.

Layout::

    run/
        run.toml                  the whole configuration: repeats the run
        manifest.json             provenance: versions, and every clip with its licence
        metrics.jsonl             a line an epoch
        last.safetensors          the state that training goes on from
        best.safetensors          the weights with the lowest held-out loss
        representation.safetensors  what a trained representation learned
        auditions/                a short take at each checkpoint
"""

from __future__ import annotations

import json
import os
import platform
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import tomli_w
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from lofikit import __version__
from lofikit.chunks import DataConfig, Split
from lofikit.errors import PluginError, RunError
from lofikit.library import Clip
from lofikit.models.base import Model
from lofikit.options import Options, build, is_of_machine
from lofikit.plan import TrainingConfig
from lofikit.plugins import load_class, registry
from lofikit.representations.base import FrameSpec, Representation

FORMAT = 1


class ComponentConfig(Options):
    """A component by full name, with its options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class RunConfig(Options):
    """All that a training needs to be repeated."""

    format: int = FORMAT
    summary: str = ""
    library: str
    data: DataConfig = Field(default_factory=DataConfig)
    representation: ComponentConfig
    model: ComponentConfig
    training: TrainingConfig = Field(default_factory=TrainingConfig)


class Run:
    """A run on disk.

    Args:
        path: Its folder.
        config: Its configuration.
    """

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.config = config

    @classmethod
    def create(cls, path: Path, config: RunConfig) -> Self:
        """Makes the folder of a new run.

        Raises:
            RunError: If it is there already.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            if (path / "run.toml").is_file():
                raise RunError(
                    f"the run {path} exists already",
                    f"go on with it: lofikit train --resume -o {path}; or choose another -o",
                )
            raise RunError(f"{path} exists and is not a run", "choose another folder with -o")
        path.mkdir(parents=True, exist_ok=True)
        run = cls(path, config)
        write_atomically(path / "run.toml", tomli_w.dumps(to_toml(config)).encode())
        return run

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens a run.

        Raises:
            RunError: If it is not there or cannot be understood.
        """
        file = path / "run.toml"
        if not file.is_file():
            raise RunError(
                f"{path} is not a run (it has no run.toml)",
                f"make one: lofikit train LIBRARY --model torch/tcn -o {path}",
            )
        return cls(path, read_config(file))

    def replace_plan(self, training: TrainingConfig) -> None:
        """Writes another plan into the run's file, before training begins."""
        self.config = self.config.model_copy(update={"training": training})
        write_atomically(self.path / "run.toml", tomli_w.dumps(to_toml(self.config)).encode())

    # The components that the run was made with

    def representation(self) -> Representation:
        """Builds the run's representation, with what it has learned.

        Raises:
            RunError: If its plugin is not here.
        """
        found = self._component("representation", self.config.representation)
        representation: Representation = found(self.config.data.sample_rate)
        learned = self.path / "representation.safetensors"
        if learned.is_file():
            representation.load_state(read_arrays(learned)[0])
        return representation

    def model(self, spec: FrameSpec) -> Model:
        """Builds the run's model with new weights.

        Raises:
            RunError: If its plugin is not here.
        """
        model: Model = self._component("model", self.config.model)(spec, self.config.training.seed)
        return model

    def _component(self, kind: Any, chosen: ComponentConfig, elsewhere: bool = False) -> Any:
        try:
            component = registry().find(kind, chosen.name)
        except PluginError as error:
            made = self.manifest().get("components", {}).get(kind, {})
            by = " ".join(filter(None, [made.get("distribution"), made.get("version")]))
            raise RunError(
                f"the run {self.path} was made with {chosen.name}"
                + (f" of {by}" if by else "")
                + f", which is not available: {error.message}",
                error.hint,
            ) from error
        config_class = load_class(component.config)
        options = chosen.options
        if elsewhere:
            options = {k: v for k, v in options.items() if not is_of_machine(config_class, k)}
        config = build(config_class, options, prefix=kind)
        target = load_class(component.target)
        return lambda *arguments: target(config, *arguments)

    def version_warnings(self) -> list[str]:
        """Returns a line for each component whose package has another version than then."""
        lines = []
        for kind, made in self.manifest().get("components", {}).items():
            try:
                component = registry().find(kind, made["name"])
            except PluginError:
                continue  # building it explains more
            _, version = registry().distribution_of(component)
            if _series(version) != _series(made["version"]):
                lines.append(
                    f"the run {self.path} was made with {made['distribution']} {made['version']}, "
                    f"and this is {version}; if it fails: "
                    f"pip install {made['distribution']}=={made['version']}"
                )
        return lines

    # What it holds

    def manifest(self) -> dict[str, Any]:
        """Returns the run's provenance, or nothing if it has none yet."""
        file = self.path / "manifest.json"
        if not file.is_file():
            return {}
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def write_manifest(self, split: Split) -> None:
        """Records what made the run: versions, and clips with their licences."""
        components = {}
        for kind, name in (
            ("representation", self.config.representation.name),
            ("model", self.config.model.name),
        ):
            component = registry().find(kind, name)  # type: ignore[arg-type]
            distribution, version = registry().distribution_of(component)
            components[kind] = {"name": name, "distribution": distribution, "version": version}
        manifest = {
            "lofikit": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "components": components,
            "training_clips": [provenance(part.clip) for part in split.training],
            "held_out_clips": [provenance(part.clip) for part in split.held_out],
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        write_atomically(self.path / "manifest.json", text.encode())

    def metrics(self) -> list[dict[str, Any]]:
        """Returns the lines of metrics.jsonl, one an epoch."""
        file = self.path / "metrics.jsonl"
        if not file.is_file():
            return []
        whole = file.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def keep_metrics(self, step: int) -> None:
        """Drops lines after a step: training goes on from there and writes them again."""
        lines = [json.dumps(line) + "\n" for line in self.metrics() if line["step"] <= step]
        write_atomically(self.path / "metrics.jsonl", "".join(lines).encode())

    def add_metrics(self, line: dict[str, Any]) -> None:
        """Appends a line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def save(self, name: str, arrays: dict[str, NDArray[Any]], progress: dict[str, Any]) -> None:
        """Writes a checkpoint, ``last`` or ``best``, whole or not at all."""
        write_arrays(self.path / f"{name}.safetensors", arrays, {"progress": json.dumps(progress)})

    def load(self, name: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Reads a checkpoint.

        Raises:
            RunError: If there is none.
        """
        file = self.path / f"{name}.safetensors"
        if not file.is_file():
            raise RunError(
                f"the run {self.path} has no {name} weights yet",
                f"train it: lofikit train --resume -o {self.path}",
            )
        arrays, metadata = read_arrays(file)
        return arrays, json.loads(metadata.get("progress", "{}"))

    def trained_model(self, representation: Representation) -> Model:
        """Builds the run's model with its best weights, or the last where none are best.

        It need not run where it was trained: options of that machine (a GPU) are left out.
        """
        build_model = self._component("model", self.config.model, elsewhere=True)
        model: Model = build_model(representation.spec, self.config.training.seed)
        best = (self.path / "best.safetensors").is_file()
        arrays, _ = self.load("best" if best else "last")
        try:
            model.load_state({k: v for k, v in arrays.items() if k.startswith("weights/")})
        except (KeyError, ValueError, RunError) as error:
            why = error.message if isinstance(error, RunError) else error
            raise RunError(
                f"the weights of {self.path} do not fit {self.config.model.name} as it is now: "
                f"{why}",
                "the plugin has changed since: install the version that manifest.json names, "
                "or train again",
            ) from error
        return model


def read_config(file: Path) -> RunConfig:
    """Reads a run file.

    Raises:
        RunError: If it is not one.
    """
    try:
        return RunConfig.model_validate(read_toml(file))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{file}: {place}: {first['msg'].lower()}") from error


def read_toml(file: Path) -> dict[str, Any]:
    """Reads a TOML file.

    Raises:
        RunError: If it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{file} is not a TOML file: {error}") from error


def to_toml(config: Options) -> dict[str, Any]:
    """Returns a config as TOML can hold it: without what is none, which ``"none"`` stands for."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(item) for item in value]
        return "none" if value is None else value

    cleaned: dict[str, Any] = clean(config.model_dump())
    return cleaned


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, by way of a temporary name."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]], metadata: dict[str, str]) -> None:
    """Writes named arrays as safetensors, whole or not at all."""
    from safetensors.numpy import save_file

    partial = path.with_name(f".partial-{path.name}")
    try:
        # Not ascontiguousarray, which would give a scalar an axis.
        whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        try:
            save_file(whole, partial, metadata)
        except Exception as error:  # safetensors raises its own error for a full disk
            raise RunError(
                f"cannot write {path}: {error}", "is the disk full? free some, then use --resume"
            ) from error
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Reads named arrays and their metadata.

    Raises:
        RunError: If the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is damaged: {error}") from error


def provenance(clip: Clip) -> dict[str, Any]:
    """Returns what a manifest says of a clip."""
    names = ("id", "title", "artist", "licence", "origin", "sha256")
    return {name: getattr(clip, name) for name in names}


def _series(version: str) -> tuple[str, ...]:
    """Returns the part of a version within which runs stay readable: 0.N, later N."""
    parts = version.split(".")
    return tuple(parts[:2]) if parts[0] == "0" else tuple(parts[:1])
