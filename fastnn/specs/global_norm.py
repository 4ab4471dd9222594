"""Norm of all elements of a list of arrays."""

from typing import Any

import numpy as np

from ._spec import Arrays, Case, Cost, Error, Options, Spec, f32, nbytes, rounding


def arrays(a: Arrays) -> list[np.ndarray]:
    """The argument as a list."""
    return [a["arrays"]] if isinstance(a["arrays"], np.ndarray) else a["arrays"]


def norm_case(label: str, *shapes: tuple[int, ...], special: float | None = None) -> Case:
    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        drawn = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
        if special is not None:
            drawn[-1].flat[-1] = special
        return {"arrays": drawn[0] if len(shapes) == 1 else drawn}, {}

    return Case(label, make, kernel=any(0 not in shape for shape in shapes))


def norm_bound(a: Arrays, o: Options, eps: float) -> Arrays:
    listed = arrays(a)
    norm = np.sqrt(sum(np.sum(np.square(v)) for v in listed))
    return {"norm": rounding(sum(v.size for v in listed), eps) * norm}


SPECS = (
    Spec(
        name="global_norm",
        cases=(
            norm_case("a list", (5, 13), (0,), (1,), (15,), (16,), (17,), (67,), (2, 3, 4, 5)),
            norm_case("one array", (5, 13)),
            norm_case("one empty array", (0,)),
            norm_case("a NaN", (19,), (3,), special=np.nan),
            norm_case("an infinity", (67,), special=np.inf),
        ),
        forward=lambda ns, a, o: ({"norm": ns.global_norm(a["arrays"])}, None),
        bound=norm_bound,
        cost=lambda a, o, y: Cost(
            2 * sum(v.size for v in arrays(a)),
            nbytes(a["arrays"]),
        ),
        primary="norm",
        layout="own",
        errors=(
            Error(
                "integers",
                lambda ns: ns.global_norm(np.arange(3)),
                TypeError,
                r"^global_norm: arrays must be .*got int64",
            ),
            Error(
                "two dtypes",
                lambda ns: ns.global_norm([f32(3), np.ones(3)]),
                TypeError,
                r"^global_norm: arrays.* must be .*float32.*got float64",
            ),
        ),
        large=(norm_case("many", (700, 1001), (300_007,), (5,)),),
        bench=(norm_case("2^24 values", (1 << 24,)),),
    ),
)
