"""What comes out of a fit: label maps, measures, reports, pictures."""
