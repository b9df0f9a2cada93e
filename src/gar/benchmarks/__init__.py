"""Benchmarks: the same questions put to every system, and answers scored by the published rules."""
