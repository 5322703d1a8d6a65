"""Whole heads from elsewhere, segmented as a user would: how long, how well, what is warned of."""
