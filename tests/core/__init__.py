"""Tests of the model, the engine and the check."""
