"""Draws the one path through lofikit from its sources, which are read and not imported.

``STOPS`` says which methods the path goes through. Everything else is found in the code: their
signatures, the components that implement an interface, the types that pass from one stop to the
next. What no longer agrees with the code is an error, so the figure cannot be out of date. The
same sources give the same SVG, byte for byte.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = ROOT / "lofikit-core" / "src" / "lofikit"
ARROW = "\N{RIGHTWARDS ARROW}"


class PathError(Exception):
    """The figure says something that the code does not."""


@dataclass(frozen=True)
class Stop:
    """A method that the path goes through.

    Attributes:
        verb: The command that does it.
        where: ``module:Class.method`` or ``module:function``, within ``lofikit``.
        kind: The kind of component, if plugins offer implementations.
    """

    verb: str
    where: str
    kind: str = ""

    @property
    def module(self) -> str:
        """The module's name within ``lofikit``."""
        return self.where.partition(":")[0]

    @property
    def name(self) -> str:
        """The class, or the function where there is none."""
        return self.where.partition(":")[2].partition(".")[0]


# Down the page, and beside some of them a stop that takes and gives back.
STOPS = (
    Stop("collect", "sources.base:Source.clips", "source"),
    Stop("collect", "library:Library.add"),
    Stop("train", "samples:open_samples"),
    Stop("train", "chunks:Chunks.draw"),
    Stop("train", "models.base:Model.train_step", "model"),
    Stop("train", "run:Run.save"),
    Stop("generate", "run:Run.trained_model"),
    Stop("generate", "models.base:Model.stream"),
    Stop("generate", "models.base:Stream.next"),
    Stop("generate", "representations.base:Decoder.push"),
    Stop("generate", "writers:Writer.write"),
)
BESIDE = {
    "library:Library.add": Stop("separate", "separators.base:Separator.separate", "separator"),
    "chunks:Chunks.draw": Stop(
        "train", "representations.base:Representation.encode", "representation"
    ),
    "run:Run.save": Stop("evaluate", "evaluation.held_out:held_out_scores"),
}
# What passes: (from, type, to). The first gives the type (or is of it), the second takes it.
FLOWS = (
    ("sources.base:Source.clips", "ClipData", "library:Library.add"),
    ("library:Library", "Library", "samples:open_samples"),
    ("samples:open_samples", "SampleStore", "chunks:Chunks.__init__"),
    ("chunks:Chunks.draw", "Frames", "models.base:Model.train_step"),
    ("models.base:Model.state", "State", "run:Run.save"),
    ("run:Run", "Run", "run:Run.trained_model"),
    ("run:Run.trained_model", "Model", "models.base:Model.stream"),
    ("models.base:Model.stream", "Stream", "models.base:Stream.next"),
    ("models.base:Stream.next", "Frames", "representations.base:Decoder.push"),
    ("representations.base:Decoder.push", "Samples", "writers:Writer.write"),
)
FLOWS_BESIDE = {
    "library:Library.add": (
        ("audio:read", "Audio", "separators.base:Separator.separate"),
        ("separators.base:Separator.separate", "Audio", "library:Library.add_stem"),
    ),
    "chunks:Chunks.draw": (
        ("chunks:Chunks.windows", "Samples", "representations.base:Representation.encode"),
        ("representations.base:Representation.encode", "Frames", "models.base:Model.train_step"),
    ),
    "run:Run.save": (("run:Run", "Run", "evaluation.held_out:held_out_scores"),),
}


# Reading the sources


@cache
def _tree(module: str) -> ast.Module:
    path = CORE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        raise PathError(f"there is no module lofikit.{module}")
    return ast.parse(file.read_text(encoding="utf-8"))


def _find(where: str) -> ast.ClassDef | ast.FunctionDef:
    """Returns the definition that ``module:Class.method`` names."""
    module, _, names = where.partition(":")
    body: list[ast.stmt] = _tree(module).body
    found: ast.ClassDef | ast.FunctionDef | None = None
    for name in names.split("."):
        found = next(
            (
                node
                for node in body
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
            ),
            None,
        )
        if found is None:
            raise PathError(f"lofikit.{module} has no {names}")
        body = found.body
    assert found is not None
    return found


def _aliases(module: str) -> dict[str, str]:
    """Returns the module's own names of types, and those that it imports from lofikit."""
    found = {}
    for node in _tree(module).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.unparse(node.value)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lofikit."):
            theirs = _aliases((node.module or "").removeprefix("lofikit."))
            found |= {n.name: theirs[n.name] for n in node.names if n.name in theirs}
    return found


