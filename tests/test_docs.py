"""The site builds without a warning, and the code on its pages runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastnn import functional

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(functional.__file__).parents[2])}
    environment["NO_MKDOCS_2_WARNING"] = "1"
    command = [
        sys.executable,
        "-P",
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--site-dir",
        str(tmp_path),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "lectures" / "normalisation" / "index.html").read_text("utf-8")
    assert "<math" in page and "arithmatex" not in page, "formulas are MathML"
    assert "def</span>" in page and "{{" not in page, "the reference's source is on the page"
    api = (tmp_path / "api" / "functional" / "index.html").read_text("utf-8")
    missing = [n for n, f in vars(functional).items() if callable(f) and f'.{n}"' not in api]
    assert not missing, "every op is in the API reference"


@pytest.mark.filterwarnings("ignore:refine")  # of a search of six trials, advice to widen the space
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT / "docs").as_posix())
def test_the_code_on_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for block in BLOCK.findall(page.read_text("utf-8")):
        exec(compile(block, str(page), "exec"), namespace)
