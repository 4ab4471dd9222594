"""Named suites: the layers of real networks as cases of the ops.

A suite is a function that yields an op and a case of it for each distinct layer of the network, at
the batch its users train with. Two suites come from the specs alone: ``bench``, the cases that each
spec names for this purpose, and ``odd``, shapes that no kernel was made for.
"""

from collections.abc import Callable, Iterable, Mapping

from fastnn.specs import SPECS, Spec

from .. import UsageError
from . import cifar, dense, imagenet, odd
from .layers import Item

Suite = Callable[[Mapping[str, Spec]], Iterable[Item]]

SPECS_OWN = "bench"


def own(specs: Mapping[str, Spec]) -> Iterable[Item]:
    """The cases that each spec has for the benchmark."""
    return (Item(spec.name, case) for spec in specs.values() for case in spec.bench)


SUITES: dict[str, Suite] = {
    SPECS_OWN: own,
    "cifar-resnet20": lambda specs: cifar.resnet20(),
    "cifar-vgg": lambda specs: cifar.vgg(),
    "imagenet-resnet18": lambda specs: imagenet.resnet18(),
    "imagenet-resnet50": lambda specs: imagenet.resnet50(),
    "mobilenet": lambda specs: imagenet.mobilenet(),
    "mlp": lambda specs: dense.mlp(),
    "transformer-mlp": lambda specs: dense.transformer_mlp(),
    "odd": odd.odd,
}


def select(
    names: Iterable[str], ops: Iterable[str] = (), specs: Mapping[str, Spec] = SPECS
) -> list[tuple[str, Item]]:
    """(suite, item) of the named suites, each once; of the named ops alone, if any are named.

    Raises
    ------
    UsageError
        A suite or an op does not exist.
    """
    names, ops = list(names), set(ops)
    for kind, given, known in (("suite", names, SUITES), ("op", ops, specs)):
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise UsageError(f"unknown {kind} {', '.join(unknown)}; there are {', '.join(known)}")
    found = {
        (name, item.op, item.case.label): (name, item)
        for name in names
        for item in SUITES[name](specs)
        if not ops or item.op in ops
    }
    return list(found.values())
