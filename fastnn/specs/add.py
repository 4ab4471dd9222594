"""Sum of two arrays."""

from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes, normal

SHAPES = ((), (1,), (3,), (4,), (5,), (15,), (16,), (17,), (0, 3), (2, 3, 4, 5), (2, 17, 3, 3))


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.add(a["x"], a["other"])}, None


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(y["y"].size, nbytes(a["x"], a["other"], y["y"]))


def both(label: str, shape: tuple[int, ...]) -> Case:
    return normal(label, {"x": shape, "other": shape})


SPECS = (
    Spec(
        name="add",
        cases=tuple(both(f"{shape}", shape) for shape in SHAPES),
        forward=forward,
        cost=cost,
        layout="own",
        errors=(
            Error(
                "shapes that would broadcast",
                lambda ns: ns.add(f32(2, 3), f32(1, 3)),
                ValueError,
                r"^add: other must be .*\(2, 3\), got float32 \(1, 3\)",
            ),
        ),
        large=(both("images", (4, 64, 63, 65)),),
        bench=(
            both("2^24 values", (1 << 24,)),
            both("CIFAR ResNet-20 stage 1, batch 128", (128, 16, 32, 32)),
        ),
    ),
)
