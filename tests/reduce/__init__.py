"""Exact reductions of planning problems."""
