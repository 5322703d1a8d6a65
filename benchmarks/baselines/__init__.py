"""Methods that the models of this project are compared with, on the same scans and by one score.

``python -m benchmarks.baselines --help`` tells how they are trained, scored and put into a table.
"""
