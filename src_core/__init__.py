"""Engine of napari-metaseg: brain MRI segmentation with a coordinate network."""
