"""Tests of replays over traces."""
