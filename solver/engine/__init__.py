"""The engines: the only place that imports OR-Tools."""
