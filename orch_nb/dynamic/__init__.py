"""Flows that decide as they run: calls of functions and cells, their futures, and who runs them."""
