"""The rules of the house, as far as a program can check them."""

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
SOURCES = sorted(p for p in CSRC.rglob("*") if p.suffix in {".h", ".cc", ".cu"})
KERNELS = sorted((CSRC / "cpu").glob("*.cc"))
MODULES = sorted((ROOT / "fastnn").rglob("*.py"))
ROOMS = {
    "csrc/ops": ".h",
    "csrc/cpu": ".cc",
    "csrc/python": ".cc",
    "fastnn/reference": ".py",
    "fastnn/specs": ".py",
    "fastnn/functional": ".py",
}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def stems(room: str) -> set[str]:
    files = (ROOT / room).glob(f"*{ROOMS[room]}")
    return {p.stem for p in files if not p.stem.startswith("_")}


def imported(path: Path) -> set[str]:
    """Absolute names of the modules that a file imports, at any depth."""
    package = relative(path).removesuffix(".py").replace("/", ".").split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def code(path: Path) -> str:
    """C++ without comments and strings."""
    pattern = r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\""
    return re.sub(pattern, " ", path.read_text("utf-8"), flags=re.DOTALL)


def includes(path: Path) -> set[str]:
    return set(
        re.findall(r"^\s*#\s*include\s*[<\"]([^>\"]+)", path.read_text("utf-8"), re.MULTILINE)
    )


def test_there_is_a_house() -> None:
    assert len(SOURCES) > 20 and len(KERNELS) >= 8 and len(MODULES) > 20


def test_the_same_stem_in_every_room() -> None:
    ops = stems("fastnn/functional")
    missing = {f"{room}/{stem}" for room in ROOMS for stem in ops - stems(room)}
    assert not missing
    # philox has no op of its own: its C++ twin is csrc/core/philox.h
    twins = {"fastnn/reference": {"philox"}, "csrc/python": {"runtime"}}
    twins["csrc/python"] |= {"step_inputs"}  # numbers of captured steps
    twins["csrc/cpu"] = {"tile"}  # the micro-kernel of linear and conv2d
    twins["csrc/cpu"] |= {"depthwise", "depthwise_weight", "grouped"}  # kernels of conv2d
    twins["csrc/cpu"] |= {"channel_normalise"}  # the passes of batch_norm and group_norm
    # the machine's limits are measured by the kernels' own means, for the benchmarks
    for room in ("csrc/ops", "csrc/cpu", "csrc/python"):
        twins[room] = twins.get(room, set()) | {"probe"}
    strangers = {
        f"{room}/{stem}" for room in ROOMS for stem in stems(room) - ops - twins.get(room, set())
    }
    assert not strangers


def test_functional_lists_every_op_once() -> None:
    text = (ROOT / "fastnn/functional/__init__.py").read_text("utf-8")
    listed = re.findall(r"^from \.(\w+) import \*$", text, re.MULTILINE)
    assert sorted(listed) == sorted(stems("fastnn/functional"))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_pybind11_stays_at_the_boundary(path: Path) -> None:
    name = relative(path)
    if not name.startswith("csrc/python/") and name != "csrc/module.cc":
        assert "pybind11" not in code(path) and "Python.h" not in path.read_text("utf-8")
        assert not any(i.startswith(("pybind11", "python/", "numpy")) for i in includes(path))


# The words of vector code; <immintrin.h> comes with them.
INTRINSICS = re.compile(
    r"\b_mm\d*_|\b__m(128|256|512)|\bvld[1-4]|\bvst[1-4]|__builtin_ia32|vector_size|arm_neon|immintrin"
)
# What a spin loop and the dispatch need: no vectors.
HARMLESS = re.compile(r"\b_mm_pause\b|\b__builtin_cpu_(supports|init)\b|\b__builtin_ia32_pause\b")


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_intrinsics_stay_in_vec(path: Path) -> None:
    name = relative(path)
    if re.fullmatch(r"csrc/core/vec\w*\.h", name):
        return
    text = code(path) + " ".join(includes(path))
    if name.startswith("csrc/core/"):
        text = HARMLESS.sub(" ", text).replace("immintrin.h", " ")
    assert not INTRINSICS.search(text)


PLAIN = sorted(path for room in ("cpu", "formulas") for path in (CSRC / room).iterdir())


@pytest.mark.parametrize("path", PLAIN, ids=relative)
def test_kernels_are_plain(path: Path) -> None:
    """No STL, Python, allocation, throw or thread in csrc/cpu and csrc/formulas."""
    own = {"core", "ops", "formulas", "cpu"}
    foreign = {i for i in includes(path) if i.split("/")[0] not in own and not i.endswith(".h")}
    assert foreign <= {"cstdint", "cstddef", "cstring", "cmath"}
    words = r"\bstd::|\bnew\b|\bdelete\b|\bmalloc\b|\bfree\b|\bthrow\b|\btry\b|\bthread_local\b"
    assert not re.search(words, code(path))
    assert "FASTNN_ISA" in code(path)


