"""Changes of a scan: as it might also have come."""
