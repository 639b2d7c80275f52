"""The dashboard: a page that needs nothing but this server."""
