"""Plan the cheapest GPU fleet for a set of workloads: load a spec, solve it, check the plan.

    problem = solver.load("fleet.yaml")
    plan = solver.solve(problem)
    plan.to_frame("purchases")

Every name is imported when it is first used, so that `import solver` costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from . import errors

if TYPE_CHECKING:
    from . import finance
    from .advise import advise
    from .calendar import Horizon, Scenario
    from .check import check
    from .compare import ComparisonReport, compare_models
    from .enumerate import NamedLimits, NamedQuota, enumerate_problem
    from .plan import Plan
    from .problem import Limits, Problem
    from .slices import assign_slices
    from .solve import solve
    from .spec import load
    from .workloads import Batch, Serving, Traffic, Training

__version__ = "0.1.0"
__all__ = [
    "Batch",
    "ComparisonReport",
    "Horizon",
    "Limits",
    "NamedLimits",
    "NamedQuota",
    "Plan",
    "Problem",
    "Scenario",
    "Serving",
    "Traffic",
    "Training",
    "__version__",
    "advise",
    "assign_slices",
    "check",
    "compare_models",
    "enumerate_problem",
    "errors",
    "finance",
    "load",
    "solve",
]
_HOMES = MappingProxyType(
    {
        "advise": "advise",
        "assign_slices": "slices",
        "compare_models": "compare",
        "ComparisonReport": "compare",
        "load": "spec",
        "solve": "solve",
        "check": "check",
        "enumerate_problem": "enumerate",
        "NamedLimits": "enumerate",
        "NamedQuota": "enumerate",
        "Horizon": "calendar",
        "Scenario": "calendar",
        "Problem": "problem",
        "Limits": "problem",
        "Plan": "plan",
        "Serving": "workloads",
        "Training": "workloads",
        "Batch": "workloads",
        "Traffic": "workloads",
    }
)


class _Package(ModuleType):
    """This package: `solver.solve` and `solver.check` are the functions, also once their modules are imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name == "finance":
        return import_module(".finance", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)


sys.modules[__name__].__class__ = _Package
