"""What a request is decided with: documents from files, keys, and the snapshot that holds them together."""
