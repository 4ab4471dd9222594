"""What the site's pages are made with: formulas, figures, the reference's source.

- ``$...$`` and ``$$...$$`` become MathML, so that no page needs a script or another host;
- ``figures/NAME.svg`` is drawn by the function NAME of ``docs/figures/``;
- ``{{ reference NAME ... }}`` becomes the source of ``fastnn.reference.NAME``, ``{{ ops }}`` the
  documentation of every op, ``{{ bench }}`` the README's table of measurements;
- what Sphinx would read in docstrings (roles, double backticks within code) is taken out.
"""

import ast
import html
import importlib.util
import inspect
import io
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).resolve().parent
sys.path.append(str(DOCS.parent))  # the package of this tree, if none is installed


def _figures() -> dict[str, Callable[[], Any]]:
    """Functions that return a matplotlib Figure, by name."""
    found: dict[str, Callable[[], Any]] = {}
    for path in sorted((DOCS / "figures").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"docs_figures_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        own = inspect.getmembers(module, inspect.isfunction)
        found |= {n: f for n, f in own if f.__module__ == module.__name__ and n[0] != "_"}
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the figures, and the README's picture of the limits if it has one."""
    for name, draw in _figures().items():
        svg = io.StringIO()
        draw().savefig(svg, format="svg", metadata={"Date": None})
        files.append(File.generated(config, f"figures/{name}.svg", content=svg.getvalue()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the references' source and the measurements."""
    markdown = re.sub(r"\{\{ reference ([\w ]+) \}\}", lambda m: _sources(m[1].split()), markdown)
    return markdown.replace("{{ ops }}", _ops()).replace("{{ bench }}", _measurements())


def _ops() -> str:
    """Module by module: an op whose module has its name hides behind it in the package."""
    folder = DOCS.parent / "fastnn" / "functional"
    stems = sorted(path.stem for path in folder.glob("*.py") if path.stem[0] != "_")
    return "\n\n".join(f"::: fastnn.functional.{stem}" for stem in stems)


def _sources(names: list[str]) -> str:
    from fastnn import reference

    parts = [_without_docstring(inspect.getsource(getattr(reference, name))) for name in names]
    title = ", ".join(f"fastnn.reference.{name}" for name in names)
    return f'```python title="{title}"\n' + "\n\n".join(parts) + "\n```"


def _without_docstring(source: str) -> str:
    """The formula is on the page already."""
    source = textwrap.dedent(source)
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    first = function.body[0]
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        return source.rstrip()
    lines = source.splitlines()
    return "\n".join(lines[: first.lineno - 1] + lines[first.end_lineno :])


def _measurements() -> str:
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    return readme.partition("<!-- bench -->")[2].partition("<!-- /bench -->")[0]


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn formulas to MathML; undo what is Sphinx's."""

    def mathml(match: re.Match[str]) -> str:
        display = "block" if match[2] == "[" else "inline"
        return str(convert(html.unescape(match[3]).strip(), display=display))

    pattern = r'<(span|div) class="arithmatex">\\([\[(])(.*?)\\[\])]</\1>'
    content = re.sub(pattern, mathml, content, flags=re.DOTALL)
    return re.sub(r":(?:func|class|meth|mod):(?=<code>)|``", "", content)
