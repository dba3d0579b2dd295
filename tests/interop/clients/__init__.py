"""Programs of the clients of others: each asks what `tests/interop/test_clients.py` says and prints what it got."""
