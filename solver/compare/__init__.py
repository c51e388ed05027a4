"""Models side by side: what they need, how fast they are, what they cost, and where one overtakes another."""

from .cluster import Cluster, ClusterAccelerators, ClusterNode, read_cluster
from .demand import Demand
from .result import ComparisonReport
from .run import compare_models

__all__ = [
    "Cluster",
    "ClusterAccelerators",
    "ClusterNode",
    "ComparisonReport",
    "Demand",
    "compare_models",
    "read_cluster",
]
