"""Benchmarks. One thread a rank: CPU time would count those that spin as well."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
