"""Settings of all the tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # more threads than cores only wait
    os.environ.setdefault(name, "1")
os.environ["AUTOPARALLEL_PRICES"] = ""  # packaged prices alone, whatever this machine's user has refreshed

settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def ctrl_c_works() -> Iterator[None]:
    """Also in the background of a shell, where interrupts are ignored, and after CP-SAT, which keeps the handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
