"""Policy: documents are compiled against a schema into an immutable Policy, and requests are decided against it."""
