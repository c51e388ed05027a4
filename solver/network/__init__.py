"""Communication times from latency and bandwidth."""

from .collectives import Link, all_gather, all_reduce, all_to_all, hierarchical_all_reduce, point_to_point

__all__ = ["Link", "all_gather", "all_reduce", "all_to_all", "hierarchical_all_reduce", "point_to_point"]
