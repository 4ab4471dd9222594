"""The CUDA kernels, compiled for the CPU with an emulation of CUDA's threads."""

import os
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE.parent.parent / "csrc"


def compiler() -> str | None:
    return os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")


def compile_stand_in(source: Path, library: Path, *flags: str) -> Path:
    """Compile a library that offers the functions of one of NVIDIA's."""
    common = ["-std=c++20", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler(), *common, *flags, source, "-o", library], check=True)
    return library


def compile_kernels(folder: Path) -> Path:
    """Compile csrc/cuda for the CPU into a library in ``folder``."""
    flags = ["-std=c++20", "-O1", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off"]
    flags += ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-DFASTNN_ISA=cuda"]
    flags += ["-DFASTNN_TARGET_CUDA", f"-I{HERE}", f"-I{SOURCES}"]
    if platform.machine() == "x86_64":
        flags.append("-mfma")

    def compile_one(source: Path) -> Path:
        out = folder / f"{source.stem}.o"
        subprocess.run([compiler(), *flags, "-xc++", "-c", source, "-o", out], check=True)
        return out

    with ThreadPoolExecutor(2) as pool:
        objects = list(
            pool.map(compile_one, [*sorted(SOURCES.glob("cuda/*.cu")), HERE / "graphs.cc"])
        )
    library = folder / "cuda_on_cpu.so"
    subprocess.run([compiler(), "-shared", *objects, "-o", library], check=True)
    return library
