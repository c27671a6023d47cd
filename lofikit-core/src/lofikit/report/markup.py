"""HTML from templates and values: whatever is not marked as HTML is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from functools import cache
from importlib import resources
from string import Template

_VOID = {"br", "img"}  # elements that have no content and no end


class Markup(str):
    """Text that is HTML already; any other is escaped where it is put into a page."""

    __slots__ = ()


def escaped(value: object) -> Markup:
    """Returns a value as HTML that shows it as it is, in an element or a quoted attribute."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value), quote=True))


def joined(parts: Iterable[object], between: str = "\n") -> Markup:
    """Returns several values one after the other."""
    return Markup(between.join(escaped(part) for part in parts))


def element(name: str, *content: object, **attributes: object) -> Markup:
    """Returns an element.

    Args:
        name: Of the element.
        content: What is in it.
        attributes: Its attributes. A trailing underscore is left out and others become hyphens;
            ``None`` and ``False`` leave an attribute out, ``True`` gives it no value.
    """
    words = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            words.append(key)
        elif value is not None and value is not False:
            words.append(f'{key}="{escaped(value)}"')
    end = "" if name in _VOID else f"</{name}>"
    return Markup(f"<{' '.join(words)}>{joined(content, '')}{end}")


def fill(template: str, **values: object) -> Markup:
    """Returns a template of this package's ``page`` folder with its ``$names`` filled in.

    Raises:
        KeyError: If a value is missing.
    """
    filled = {key: escaped(value) for key, value in values.items()}
    return Markup(Template(asset(template)).substitute(filled))


@cache
def asset(name: str) -> str:
    """Returns the text of a file of this package's ``page`` folder."""
    return resources.files("lofikit.report").joinpath("page", name).read_text(encoding="utf-8")
