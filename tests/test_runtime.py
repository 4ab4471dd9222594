"""Threads, memory, dispatch and import: the promises of the mechanisms."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastnn
import fastnn.functional as F
from fastnn import _core


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, where the variables below are unset unless given.

    -P keeps the source tree out of the way of the installed package.
    """
    unset = ("FASTNN_ISA", "FASTNN_NUM_THREADS", "OMP_NUM_THREADS", "FASTNN_CONV_ALGORITHM")
    env = {k: v for k, v in os.environ.items() if k not in unset} | environment
    return subprocess.run(
        [sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, timeout=120
    )


def printed(code: str, **environment: str) -> str:
    result = python(code, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def some_convolution(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((8, 16, 20, 20), dtype=np.float32)
    return F.conv2d(x, rng.standard_normal((32, 16, 3, 3), dtype=np.float32), padding=1)


# ---- instruction sets ----


def test_environment_forces_an_isa():
    for isa in fastnn.available_isas():
        assert printed("import fastnn; print(fastnn.get_isa())", FASTNN_ISA=isa) == isa


def test_unknown_isa_in_the_environment_names_the_choices():
    result = python("import fastnn", FASTNN_ISA="sse9")
    assert result.returncode != 0
    assert all(word in result.stderr for word in ("ImportError", "baseline", "sse9"))


@pytest.mark.parametrize(
    "setting, default, other, wrong",
    [
        ("conv_algorithm", "auto", "direct", "fft"),
        ("float32_matmul_precision", "highest", "medium", "low"),
    ],
)
def test_environment_sets(setting, default, other, wrong):
    code, variable = f"import fastnn; print(fastnn.get_{setting}())", f"FASTNN_{setting.upper()}"
    assert printed(code) == default
    assert printed(code, **{variable: other}) == other
    result = python(code, **{variable: wrong})
    assert result.returncode != 0
    assert all(word in result.stderr for word in ("ImportError", default, other, wrong))


def test_set_isa_rejects_what_the_machine_cannot_run():
    with pytest.raises(ValueError, match=r"set_isa: isa must be one of .*, got 'mmx'"):
        fastnn.set_isa("mmx")


def test_kernel_calls_count_the_active_isa():
    for isa in fastnn.available_isas():
        before = _core.kernel_calls()
        previous = fastnn.get_isa()
        fastnn.set_isa(isa)
        try:
            F.relu(np.ones(3, np.float32))
        finally:
            fastnn.set_isa(previous)
        after = _core.kernel_calls()
        assert {k for k in after if after[k] > before[k]} == {isa}


# ---- threads ----


def test_thread_count_from_the_environment():
    code = "import fastnn; print(fastnn.get_num_threads())"
    assert printed(code, OMP_NUM_THREADS="3") == "3"
    assert printed(code, OMP_NUM_THREADS="3", FASTNN_NUM_THREADS="5") == "5"
    assert printed(code, FASTNN_NUM_THREADS="nonsense", OMP_NUM_THREADS="2,1") == "2"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks here")
def test_thread_count_follows_the_affinity_mask():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "import fastnn; print(fastnn.get_num_threads())"
    )
    assert printed(code) == "1"


def test_threads_context_restores():
    before = fastnn.get_num_threads()
    with fastnn.threads(before + 2):
        assert fastnn.get_num_threads() == before + 2
    assert fastnn.get_num_threads() == before
    for bad in (0, -1):
        with pytest.raises(ValueError, match="set_num_threads: n must be"):
            fastnn.set_num_threads(bad)
    with pytest.raises(TypeError, match="set_num_threads: n must be an integer"):
        fastnn.set_num_threads(2.5)  # type: ignore[arg-type]


def test_parallel_region_really_uses_two_threads():
    # Both blocks wait for each other; alone, the region would wait a million spins a repeat.
    assert _core.parallel_region_seconds(2, 1000) < 1e-3


def test_python_threads_get_the_same_bits():
    expected = some_convolution().tobytes()
    results: list[bytes] = []

    def work() -> None:
        for _ in range(20):
            results.append(some_convolution().tobytes())

    with fastnn.threads(2):
        workers = [threading.Thread(target=work) for _ in range(6)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
    assert len(results) == 120 and set(results) == {expected}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_survives_fork_after_use():
    code = """
import os, numpy as np, fastnn, fastnn.functional as F
fastnn.set_num_threads(2)
x = np.ones((8, 64, 32, 32), np.float32)
w = np.ones((64, 64, 3, 3), np.float32)
expected = F.conv2d(x, w).tobytes()
for _ in range(10):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if F.conv2d(x, w).tobytes() == expected else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert F.conv2d(x, w).tobytes() == expected
print("alive")
"""
    assert printed(code) == "alive"


def test_threadpoolctl_sees_and_limits():
    code = """
import numpy, threadpoolctl, fastnn
fastnn.set_num_threads(2)
find = lambda: [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "fastnn"]
assert [i["num_threads"] for i in find()] == [2], find()
with threadpoolctl.threadpool_limits(1):
    assert fastnn.get_num_threads() == 1
assert fastnn.get_num_threads() == 2
print("ok")
"""
    pytest.importorskip("threadpoolctl")
    assert printed(code) == "ok"


# ---- memory ----


def test_outputs_are_aligned_and_reused():
    x = np.ones((16, 64), np.float32)
    first = F.relu(x)
    address = first.ctypes.data
    assert address % 64 == 0
    del first
    assert F.relu(x).ctypes.data == address


def test_memory_statistics_and_empty_cache():
    fastnn.empty_cache()
    before = fastnn.memory_stats()
    y = F.relu(np.ones(1 << 20, np.float32))
    during = fastnn.memory_stats()
    assert 4 << 20 <= during["in_use_bytes"] - before["in_use_bytes"] <= 5 << 20
    assert during["system_allocations"] > before["system_allocations"]
    del y
    after = fastnn.memory_stats()
    assert after["in_use_bytes"] == before["in_use_bytes"] and after["cached_bytes"] >= 4 << 20
    fastnn.empty_cache()
    assert fastnn.memory_stats()["cached_bytes"] == 0


def test_cache_stays_bounded_under_changing_shapes():
    rng = np.random.default_rng(0)
    fastnn.empty_cache()
    for _ in range(300):
        F.relu(np.ones(int(rng.integers(1, 1 << 20)), np.float32))
    stats = fastnn.memory_stats()
    assert stats["cached_bytes"] <= 1.5 * stats["peak_bytes"] + (64 << 20)


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted on Linux")
def test_a_warm_training_step_makes_no_page_faults():
    code = """
import resource, numpy as np, fastnn
from fastnn import functional as F, models, optim
model = models.resnet(8)
optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
rng = np.random.default_rng(0)
x = fastnn.channels_last(rng.standard_normal((64, 3, 32, 32), dtype=np.float32))
t = rng.integers(0, 10, 64)
def step():
    loss, dlogits = F.softmax_cross_entropy(model(x), t)
    optimizer.zero_grad()
    model.backward(dlogits, input_grad=False)
    optimizer.step()
for _ in range(25):  # beside other work a thread may touch its scratch for the first time late
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    # A page holds 4 KB; one step's activations alone are 10,000 pages.
    assert int(printed(code)) <= 10


# ---- import ----


def test_import_is_light():
    code = """
import sys, threading, time, numpy
before = set(sys.modules)
start = time.perf_counter()
import fastnn
seconds = time.perf_counter() - start
new = {m.split(".")[0] for m in set(sys.modules) - before}
assert threading.active_count() == 1 and len(__import__("os").listdir("/proc/self/task")) == tasks
print(seconds)
"""
    code = "import os; tasks = 0\n" + code.replace(
        "before = set", "tasks = len(os.listdir('/proc/self/task'))\nbefore = set"
    )
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("threads are counted on Linux")
    assert min(float(printed(code)) for _ in range(5)) < 0.030


def test_import_brings_no_extra():
    extras = ("safetensors", "tqdm", "matplotlib")
    code = f"import fastnn, sys; print([m for m in {extras} if m in sys.modules])"
    assert printed(code) == "[]"


def test_show_config_lists_everything(capsys):
    fastnn.show_config()
    out = capsys.readouterr().out
    for word in ("fastnn", "build", "numpy", "isa", "threads", fastnn.get_isa()):
        assert word in out
