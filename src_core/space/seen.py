"""What is seen of a scan at a point, and in which order; needs no torch."""

BLURS = (0.0, 1.0, 2.0, 4.0)
"""Gaussian sigmas of the scan's intensities that are seen at a point, mm."""
SURROUNDINGS = ((0.0, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0))
"""Blur, and the distance at which a point is compared with its neighbours in it, mm."""
DIFFERENCES = 9
"""Per surrounding: the difference of both neighbours along each template axis, then the second
differences xx, yy, zz and twice xy, xz, yz."""
DIFFERENCE_SCALE = 5.0
"""Differences are given times this, which makes them about as large as activations are."""
SEEN = len(BLURS) + DIFFERENCES * len(SURROUNDINGS)
"""Numbers seen at a point: intensities per blur, then differences per surrounding."""
