"""A fit that can be watched. No Qt, no napari."""
