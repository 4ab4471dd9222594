"""Fixtures for the whole suite."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastnn

# bench is not installed; last, so that an installed fastnn is found before the source tree's
sys.path.append(str(Path(__file__).parent.parent))


@pytest.fixture(params=fastnn.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every instruction set that this machine has, one after the other."""
    before = fastnn.get_isa()
    fastnn.set_isa(request.param)
    yield request.param
    fastnn.set_isa(before)


@pytest.fixture(params=[1, 2, 3, 7])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Thread counts below, at and above what the machine has."""
    with fastnn.threads(request.param):
        yield request.param
