"""`orch-nb …`: commands over the use cases in `orch_nb.app`, and the terminal's live view."""
