"""The prover: a machine that tries to break G1 to G6. ``python -m tests.proof --help``; docs/proof.md explains it.

Two gateways of one configuration stand in front of two databases that agree on what the policy permits, and are asked
the same. Whatever decides here what is permitted, and what the right answer is, is written a second time in plain loops
and imports nothing from ``gateway.policy``.
"""
