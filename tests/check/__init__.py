"""Tests of the independent check and of the bill."""
