"""The same work on orch_nb and on its peers, side by side in one run: `make bench`."""
