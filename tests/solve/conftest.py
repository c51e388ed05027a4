"""Problems small enough to solve in no time, and a look at what is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from solver.problem import Problem
from tests.core.instances import random_problem


@pytest.fixture(scope="session")
def problem() -> Problem:
    """A service and a batch job that can be served."""
    return random_problem(3, flows=1, batches=1, quota=0.0)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process, not even a dead one, no thread and no open file once a solve is over, beside those of other tests."""
    me = psutil.Process()
    others = {child.pid for child in me.children(recursive=True)}
    files, threads = me.num_fds(), threading.active_count()
    yield
    assert [child for child in me.children(recursive=True) if child.pid not in others] == []
    end = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < end:  # the tests' own threads come to their end
        time.sleep(0.01)
    assert threading.active_count() <= threads
    assert me.num_fds() <= files
