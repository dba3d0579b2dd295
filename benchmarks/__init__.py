"""Measurements. Nothing here is a test: a number depends on the machine, a ratio of one run less so."""
