"""The processes of ``gateway serve``: one that keeps the others, and those that answer requests."""
