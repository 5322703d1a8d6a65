"""All that comes before the first step of a fit."""
