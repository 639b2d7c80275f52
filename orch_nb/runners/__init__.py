"""Where task runs execute: processes on this machine, or a kernel of the notebook's own."""
