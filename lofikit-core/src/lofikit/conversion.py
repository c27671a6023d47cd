"""Taking a trained run to another backend: weights have one naming for all (models/layers.py)."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from lofikit.errors import LofikitError, OptionError, RunError
from lofikit.hookspecs import Component, Kind
from lofikit.models.base import Model, State
from lofikit.options import Options, build
from lofikit.plugins import load_class, registry
from lofikit.run import ComponentConfig, Run, write_atomically
from lofikit.session import Progress


def convert(run: Run, name: str, path: Path) -> tuple[Run, list[str]]:
    """Writes a run whose model is that of another backend, with the same weights.

    The new run generates, is measured and is drawn like the old one. Optimisers differ between
    backends, so it is a finished one: to train on, start a new run.

    Args:
        run: A trained run.
        name: The other backend's model, for example ``torch/tcn``.
        path: Folder of the new run.

    Returns:
        The new run, and the options that were the old backend's own.

    Raises:
        OptionError: If the models are not the same one.
        RunError: If the weights do not fit, or the new run exists.
    """
    component = registry().find("model", name)
    old = run.config.model
    if component.name.split("/")[1] != old.name.split("/")[1]:
        raise OptionError(
            f"{run.path} is a run of {old.name}, and {component.name} is another model",
            f"name the {old.name.split('/')[1]} of another package",
        )
    shared = shared_options("model", old.name, component)
    kept = {key: value for key, value in old.options.items() if key in shared}
    config = build(load_class(component.config), kept, prefix="model")
    left = [key for key in old.options if key not in shared]
    chosen = ComponentConfig(name=component.name, options=config.model_dump(mode="json"))
    representation = run.representation()
    weights = _weights(run)
    model: Model = load_class(component.target)(config, representation.spec, 0)
    model.load_state(weights["best"] if "best" in weights else weights["last"])

    new = Run.create(path, run.config.model_copy(update={"model": chosen}))
    for file in ("metrics.jsonl", "representation.safetensors"):
        if (run.path / file).is_file():
            shutil.copyfile(run.path / file, path / file)
    manifest = run.manifest()
    distribution, version = registry().distribution_of(component)
    manifest.setdefault("components", {})["model"] = {
        "name": component.name,
        "distribution": distribution,
        "version": version,
    }
    manifest["converted_from"] = {"run": run.path.name, "model": old.name}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    write_atomically(path / "manifest.json", text.encode())
    step = int(run.load("last")[1].get("step", 0))
    for checkpoint, arrays in weights.items():
        progress = asdict(Progress(step=step, finished=f"converted from {old.name}"))
        new.save(checkpoint, arrays, progress)
    return new, left


def shared_options(kind: Kind, name: str, component: Component) -> frozenset[str]:
    """Returns the names of options that mean the same for two components of one kind.

    They are those of the bases that both derive from. What a package adds of its own, the threads
    of a backend for example, may have the same name there and take other values.

    Args:
        kind: Of both.
        name: Of the one, which need not be installed.
        component: The other.
    """
    wanted: type[Options] = load_class(component.config)
    bases = [base for base in wanted.__mro__ if issubclass(base, Options)]
    try:
        before: type[Options] = load_class(registry().find(kind, name).config)
    except LofikitError:  # then what the other's own package does not add
        own = wanted.__module__.partition(".")[0]
        shared = [base for base in bases if base.__module__.partition(".")[0] != own]
    else:
        shared = [base for base in bases if issubclass(before, base)]
        if not any(base.model_fields for base in shared):
            return frozenset(wanted.model_fields.keys() & before.model_fields.keys())
    return frozenset(field for base in shared for field in base.model_fields)


def _weights(run: Run) -> dict[str, State]:
    found: dict[str, State] = {}
    for name in ("best", "last"):
        if (run.path / f"{name}.safetensors").is_file():
            arrays, _ = run.load(name)
            found[name] = {k: v for k, v in arrays.items() if k.startswith("weights/")}
    if not found:
        raise RunError(
            f"the run {run.path} has no weights yet",
            f"train it: lofikit train --resume -o {run.path}",
        )
    return found
