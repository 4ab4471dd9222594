"""The micro-benchmark suite: what is fast, how fast, against whom, how far from the limit."""


class UsageError(ValueError):
    """What was asked for does not exist; the message lists what does."""
