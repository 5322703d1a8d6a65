"""Damaged files for all that reads files of users."""
