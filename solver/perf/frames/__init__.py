"""Doors of the performance model: a DataFrame of configurations in, a DataFrame of predictions out, row by row."""
