"""The performance model: memory, serving and training physics. It knows transformers, and nothing of money."""

from .architectures import Architecture, architecture, registry

__all__ = ["Architecture", "architecture", "registry"]