def arrows(path: Path) -> set[str]:
    return {i.split("/")[0] for i in includes(path) if "/" in i}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_arrows_point_one_way(path: Path) -> None:
    allowed = {
        "core": {"core"},
        "ops": {"core", "ops"},
        "formulas": {"core", "ops", "formulas"},
        "cpu": {"core", "ops", "formulas", "cpu"},
        "cuda": {"core", "ops", "formulas", "cuda"},
        "python": {"core", "ops", "python", "pybind11"},
    }
    room = relative(path).split("/")[1]
    own = arrows(path) & {*allowed, "pybind11"}
    assert own <= allowed.get(room, own)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_python_arrows(path: Path) -> None:
    name, names = relative(path), imported(path)
    package = name.split("/")[1].removesuffix(".py")

    def uses(*packages: str) -> bool:
        pattern = rf"fastnn\.({'|'.join(packages)})(\.|$)"
        return any(re.match(pattern, found) for found in names)

    if package in {"reference", "specs"}:
        assert not uses("_core", "functional", "nn", "optim", "train")
    if package == "reference":
        assert not uses("specs")
    if package == "functional":
        assert not uses("reference", "specs", "nn", "optim", "train")
        assert "numpy.random" not in names
    if package in {"nn", "optim", "train", "data", "models", "init"}:
        assert not uses("_core", "reference", "specs"), "what is above the ops calls the ops"
    if package in {"nn", "optim"}:
        assert not uses("train")
    assert "pytest" not in names and "torch" not in names


def test_functional_does_no_arithmetic() -> None:
    """A public op is its documentation and one call."""
    for path in sorted((ROOT / "fastnn/functional").glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                _, *body = node.body
                assert len(body) == 1 and isinstance(body[0], (ast.Return, ast.Expr)), node.name
                assert isinstance(body[0].value, ast.Call), node.name
                callee = ast.unparse(body[0].value.func)
                assert callee == f"_core.{node.name}", node.name


def test_every_public_op_says_what_it_takes_and_raises() -> None:
    from fastnn import functional

    for name, function in vars(functional).items():
        if inspect.isfunction(function):
            for section in ("Parameters\n", "Raises\n"):
                assert section in (function.__doc__ or ""), f"{name} does not document {section}"


@pytest.mark.parametrize(
    "path", [*SOURCES, *MODULES, *sorted((ROOT / "tests").rglob("*.py"))], ids=relative
)
def test_files_are_short(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 400
    words = "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3])
    assert not re.search(rf"\b({words})\b", "\n".join(lines))


def test_reference_needs_no_extension() -> None:
    """The specs and references load with the compiled core hidden."""
    program = (
        "import sys, types\n"
        f"package = types.ModuleType('fastnn'); package.__path__ = [{str(ROOT / 'fastnn')!r}]\n"
        "sys.modules['fastnn'] = package; sys.modules['fastnn._core'] = None\n"
        "import fastnn.specs, fastnn.reference\n"
        "assert len(fastnn.specs.SPECS) > 10 and fastnn.reference.conv2d\n"
    )
    subprocess.run([sys.executable, "-P", "-c", program], check=True)


COMPILER = os.environ.get("CXX") or "g++"


@pytest.mark.skipif(
    not (shutil.which(COMPILER) and shutil.which("nm") and os.uname().machine == "x86_64"),
    reason="needs a C++ compiler and nm on x86-64",
)
@pytest.mark.parametrize("path", KERNELS, ids=relative)
def test_no_symbol_is_shared_between_isas(path: Path, tmp_path: Path) -> None:
    """A weak symbol outside the ISA's namespace could be the one the linker keeps for all ISAs.

    Compiled without optimisation, so that no inline function disappears.
    """
    target = tmp_path / "kernel.o"
    flags = (
        "-std=c++20 -O0 -fPIC -fvisibility=hidden -fno-exceptions -fno-rtti -ffp-contract=off "
        "-mavx2 -mfma -DFASTNN_ISA=avx2"
    )
    command = [COMPILER, *flags.split(), "-I", str(CSRC), "-c", str(path), "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    listing = subprocess.run(
        ["nm", "-C", str(target)], check=True, capture_output=True, text=True
    ).stdout
    symbols = re.findall(r"^[0-9a-f ]* ([A-Za-z]) (.+)$", listing, re.MULTILINE)
    assert any("fastnn::avx2::" in name for kind, name in symbols if kind in "TWVu")
    shared = [name for kind, name in symbols if kind in "WVu" and "fastnn::avx2::" not in name]
    assert not shared


ARM_COMPILER = "aarch64-linux-gnu-g++"


@pytest.mark.skipif(not shutil.which(ARM_COMPILER), reason=f"needs {ARM_COMPILER}")
@pytest.mark.parametrize("path", KERNELS, ids=relative)
def test_kernels_build_for_arm64(path: Path, tmp_path: Path) -> None:
    """Every kernel compiles for NEON, without a warning."""
    flags = "-std=c++20 -O1 -fPIC -fno-exceptions -fno-rtti -ffp-contract=off -Wall -Wextra -Werror"
    names = ["-Wno-psabi", "-DFASTNN_ISA=neon", "-I", str(CSRC), "-o", str(tmp_path / "kernel.o")]
    result = subprocess.run(
        [ARM_COMPILER, *flags.split(), *names, "-c", str(path)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
