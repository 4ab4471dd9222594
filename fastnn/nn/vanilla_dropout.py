"""Dropout as the paper has it: scaled at test time."""

import numpy as np

from .dropout import Dropout


class VanillaDropout(Dropout):
    """Zeroes each value with probability ``p`` in training; in eval multiplies all by 1 - p.

    Training gives m * x with m from Bernoulli(1 - p), and eval (1 - p) * x, its expectation.
    :class:`Dropout` (inverted) gives m * x / (1 - p) and x: the same network, with the next layer's
    weight 1 - p times as large. Inverted dropout is what one uses, because eval then costs nothing.

    Parameters
    ----------
    p : float in [0, 1]
        Probability of dropping.
    seed : int, optional
        As in :class:`Dropout`; the masks are the same.

    References
    ----------
    Hinton et al., "Improving neural networks by preventing co-adaptation", arXiv:1207.0580, 2012;
    Srivastava et al., "Dropout", JMLR 15, 2014, section 10 on the inverted form.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        return super().forward(x) if self.training else super().forward(x) * (1 - self.p)

    def _drop(self, x: np.ndarray, **stream: int) -> np.ndarray:
        return super()._drop(x, **stream) * (1 - self.p)

    def _drop_backward(self, dy: np.ndarray, **stream: int) -> np.ndarray:
        return super()._drop_backward(dy, **stream) * (1 - self.p)
