"""The stages of a training, one after another."""
