"""A policy-enforcing reverse proxy for RESO Web API servers."""

__version__ = "0.1.0"