def _types(where: str, taken: bool) -> set[str]:
    """Returns the types that a definition takes or gives, aliases also written out."""
    node = _find(where)
    names = {where.partition(":")[2].partition(".")[0]}
    if isinstance(node, ast.FunctionDef):
        args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        notes = [arg.annotation for arg in args] if taken else [node.returns]
        names = names if taken and "." in where.partition(":")[2] else set()
        aliases = _aliases(where.partition(":")[0])
        for note in filter(None, notes):
            parts = [*ast.walk(note)]
            texts = {ast.unparse(p) for p in parts if isinstance(p, ast.expr)}
            names |= texts | {aliases[text] for text in texts & set(aliases)}
    return names


def _check(flow: tuple[str, str, str]) -> None:
    giver, name, taker = flow
    forms = {name, *(a for a in [_aliases(giver.partition(":")[0]).get(name)] if a)}
    if not forms & _types(giver, taken=False):
        raise PathError(f"{giver} does not give {name}")
    if not forms & _types(taker, taken=True):
        raise PathError(f"{taker} does not take {name}")


def _reached(module: str, seen: set[str]) -> set[str]:
    """Adds a module and all modules of core that it imports, anywhere in its text, to ``seen``."""
    if module not in seen:
        seen.add(module)
        for node in ast.walk(_tree(module)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lofikit"):
                package = (node.module or "").removeprefix("lofikit").removeprefix(".")
                for alias in node.names:
                    inner = f"{package}.{alias.name}".removeprefix(".")
                    path = CORE.joinpath(*inner.split("."))
                    if path.is_dir() or path.with_suffix(".py").is_file():
                        _reached(inner, seen)
                    elif package:
                        _reached(package, seen)
    return seen


@cache
def _modules_of(verb: str) -> frozenset[str]:
    return frozenset(_reached(f"cli.{verb}", set()))


def _signature(where: str) -> str:
    node = _find(where)
    assert isinstance(node, ast.FunctionDef)
    required = node.args.args[: len(node.args.args) - len(node.args.defaults)]
    names = [arg.arg for arg in required if arg.arg != "self"]
    given = ast.unparse(node.returns) if node.returns else ""
    returns = f" {ARROW} {given}" if given not in ("", "None") else ""
    return f"{node.name}({', '.join(names)}){returns}"


def _components(kind: str) -> str:
    """Returns the names of the components of one kind, from the calls that make them."""
    files = [CORE / "builtins.py", *sorted(ROOT.glob("lofikit-*/src/*/plugin.py"))]
    return ", ".join(name for file in files for name in _made(file, kind))


def _made(file: Path, kind: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            words = [*node.args, *(k.value for k in node.keywords)]
            texts = [w.value for w in words if isinstance(w, ast.Constant)]
            if node.func.id in ("Component", "_component") and texts[:1] == [kind]:
                name = str(texts[1])
                yield name if "/" in name else f"core/{name}"


# Drawing

LEFT, BOX, BETWEEN, SIDE = 90, 370, 70, 340
WIDTH = LEFT + BOX + BETWEEN + SIDE + 2
LINE, GAP, TOP = 17, 34, 10
STYLE = """
.path { max-width: 100%; height: auto; font-family: var(--font-stack, sans-serif); }
.path text { fill: currentColor; font-size: 13px; }
.path .name { font-weight: 600; }
.path .code { font-family: var(--font-stack--monospace, monospace); font-size: 11.5px; }
.path .quiet { font-size: 11.5px; opacity: .7; }
.path .type { font-size: 12px; font-style: italic; }
.path rect { fill: none; stroke: currentColor; stroke-opacity: .45; }
.path .plugin rect { stroke: var(--color-brand-primary, #06c); stroke-opacity: 1; stroke-width: 2; }
.path .line { fill: none; stroke: currentColor; stroke-opacity: .7; }
.path .head { fill: currentColor; fill-opacity: .7; }
.path .band { stroke: currentColor; stroke-opacity: .25; stroke-width: 3; }
"""


def draw() -> str:
    """Returns the figure as SVG without blank lines, in the colours of the page around it.

    Raises:
        PathError: If the path is not the code's any more.
    """
    for flow in (*FLOWS, *(f for flows in FLOWS_BESIDE.values() for f in flows)):
        _check(flow)
    for stop in (*STOPS, *BESIDE.values()):
        if stop.module not in _modules_of(stop.verb):
            raise PathError(f"lofikit {stop.verb} does not use lofikit.{stop.module}")
    parts: list[str] = []
    bands: dict[str, list[float]] = {}
    y = float(TOP)
    for number, stop in enumerate(STOPS):
        height = _height(stop)
        beside = BESIDE.get(stop.where)
        parts.append(_box(stop, LEFT, y, BOX, height))
        bands.setdefault(stop.verb, []).extend((y, y + height))
        if beside:
            x = LEFT + BOX + BETWEEN
            parts.append(_box(beside, x, y, SIDE, _height(beside)))
            parts += _beside(FLOWS_BESIDE[stop.where], y + min(height, _height(beside)) / 2)
            if beside.verb != stop.verb:
                parts.append(_text(beside.verb, x, y - 6, "name"))
        if stop.where == "models.base:Stream.next":
            parts += _loop(y, height)
        if number < len(FLOWS):
            below = y + height
            parts.append(_arrow(LEFT + 60, below, LEFT + 60, below + GAP))
            parts.append(_text(FLOWS[number][1], LEFT + 70, below + GAP / 2 + 4, "type"))
        y += height + GAP
    for verb, ends in bands.items():
        parts.append(_line([(LEFT - 14, min(ends)), (LEFT - 14, max(ends))], "band"))
        middle = (min(ends) + max(ends)) / 2 + 4
        parts.append(_text(verb, LEFT - 22, middle, "name", "end"))
    height = y - GAP + TOP
    label = "The path of the music through lofikit, from a source to a take"
    opening = (
        f'<svg class="path" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
        f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}">'
    )
    return "\n".join([opening, f"<style>{STYLE.strip()}</style>", *parts, "</svg>"])


def _lines(stop: Stop) -> list[tuple[str, str]]:
    taken, arrow, given = _signature(stop.where).partition(f" {ARROW} ")
    if len(taken + arrow + given) <= 48:
        lines = [(taken + arrow + given, "code")]
    else:
        lines = [(taken, "code"), (f"  {ARROW} {given}", "code")]
    if stop.kind:
        words, row = _components(stop.kind).split(", "), ""
        for word in words:
            if len(row) + len(word) > 52:
                lines.append((row.rstrip(), "quiet"))
                row = ""
            row += f"{word}, "
        lines.append((row.removesuffix(", "), "quiet"))
    return lines


def _height(stop: Stop) -> float:
    return 14 + LINE * (1 + len(_lines(stop)))


def _box(stop: Stop, x: float, y: float, width: float, height: float) -> str:
    parts = [f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>']
    parts.append(_text(stop.name, x + 10, y + 19, "name"))
    parts.append(_text(stop.module, x + width - 10, y + 19, "quiet", "end"))
    for number, (line, kind) in enumerate(_lines(stop), 1):
        parts.append(_text(line, x + 10, y + 19 + LINE * number, kind))
    kind = ' class="plugin"' if stop.kind else ""
    return f"<g{kind}>" + "".join(parts) + "</g>"


def _beside(flows: tuple[tuple[str, str, str], ...], y: float) -> list[str]:
    left, right = LEFT + BOX, LEFT + BOX + BETWEEN
    parts = []
    for number, (_, name, _) in enumerate(flows):
        at = y + (0 if len(flows) == 1 else (-8 if number == 0 else 10))
        parts.append(_arrow(*((left, at, right, at) if number == 0 else (right, at, left, at))))
        label_y = at + (-4 if number == 0 else 13)
        parts.append(_text(name, (left + right) / 2, label_y, "type", "middle"))
    return parts


def _loop(y: float, height: float) -> list[str]:
    """Draws that what a stream gives is what it takes next."""
    right, top, bottom = LEFT + BOX, y + 14, y + height - 14
    points = [(right, bottom), (right + 28, bottom), (right + 28, top), (right + 6, top)]
    words = _text("each prediction is fed back", right + 36, y + height / 2 + 4, "quiet")
    return [_line(points, "line"), _head(right, top, -1, 0), words]


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    dx, dy = (to_x > x) - (to_x < x), (to_y > y) - (to_y < y)
    return _line([(x, y), (to_x - 6 * dx, to_y - 6 * dy)], "line") + _head(to_x, to_y, dx, dy)


def _head(x: float, y: float, dx: int, dy: int) -> str:
    """Draws a triangle whose tip is at (x, y) and that points along (dx, dy)."""
    back_x, back_y = x - 7 * dx, y - 7 * dy
    points = [(x, y), (back_x - 4 * dy, back_y + 4 * dx), (back_x + 4 * dy, back_y - 4 * dx)]
    return f'<polygon class="head" points="{_points(points)}"/>'


def _line(points: list[tuple[float, float]], kind: str) -> str:
    return f'<polyline class="{kind}" points="{_points(points)}"/>'


def _points(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _text(text: str, x: float, y: float, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
