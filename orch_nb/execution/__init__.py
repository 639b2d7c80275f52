"""What runs inside a worker process: the shell, the values, and the one `execute`."""
