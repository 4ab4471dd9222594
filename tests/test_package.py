"""The package as it is built: stubs, types, style, formatting."""

import subprocess
import sys
from pathlib import Path

import pytest

import fastnn

ROOT = Path(__file__).parent.parent
STUB = ROOT / "fastnn" / "_core.pyi"


def run(*command: str) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr


def run_module(*command: str) -> None:
    run(sys.executable, "-P", "-m", *command)


def test_stub_is_what_the_extension_generates(tmp_path):
    pytest.importorskip("pybind11_stubgen")
    run_module("pybind11_stubgen", "fastnn._core", "-o", str(tmp_path), "--exit-code")
    made = (tmp_path / "fastnn" / "_core.pyi").read_text()
    hint = "python -m pybind11_stubgen fastnn._core -o . --exit-code"
    # The value of `build` is this machine's.
    strip = [line for line in made.splitlines() if not line.startswith("build")]
    kept = [line for line in STUB.read_text().splitlines() if not line.startswith("build")]
    assert strip == kept, f"fastnn/_core.pyi is old; make it anew: {hint}"


def test_types():
    pytest.importorskip("mypy")
    run_module("mypy")


def test_style():
    pytest.importorskip("ruff")
    run_module("ruff", "check", ".")
    run_module("ruff", "format", "--check", ".")


def test_cpp_formatting():
    clang_format = Path(sys.executable).parent / "clang-format"
    if not clang_format.exists():
        pytest.skip("clang-format is not installed")
    files = [str(p) for p in (ROOT / "csrc").rglob("*") if p.suffix in {".h", ".cc"}]
    run(str(clang_format), "--dry-run", "--Werror", *files)


def test_version_is_a_release_number():
    assert fastnn.__version__.count(".") == 2
