"""The performance model: memory, serving and training physics. It knows transformers, and nothing of money."""

from typing import TYPE_CHECKING, Any

from .architectures import Architecture, architecture, registry

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Architecture", "architecture", "registry"]
DOORS: "Mapping[str, str]" = {
    "predict_memory": "memory",
    "predict_serving": "serving",
    "predict_throughput": "throughput",
    "predict_training": "training",
}


def __getattr__(name: str) -> Any:
    """The doors for DataFrames, read when they are asked for: planning needs none of them."""
    if name not in DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".frames.{DOORS[name]}", __name__), name)
