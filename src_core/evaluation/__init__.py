"""Models scored on labelled scans."""
