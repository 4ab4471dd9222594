"""``Module``: forward, backward, the tree of layers and its state."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from ..cuda._arrays import Place, assign, dtype_of, moved, place_named, to_host
from ..init import derive_seed
from .parameter import Parameter

if TYPE_CHECKING:
    from ..summary import Summary


class LoadResult(NamedTuple):
    """Keys that ``load_state_dict`` did not find or did not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of all layers: ``y = module(x)``, then ``dx = module.backward(dy)``.

    There is no tape. In training mode ``forward`` keeps what ``backward`` needs and ``backward``
    frees it; in eval mode ``forward`` keeps nothing. ``backward`` adds to the parameters'
    gradients. Parameters and children are the attributes of those types whose name has no leading
    underscore; buffers are named by :meth:`register_buffer`.
    """

    training: bool = True
    _saved: Any = None
    _transient: tuple[str, ...] = ("_saved", "forward")
    _buffers: tuple[str, ...] = ()
    rng: tuple[int, int] | None = None
    """(seed, offset) of a random layer: its stream and how many numbers of it are used up."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.forward(x)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Output for the input ``x``."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        """Add the parameters' gradients and return that of the input.

        Parameters
        ----------
        dy : ndarray
            Gradient of the loss with respect to the last forward's output.
        input_grad : bool
            False: the input's gradient is not needed, nothing is computed for it and None is
            returned.

        Raises
        ------
        RuntimeError
            No forward in training mode has run since the last backward.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def _take(self) -> Any:
        """What the last forward kept; it is given out once."""
        saved = self._saved
        if saved is None:
            raise RuntimeError(
                f"{type(self).__name__}.backward needs a forward in training mode before it "
                "(for BatchNorm with fixed statistics use freeze(statistics=True), not eval())"
            )
        self._saved = None
        return saved

    def release(self) -> None:
        """Free what the last forward kept, here and below, when no backward will follow."""
        for module in self.modules():
            module._saved = None

    # --- the tree ---------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Direct children with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Module) and not name.startswith("_"):
                yield name, value

    def children(self) -> Iterator["Module"]:
        """Direct children."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, with dotted names.

        A child whose name is empty is part of its parent: its own children come, it does not.
        """
        yield prefix, self
        for name, child in self.named_children():
            below = child.named_modules(".".join(filter(None, (prefix, name))))
            if not name:
                next(below)
            yield from below

    def modules(self) -> Iterator["Module"]:
        """This module and all below it."""
        yield self
        for _, child in self.named_children():
            yield from child.modules()

    def apply(self, fn: Callable[["Module"], object]) -> Self:
        """Call ``fn`` with every layer, children before the containers that they are in."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their ``state_dict`` keys."""
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and not name.startswith("_"):
                    yield f"{prefix}.{name}" if prefix else name, value

    def parameters(self) -> Iterator[Parameter]:
        """All parameters."""
        for _, parameter in self.named_parameters():
            yield parameter

    def register_buffer(self, name: str, value: np.ndarray) -> None:
        """Make ``value`` an attribute that is saved but not trained."""
        self._buffers = (*self._buffers, name)
        setattr(self, name, value)

    def named_buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        """All buffers with their ``state_dict`` keys."""
        for prefix, module in self.named_modules():
            for name in module._buffers:
                yield f"{prefix}.{name}" if prefix else name, getattr(module, name)

    def buffers(self) -> Iterator[np.ndarray]:
        """All buffers."""
        for _, buffer in self.named_buffers():
            yield buffer

    # --- modes ------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set eval mode here and below."""
        return self.train(False)

    def freeze(self, *, statistics: bool = False) -> Self:
        """Stop training the parameters here and below.

        Parameters
        ----------
        statistics : bool
            True: BatchNorm layers also normalise with their running statistics and no longer
            adapt them, in training mode too.
        """
        return self._set_frozen(True, statistics)

    def unfreeze(self) -> Self:
        """Undo :meth:`freeze`, statistics included."""
        return self._set_frozen(False, False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train the parameters here and below, or stop training them; statistics stay."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def _set_frozen(self, frozen: bool, statistics: bool) -> Self:
        for module in self.modules():
            for value in vars(module).values():
                if isinstance(value, Parameter):
                    value.requires_grad = not frozen
            if hasattr(module, "frozen_statistics"):
                module.frozen_statistics = statistics
        return self

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def reset_parameters(self, seed: int) -> Self:
        """Draw all weights anew; every layer gets a stream of its own, derived from ``seed``."""
        for index, (_, child) in enumerate(self.named_children()):
            child.reset_parameters(derive_seed(seed, index))
        return self

    def fuse(self) -> "Module":
        """Inference copy with every BatchNorm folded into the conv or linear before it.

        The copy is in eval mode, shares no memory with this model and is not meant to be trained.
        """
        from .fuse import fuse

        return fuse(self)

    def summary(
        self,
        input_shape: Sequence[int],
        *,
        depth: int | None = None,
        dtype: DTypeLike | None = None,
    ) -> "Summary":
        """Table of all layers: output shapes, parameters, FLOPs, memory of the outputs.

        Parameters
        ----------
        input_shape : sequence of int
            With the batch: (1, 3, 32, 32).
        depth : int, optional
            Count what lies deeper with its container; 1 shows the children alone.
        dtype : float32 or float64, optional
            Of the input; None: that of the first parameter, else float32.

        Returns
        -------
        fastnn.summary.Summary
            ``print`` it, or read its ``layers``.

        Raises
        ------
        ValueError
            The model does not take an input of that shape, or ``depth`` is below 1.
        """
        from ..summary import summary

        return summary(self, input_shape, depth=depth, dtype=dtype)

    def to(self, device: str, *, library: str = "cupy") -> Self:
        """Move parameters, their gradients and buffers to a device; counters stay on the CPU.

        An optimizer is made after the move: its flat buffers are where the parameters are.

        Parameters
        ----------
        device : "cpu", "cuda" or "cuda:N"
            "cuda" is the first CUDA device.
        library : "cupy" or "torch"
            Whose arrays they become on a CUDA device; the model's inputs must be that library's.

        Raises
        ------
        TypeError
            The device is not a string.
        ValueError
            Another device or library.
        ImportError
            The library is not installed.
        RuntimeError
            CUDA cannot be used here; the message says why.
        """
        return self._to_place(place_named(device, library))

    def _to_place(self, place: Place | None) -> Self:
        self.release()
        for parameter in self.parameters():
            parameter.to(place)
        for module in self.modules():
            for name in module._buffers:
                buffer = getattr(module, name)
                if dtype_of(buffer).kind == "f":
                    setattr(module, name, moved(buffer, place))
        return self

    # --- state ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """NumPy copies of all parameters and buffers, C-contiguous, under PyTorch's keys."""
        return {name: np.array(to_host(array), order="C") for name, array in self._named_state()}

    def _named_state(self) -> Iterator[tuple[str, np.ndarray]]:
        """Parameters, then buffers, module by module: the order of PyTorch's ``state_dict``."""
        for prefix, module in self.named_modules():
            dot = f"{prefix}." if prefix else ""
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and not name.startswith("_"):
                    yield dot + name, value.data
            for name in module._buffers:
                yield dot + name, getattr(module, name)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Copy ``state`` into the parameters and buffers; nothing is written if it does not fit.

        Parameters
        ----------
        state : mapping of str to array
            NumPy arrays or anything ``numpy.asarray`` takes. Floats are converted to the dtype of
            the parameter.
        strict : bool
            False: keys that are missing or unexpected are returned, not raised.

        Raises
        ------
        KeyError
            Keys are missing or unexpected (``strict=True``).
        ValueError
            A shape differs, whatever ``strict`` is.
        TypeError
            A dtype is of another kind.
        """
        own = dict(self._named_state())
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        if strict and (missing or unexpected):
            raise KeyError(
                f"load_state_dict: missing keys {missing or 'none'}, "
                f"unexpected keys {unexpected or 'none'}"
            )
        arrays = {name: to_host(state[name]) for name in own if name in state}
        for name, array in arrays.items():
            if array.shape != own[name].shape:
                raise ValueError(
                    f"load_state_dict: {name} must be of shape {own[name].shape}, got {array.shape}"
                )
            dtype = dtype_of(own[name])
            if array.dtype.kind != dtype.kind:
                raise TypeError(f"load_state_dict: {name} must be {dtype}, got {array.dtype}")
        for name, array in arrays.items():
            assign(own[name], array)
        return LoadResult(missing, unexpected)

    def rng_state(self) -> dict[str, tuple[int, int]]:
        """(seed, offset) of every random layer, by name: what exact resume needs."""
        return {name: m.rng for name, m in self.named_modules() if m.rng is not None}

    def load_rng_state(self, state: Mapping[str, tuple[int, int]]) -> None:
        """Continue the random streams of :meth:`rng_state`.

        Raises
        ------
        KeyError
            The names are not those of this model's random layers.
        """
        own = {name: m for name, m in self.named_modules() if m.rng is not None}
        if own.keys() != state.keys():
            raise KeyError(f"load_rng_state: expected {sorted(own)}, got {sorted(state)}")
        for name, module in own.items():
            seed, offset = state[name]
            module.rng = (seed, offset)

    def __getstate__(self) -> dict[str, Any]:
        """Pickles and copies leave out what the last forward kept, and hooks."""
        return {name: value for name, value in vars(self).items() if name not in self._transient}

    def extra_repr(self) -> str:
        """Arguments to show in the layer's line of ``repr``."""
        return ""

    def __repr__(self) -> str:
        lines = [
            f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()
        ]
        body = "\n  " + "\n  ".join(lines) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({body})"
