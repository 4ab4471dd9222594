"""The CUDA kernels compile without a warning, where nvcc is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parent.parent / "csrc"
NVCC = shutil.which("nvcc")


def release() -> int:
    assert NVCC is not None
    text = subprocess.run([NVCC, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"release (\d+)", text)
    assert found, text
    return int(found[1])


@pytest.mark.skipif(NVCC is None, reason="needs nvcc 12 or newer")
@pytest.mark.parametrize("source", sorted(CSRC.glob("cuda/*.cu")), ids=lambda path: path.stem)
def test_compiles(source: Path, tmp_path: Path) -> None:
    if release() < 12:
        pytest.skip(f"needs nvcc 12 or newer, here is {release()}")
    flags = ["-std=c++20", "-O3", "--fmad=false", "--expt-relaxed-constexpr", "-arch=sm_80"]
    flags += ["-DFASTNN_ISA=cuda", "-DFASTNN_TARGET_CUDA", "-Werror", "all-warnings"]
    flags += ["-Xcompiler", "-Wall,-Wextra,-Werror", f"-I{CSRC}", "-c", str(source)]
    made = subprocess.run(
        [str(NVCC), *flags, "-o", tmp_path / "a.o"], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
