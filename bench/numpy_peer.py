"""NumPy as its users write it, where that differs from the reference.

The reference of an op is plain NumPy and the default peer; here stand the ops whose reference is
slower than need be, for the sake of a formula or of the bits of a random stream.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import reference
from fastnn.specs import Arrays, Options, Spec

from .timing import Call

rng = np.random.default_rng(0)


def calls(spec: Spec, arrays: Arrays, options: Options, dy: np.ndarray | None) -> dict[str, Call]:
    """The directions of an op over one set of arguments."""
    if spec.name in OWN:
        return OWN[spec.name](arrays, options, dy)
    if spec.loss:
        return {"both": lambda: spec.forward(reference, arrays, options)}
    made: dict[str, Call] = {"forward": lambda: spec.forward(reference, arrays, options)}
    if spec.backward is not None:
        backward = spec.backward
        outputs, saved = spec.forward(reference, arrays, options)
        made["backward"] = lambda: backward(reference, arrays, options, dy, outputs, saved)
    return made


def dropout(a: Arrays, o: Options, dy: Any) -> dict[str, Call]:
    """Mask and scale in one array of floats, kept for the backward."""
    x, p = a["x"], o.get("p", 0.5)

    def mask() -> np.ndarray:
        return (rng.random(x.shape, np.float32) >= p).astype(x.dtype) / x.dtype.type(1 - p)

    kept = mask()
    return {"forward": lambda: x * mask(), "backward": lambda: dy * kept}


def conv2d(a: Arrays, o: Options, dy: Any) -> dict[str, Call]:
    """Windows as a view, one matrix product over them: im2col."""
    stride, padding = o.get("stride", 1), o.get("padding", 0)
    plain = isinstance(stride, int) and isinstance(padding, int) and o.get("dilation", 1) == 1
    if not plain or o.get("groups", 1) > 1 or o.get("activation"):
        return {}
    x, w = a["x"], a["weight"]
    out, channels, rows, columns = w.shape
    matrix = w.reshape(out, -1).T
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))

    def unfold(image: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(image, (rows, columns), (2, 3))
        windows = windows[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)
        return windows.reshape(-1, channels * rows * columns)

    def forward() -> np.ndarray:
        image = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        y = unfold(image) @ matrix
        if a.get("bias") is not None:
            y += a["bias"]
        return y.reshape(len(x), *dy.shape[2:], out).transpose(0, 3, 1, 2)

    kept = unfold(padded)

    def backward() -> list[np.ndarray]:
        flat = dy.transpose(0, 2, 3, 1).reshape(-1, out)
        dw = (flat.T @ kept).reshape(w.shape)
        taps = (flat @ matrix.T).reshape(len(x), *dy.shape[2:], channels, rows, columns)
        dx = np.zeros_like(padded)
        height, width = (stride * (n - 1) + 1 for n in dy.shape[2:])
        for i in range(rows):
            for j in range(columns):
                part = dx[:, :, i : i + height : stride, j : j + width : stride]
                part += taps[..., i, j].transpose(0, 3, 1, 2)
        inner = slice(padding, -padding or None)
        return [dx[:, :, inner, inner], dw, flat.sum(0)]

    return {"forward": forward, "backward": backward}


OWN: dict[str, Callable[[Arrays, Options, Any], dict[str, Call]]] = {
    "conv2d": conv2d,
    "dropout": dropout,
}
