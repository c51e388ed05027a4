"""Contradictions: which limits give way."""
