"""Values at rest: content-addressed files, signed by the store's key, mapped when read."""
