"""Workloads turn themselves into modes: one file a kind, one line here."""

from .base import Workload
from .batch import Batch
from .modes import Excuse, ModeTable
from .serving import PROFILES, Serving, Traffic
from .training import Training

KINDS = {kind.kind: kind for kind in (Serving, Training, Batch)}

__all__ = ["KINDS", "PROFILES", "Batch", "Excuse", "ModeTable", "Serving", "Traffic", "Training", "Workload"]
