"""Plugins: found, named and reported; a broken one stops nothing."""

import importlib
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lofikit.cli.main import run
from lofikit.errors import PluginError
from lofikit.plugins import Registry, load_class, registry

GOOD = """
    from lofikit.hookspecs import Component, hookimpl

    @hookimpl
    def lofikit_components():
        return [Component(kind="model", name="{name}", summary="A model.",
                          target="nowhere:Model", config="lofikit.options:Options")]
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs distributions into a folder on the path, as pip would leave them."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("LOFIKIT_PLUGINS", raising=False)
    monkeypatch.delenv("LOFIKIT_STRICT", raising=False)
    made: list[str] = []

    def write(distribution: str, code: str, requires: str = "lofikit-core>=0.1,<0.2") -> None:
        module = distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
            f"Requires-Dist: {requires}\n"
        )
        (info / "entry_points.txt").write_text(f"[lofikit]\n{module} = {module}\n")
        made.append(module)
        importlib.invalidate_caches()
        registry.cache_clear()

    registry.cache_clear()
    yield write
    registry.cache_clear()
    for module in made:
        sys.modules.pop(module, None)


def _failure(found: Registry, distribution: str) -> str:
    return next(p.failure for p in found.plugins if p.distribution == distribution)


def test_core_offers_what_the_pipeline_needs() -> None:
    names = {
        c.name
        for kind in ("source", "separator", "representation", "model")
        for c in registry().of_kind(kind)
    }  # type: ignore[arg-type]
    assert {"core/folder", "core/synthetic", "core/hpss", "core/mulaw", "core/linear"} <= names


def test_every_component_of_core_can_be_imported() -> None:
    for component in registry().components.values():
        if component.name.startswith("core/"):
            assert load_class(component.target) and load_class(component.config)


def test_short_names_serve_while_they_are_unique(install: Install) -> None:
    install("pack-one", GOOD.format(name="one/thing"))
    assert registry().find("model", "thing").name == "one/thing"
    assert registry().find("model", "one/thing").name == "one/thing"
    install("pack-two", GOOD.format(name="two/thing"))
    with pytest.raises(PluginError, match="one/thing, two/thing"):
        registry().find("model", "thing")
    assert registry().find("model", "two/thing").name == "two/thing"


def test_one_name_twice_names_both_distributions(install: Install) -> None:
    install("pack-one", GOOD.format(name="one/thing"))
    install("pack-two", GOOD.format(name="one/thing"))
    with pytest.raises(PluginError, match=r"pack-one 1\.0 and pack-two 1\.0"):
        registry().find("model", "one/thing")
    assert registry().find("model", "linear").name == "core/linear"


@pytest.mark.parametrize(
    ("code", "requires", "cause"),
    [
        ("raise RuntimeError('no luck today')", "", "RuntimeError: no luck today"),
        ("import sys; sys.exit(3)", "", "SystemExit"),
        ("import not_to_be_found", "", "not_to_be_found"),
        ("x = 1", "", "no hook"),
        (GOOD.format(name="no-slash"), "", "package/name"),
        (GOOD.format(name="a/b").replace('"model"', '"mdoel"'), "", "unknown kind 'mdoel'"),
        (GOOD.format(name="a/b").replace("[Component", "[3, Component"), "", "not a Component"),
        (GOOD.format(name="a/b").replace("return [", "[").replace(")]", ")]; return 7"), "", "7"),
        (GOOD.format(name="a/b").replace("return [", "["), "", "returned None, which is no list"),
        (GOOD.format(name="a/b").replace('"A model."', "None"), "", "summary of a component"),
        (GOOD.format(name="a/b").replace("nowhere:Model", "nowhere"), "", "module:Class"),
        (GOOD.format(name="a/b").replace(")]", ")] * 2"), "", "'a/b' is offered twice"),
        (GOOD.format(name="a/b").replace("return [", "1 / 0; return ["), "", "ZeroDivisionError"),
        (GOOD.format(name="a/b").replace("components()", "components(what)"), "", "what"),
        (GOOD.format(name="a/b"), "lofikit-core>=7,<8", "built for lofikit-core"),
    ],
)
def test_a_broken_plugin_is_reported_and_stops_nothing(
    install: Install, code: str, requires: str, cause: str
) -> None:
    install("pack-bad", code, requires or "lofikit-core>=0.1,<0.2")
    assert cause in _failure(registry(), "pack-bad")
    assert registry().find("model", "linear").name == "core/linear"


def test_asking_for_what_a_failed_plugin_offers_quotes_the_failure(install: Install) -> None:
    install("pack-bad", "raise RuntimeError('no luck today')")
    with pytest.raises(PluginError, match="no luck today"):
        registry().find("model", "pack-bad/thing")


def test_strict_raises(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("pack-bad", "raise RuntimeError('no luck today')")
    monkeypatch.setenv("LOFIKIT_STRICT", "1")
    with pytest.raises(RuntimeError, match="no luck today"):
        registry()


def test_strict_raises_for_a_name_that_clashes(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("pack-one", GOOD.format(name="one/thing"))
    install("pack-two", GOOD.format(name="one/thing"))
    monkeypatch.setenv("LOFIKIT_STRICT", "1")
    with pytest.raises(PluginError, match="two packages"):
        registry()


def test_two_distributions_may_use_one_entry_point_name(install: Install, tmp_path: Path) -> None:
    install("pack-one", GOOD.format(name="one/thing"))
    install("pack-two", GOOD.format(name="two/thing"))
    (tmp_path / "pack_two-1.0.dist-info" / "entry_points.txt").write_text(
        "[lofikit]\npack_one = pack_two\n"
    )
    importlib.invalidate_caches()
    registry.cache_clear()
    assert {c.name for c in registry().of_kind("model")} >= {"one/thing", "two/thing"}


def test_a_component_whose_module_raises_is_an_error_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raises_at_import.py").write_text("raise OSError('libcudart is missing')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError, match="OSError: libcudart is missing"):
        load_class("raises_at_import:Model")
    with pytest.raises(PluginError, match="has no class Modle"):
        load_class("lofikit.models.base:Modle")


def test_a_slow_plugin_is_pointed_out_with_its_time(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("pack-quick", GOOD.format(name="quick/thing"))
    install(
        "pack-slow", "import time; time.sleep(0.6)\n" + textwrap.dedent(GOOD.format(name="s/t"))
    )
    assert run(["plugins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    slow = next(line for line in lines if line.startswith("pack-slow"))
    assert re.fullmatch(r"pack-slow 1\.0: loaded, slowly: in \d+\.\d s, .*", slow)
    assert "pack-quick 1.0: loaded" in lines


def test_an_allow_list_leaves_others_out(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("pack-one", GOOD.format(name="one/thing"))
    install("pack-bad", "raise RuntimeError('no luck today')")
    monkeypatch.setenv("LOFIKIT_PLUGINS", "pack-one")
    registry.cache_clear()
    assert {p.distribution for p in registry().plugins} == {"lofikit-core", "pack-one"}


def test_what_is_known_but_not_installed_is_answered_with_pip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOFIKIT_PLUGINS", "")
    registry.cache_clear()
    try:
        with pytest.raises(PluginError, match="lofikit-keras, which is not installed") as caught:
            registry().find("model", "keras/tcn")
        assert "pip install lofikit-keras" in caught.value.hint
        with pytest.raises(PluginError, match="Did you mean 'core/linear'"):
            registry().find("model", "linaer")
    finally:
        registry.cache_clear()


def test_a_failed_plugin_is_listed_by_the_command(install: Install, tmp_path: Path) -> None:
    install("pack-bad", "raise RuntimeError('no luck today')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom lofikit.cli.main import main\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "main(['plugins'])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pack-bad 1.0: failed" in done.stdout
    assert "  RuntimeError: no luck today\n" in done.stdout
