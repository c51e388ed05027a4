"""Fits of the performance model, one module a part."""
