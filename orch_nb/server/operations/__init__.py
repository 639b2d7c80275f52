"""What the routes do, a module for each part of the API; imported when first asked for."""
