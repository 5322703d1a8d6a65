"""Template space, and what is seen of a scan at a point of it."""
