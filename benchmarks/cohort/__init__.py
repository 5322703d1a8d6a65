"""What a study costs besides its fits."""
