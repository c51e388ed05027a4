"""Tests of spot traces, risk and throughput."""
