"""Measurements that are too slow or too noisy for the tests; not part of the wheel."""

# Before torch: importing the engine sets how OpenMP's threads wait, as it does in the product.
import src_core  # noqa: F401
