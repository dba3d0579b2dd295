"""From a record as the upstream sent it to the bytes that leave: verified first, then an allow-list walk."""
