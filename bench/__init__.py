"""The micro-benchmark suite: what is fast, how fast, against whom."""
