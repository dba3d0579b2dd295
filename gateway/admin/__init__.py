"""Spark's template service on the admin listener, and what Spark does not have: history, rollback, dry runs, keys."""
