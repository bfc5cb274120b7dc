"""The parts of ``python -m benchmarks explore``: what a page shows, computes, and keeps in its address."""
