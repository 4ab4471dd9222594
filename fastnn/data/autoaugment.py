"""AutoAugment, RandAugment and TrivialAugment on single images.

Each is called as ``f(image, rng)`` with an image (H, W, C) of uint8, values from 0 to 255, and a
``numpy.random.Generator``, from which alone it draws; it may return the image that it was given,
and never writes to it. The operations are those of ``policy_ops``; where the tables have an amount
with two signs, either has the same chance, as in torchvision. Keywords of all three:

interpolation : "nearest" (default, as published) or "bilinear"
fill : int or tuple of int, default 0
backend : "pillow" (default) or "opencv"
"""

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from ._images import need_image
from .geometry import Warp, need_warp
from .policies import CANDIDATES, NO_AMOUNT, POLICIES, RANGES, WIDE_RANGES, Step, SubPolicy
from .policy_ops import amount_at, apply

LEVELS = 10
"""Magnitudes of AutoAugment: 0 to 9."""

TRIVIAL_LEVELS = 31


class _Policy:
    """What the three have in common."""

    ranges = RANGES

    def __init__(self, warp: Warp) -> None:
        need_warp(type(self).__name__, warp)
        self.warp: Warp = {"interpolation": "nearest", **warp}

    def _step(self, name: str, image: np.ndarray, level: float, negative: bool) -> np.ndarray:
        amount = amount_at(level, name, self.ranges, image)
        if negative and name in self.ranges and self.ranges[name].signed:
            amount = -amount
        return apply(name, image, amount, **self.warp)


class AutoAugment(_Policy):
    """One sub-policy of a learned policy: two operations, each with its probability.

    The papers' recipes flip and crop as well, and cut out a square afterwards.

    Parameters
    ----------
    policy : "imagenet", "cifar10", "svhn", or a sequence of sub-policies
        See ``policies``.
    **warp
        See the module.

    Raises
    ------
    ValueError
        The policy is unknown, empty, or one of its steps is no operation, probability or magnitude.

    References
    ----------
    Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data", CVPR 2019.
    """

    def __init__(
        self, policy: str | Sequence[SubPolicy] = "imagenet", **warp: Unpack[Warp]
    ) -> None:
        super().__init__(warp)
        self.name = policy if isinstance(policy, str) else f"{len(policy)} sub-policies"
        if isinstance(policy, str):
            if policy not in POLICIES:
                raise ValueError(
                    f"AutoAugment: policy must be one of {', '.join(POLICIES)} or a sequence of "
                    f"sub-policies, got {policy!r}"
                )
            policy = POLICIES[policy]
        self.policy = tuple(policy)
        if not self.policy:
            raise ValueError("AutoAugment: policy must have a sub-policy, got none")
        for step in (step for sub_policy in self.policy for step in sub_policy):
            _check(step)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The image after a sub-policy drawn at random."""
        image = need_image("AutoAugment", image)
        for name, p, magnitude in self.policy[rng.integers(len(self.policy))]:
            chance, sign = rng.random(2)
            if chance < p:
                image = self._step(name, image, (magnitude or 0) / (LEVELS - 1), sign < 0.5)
        return image

    def __repr__(self) -> str:
        return f"AutoAugment({self.name})"


def _check(step: Step) -> None:
    name, p, magnitude = step
    if name in NO_AMOUNT:
        known = magnitude is None
    else:
        known = name in RANGES and magnitude is not None and 0 <= magnitude < LEVELS
    if not known or not 0 <= p <= 1:
        raise ValueError(
            "AutoAugment: policy must have steps (operation, probability, magnitude 0 to 9, None "
            f"for {', '.join(NO_AMOUNT)}), got {step}"
        )


class RandAugment(_Policy):
    """``num_ops`` operations drawn from 14, all of one magnitude.

    Parameters
    ----------
    num_ops : int
    magnitude : int
        From 0 to ``num_magnitude_bins`` - 1.
    num_magnitude_bins : int
    **warp
        See the module.

    Raises
    ------
    ValueError
        ``num_ops`` is negative, or ``magnitude`` outside its bins.

    References
    ----------
    Cubuk, Zoph, Shlens and Le, "RandAugment: Practical automated data augmentation with a reduced
    search space", NeurIPS 2020.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        **warp: Unpack[Warp],
    ) -> None:
        super().__init__(warp)
        if num_ops < 0:
            raise ValueError(f"RandAugment: num_ops must not be negative, got {num_ops}")
        if num_magnitude_bins < 2 or not 0 <= magnitude < num_magnitude_bins:
            raise ValueError(
                "RandAugment: magnitude must be from 0 to num_magnitude_bins - 1 = "
                f"{num_magnitude_bins - 1}, got {magnitude}"
            )
        self.num_ops, self.magnitude = num_ops, magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The image after ``num_ops`` operations."""
        image = need_image("RandAugment", image)
        level = self.magnitude / (self.num_magnitude_bins - 1)
        for choice, sign in zip(
            rng.integers(len(CANDIDATES), size=self.num_ops), rng.random(self.num_ops), strict=True
        ):
            image = self._step(CANDIDATES[choice], image, level, sign < 0.5)
        return image

    def __repr__(self) -> str:
        return f"RandAugment({self.num_ops}, {self.magnitude}, {self.num_magnitude_bins})"


class TrivialAugmentWide(_Policy):
    """One operation drawn from 14, of a magnitude drawn from a wide range: nothing to tune.

    Parameters
    ----------
    **warp
        See the module.

    References
    ----------
    Mueller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
    ICCV 2021.
    """

    ranges = WIDE_RANGES

    def __init__(self, **warp: Unpack[Warp]) -> None:
        super().__init__(warp)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The image after one operation."""
        image = need_image("TrivialAugmentWide", image)
        choice, level = rng.integers([len(CANDIDATES), TRIVIAL_LEVELS])
        return self._step(
            CANDIDATES[choice], image, level / (TRIVIAL_LEVELS - 1), rng.random() < 0.5
        )

    def __repr__(self) -> str:
        return "TrivialAugmentWide()"
