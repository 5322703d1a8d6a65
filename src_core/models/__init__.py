"""Model files: shared weights with a card, those of the package among them."""
