"""A model trained further on scans that its user has corrected."""
