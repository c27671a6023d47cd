"""Settings of the Sphinx site; ``nox -s docs`` builds it with warnings as errors."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).parent))

import documented
import generated

project = "lofikit"
copyright = "the lofikit authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
smartquotes = False  # two dashes are a flag

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "lofikit"
html_show_sphinx = False
html_copy_source = False

MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def fill_in(app: Sphinx, name: str, source: list[str]) -> None:
    """Puts what is generated where a page asks for it by ``<!-- generated: NAME -->``."""
    source[0] = MARK.sub(lambda match: getattr(generated, match[1])(), source[0])


def generated_pages(app: Sphinx, *_: object) -> list[str]:
    """Returns the pages that depend on the code, and so are always read again."""
    return [n for n in app.project.docnames if MARK.search(Path(app.env.doc2path(n)).read_text())]


def check_reference(app: Sphinx, env: BuildEnvironment) -> None:
    """Warns of each public name that the reference does not show."""
    logger = logging.getLogger(__name__)
    domain = env.domains.python_domain
    for name in documented.for_authors():
        if name not in domain.modules:
            logger.warning("the reference does not name the module %s", name)
    for name in domain.modules:
        for full in documented.public(importlib.import_module(name)):
            if full not in domain.objects:
                logger.warning("the reference does not show %s: has it a docstring?", full)


def setup(app: Sphinx) -> None:
    """Connects these with the build."""
    app.connect("source-read", fill_in)
    app.connect("env-get-outdated", generated_pages)
    app.connect("env-check-consistency", check_reference)
