"""Many scans: found, segmented by many processes, and told in tables and on a page."""
