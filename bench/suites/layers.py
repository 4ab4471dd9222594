"""Layers of networks as cases of ops, drawn by the specs' own means."""

from math import prod
from typing import Any, NamedTuple

from fastnn.nn import Module
from fastnn.specs import Case, batch_norm, conv2d, linear, optimizer_steps, softmax_cross_entropy
from fastnn.specs._spec import normal

Shape = tuple[int, ...]


class Item(NamedTuple):
    """An op and the arguments to call it with."""

    op: str
    case: Case


def conv(
    n: int,
    channels: int,
    size: int,
    out: int,
    kernel: int | tuple[int, int] = 3,
    stride: int = 1,
    *,
    groups: int = 1,
    padding: int | tuple[int, int] | None = None,
    **options: Any,
) -> Item:
    """A convolution without bias that keeps the size, up to its stride, unless padding is given."""
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    kind = "depthwise " if groups == channels > 1 else ""
    label = f"{n}x{channels}x{size}x{size} -> {out}, {kind}{rows}x{columns}"
    if stride > 1:
        label += f"/{stride}"
    options |= {"stride": stride, "padding": rows // 2 if padding is None else padding}
    if groups > 1:
        options["groups"] = groups
    weight = (out, channels // groups, rows, columns)
    case = conv2d.case(label, (n, channels, size, size), weight, bias=False, **options)
    return Item("conv2d", case)


def norm(n: int, channels: int, size: int, **options: Any) -> Item:
    """BatchNorm in training, with ReLU unless told otherwise."""
    options = {"activation": "relu", **options}
    label = f"{n}x{channels}x{size}x{size}, {options['activation']}"
    if options.get("residual"):
        label += ", residual"
    return Item("batch_norm", batch_norm.case(label, (n, channels, size, size), **options))


def dense(rows: int, features: int, out: int, **options: Any) -> Item:
    label = str(options.get("activation") or "")
    return Item("linear", linear.case(features, out, rows, label=label, **options))


def pointwise(op: str, *shape: int, arrays: tuple[str, ...] = ("x",), **options: Any) -> Item:
    """An op whose arrays all have the same shape."""
    label = "x".join(map(str, shape))
    return Item(op, normal(label, dict.fromkeys(arrays, shape), **options))


def max_pool(n: int, channels: int, size: int, kernel: int, **options: Any) -> Item:
    label = f"{n}x{channels}x{size}x{size}, {kernel}x{kernel}"
    x = {"x": (n, channels, size, size)}
    return Item("max_pool2d", normal(label, x, kernel_size=kernel, **options))


def mean_pool(n: int, channels: int, size: int) -> Item:
    label, x = f"{n}x{channels}x{size}x{size}", {"x": (n, channels, size, size)}
    return Item("adaptive_avg_pool2d", normal(label, x, output_size=1))


def loss(rows: int, classes: int, **options: Any) -> Item:
    case = softmax_cross_entropy.case(f"{rows}x{classes}", rows, classes, **options)
    return Item("softmax_cross_entropy", case)


STEPS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "sgd_step_": (optimizer_steps.SGD, {"lr": 0.1, "momentum": 0.9}),
    "adam_step_": (optimizer_steps.ADAM, {"lr": 0.001, "step": 1}),
}


def update(op: str, shapes: list[Shape]) -> Item:
    """An optimizer's step over parameters of these shapes."""
    roles, options = STEPS[op]
    label = f"{len(shapes)} arrays, {sum(map(prod, shapes)) / 1e6:.3g} M values"
    return Item(op, optimizer_steps.case(label, roles, *shapes, **options))


def parameters(model: Module) -> list[Shape]:
    """The shapes of a network's parameters."""
    return [parameter.shape for parameter in model.parameters()]
