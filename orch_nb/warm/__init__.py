"""Commands and sessions that start at once: processes kept ready between runs, by a daemon."""
