"""orch_nb: run the notebook you already have as a flow."""

__version__ = "0.1.0"
