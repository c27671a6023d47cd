"""Options: pydantic fields that become flags, help, run files and documentation.

Every component has a config class derived from :class:`Options`; each field carries a
description and, where it has one, a unit. ``kernel_size`` of a model's config is
``--model.kernel-size`` on the command line and ``kernel_size`` under ``[model.options]`` in a
run file. Later layers win: default, then recipe or run file, then flag.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lofikit.errors import OptionError


class Options(BaseModel):
    """Base of every config: frozen, and unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _read_none(cls, values: Any) -> Any:
        """Reads the word ``none`` as no value, since neither TOML nor a command line has one."""
        if not isinstance(values, Mapping):
            return values
        optional = {n for n, f in cls.model_fields.items() if _takes_none(f.annotation)}
        return {k: None if v == "none" and k in optional else v for k, v in values.items()}


OptionsT = TypeVar("OptionsT", bound=BaseModel)


def option(
    default: Any = ...,
    description: str = "",
    *,
    unit: str = "",
    machine: bool = False,
    **limits: Any,
) -> Any:
    """Declares one option.

    Args:
        default: Its default; leave it out to make the option required.
        description: What it does, in a sentence.
        unit: The unit of its value, for example ``"Hz"``.
        machine: It is about the machine that trains (a device), and not about what is trained: a
            run that is taken to another machine to generate does without it.
        **limits: What :func:`pydantic.Field` takes, for example ``ge=1``.
    """
    extra: dict[str, Any] = {"unit": unit, "machine": machine}
    return Field(default, description=description, json_schema_extra=extra, **limits)


def is_of_machine(config: type[BaseModel], name: str) -> bool:
    """Returns whether an option is about the machine that trains, and not what is trained."""
    info = config.model_fields.get(name)
    extra = info.json_schema_extra if info else None
    return isinstance(extra, dict) and bool(extra.get("machine"))


@dataclass(frozen=True)
class OptionInfo:
    """One option as a person sees it.

    Attributes:
        name: The field's name.
        flag: Its name on the command line, without the component's prefix.
        type: ``flag``, ``choice``, ``list`` or ``value``.
        choices: The values of a choice.
        type_name: A word for its type, for help.
        default: Its default as text, or an empty text if it is required.
    """

    name: str
    flag: str
    type: Literal["flag", "choice", "list", "value"]
    choices: tuple[str, ...]
    type_name: str
    default: str
    required: bool
    description: str
    unit: str


def describe(config: type[BaseModel]) -> list[OptionInfo]:
    """Returns the options of a config class, in the order of its fields."""
    return [_describe_field(name, info) for name, info in config.model_fields.items()]


def _describe_field(name: str, info: FieldInfo) -> OptionInfo:
    annotation = _without_none(info.annotation)
    origin = get_origin(annotation)
    choices: tuple[str, ...] = ()
    kind: Literal["flag", "choice", "list", "value"] = "value"
    type_name = getattr(annotation, "__name__", str(annotation))
    if annotation is bool:
        kind = "flag"
    elif origin is Literal:
        kind, choices = "choice", tuple(str(value) for value in get_args(annotation))
        type_name = "|".join(choices)
    elif origin in (tuple, list):
        kind = "list"
        inner = [a for a in get_args(annotation) if a is not Ellipsis]
        type_name = f"{getattr(inner[0], '__name__', 'value')},..." if inner else "value,..."
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    required = info.is_required()
    default = info.get_default(call_default_factory=True) if not required else PydanticUndefined
    return OptionInfo(
        name=name,
        flag=name.replace("_", "-"),
        type=kind,
        choices=choices,
        type_name=type_name,
        default="" if required else show_value(default),
        required=required,
        description=info.description or "",
        unit=str(extra.get("unit", "")),
    )


def _takes_none(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        if len(rest) == 1:
            return rest[0]
    return annotation


def show_value(value: Any) -> str:
    """Returns a value as it would be typed on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(show_value(item) for item in value)
    return str(value)


def parse_value(config: type[BaseModel], name: str, text: str) -> Any:
    """Turns a flag's text into what pydantic takes: lists are split at commas."""
    info = config.model_fields[name]
    if _describe_field(name, info).type == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def build(config: type[OptionsT], *layers: Mapping[str, Any], prefix: str = "") -> OptionsT:
    """Validates a config from layers of values, the later ones winning.

    Args:
        config: The config class.
        *layers: Values by field name.
        prefix: What stands before the option on the command line, for messages: ``model``.

    Raises:
        OptionError: If an option is unknown, missing or out of range.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values.update({key.replace("-", "_"): value for key, value in layer.items()})
    for name in values:
        if name not in config.model_fields:
            raise unknown_option(name, config, prefix)
    try:
        return config.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        said = first["msg"].removeprefix("Value error, ")
        said = said[:1].lower() + said[1:]
        flag = _flag(name, prefix) if name else (prefix or config.__name__)
        given = values.get(name)
        if first["type"] == "missing":
            raise OptionError(f"{flag} is required", f"add {flag} VALUE") from error
        shown = f" {show_value(given)}" if name in values else ""
        raise OptionError(f"{flag}{shown}: {said}", _hint(config, name, prefix)) from error


def unknown_option(name: str, config: type[BaseModel], prefix: str) -> OptionError:
    """Returns the error for an option that a config does not have, with the nearest that it has."""
    names = list(config.model_fields)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        hint = f"did you mean {_flag(close[0], prefix)}?"
    else:
        hint = f"have: {', '.join(_flag(n, prefix) for n in names)}" if names else "it has none"
    return OptionError(f"there is no option {_flag(name, prefix)}", hint)


def _flag(name: str, prefix: str) -> str:
    dashed = name.replace("_", "-")
    return f"--{prefix}.{dashed}" if prefix else f"--{dashed}"


def _hint(config: type[BaseModel], name: str, prefix: str) -> str:
    if name not in config.model_fields:
        return ""
    info = _describe_field(name, config.model_fields[name])
    unit = f" [{info.unit}]" if info.unit else ""
    default = f" (default {info.default})" if info.default else ""
    return f"{_flag(name, prefix)}{unit}: {info.description}{default}"
