"""What the benchmarks `surfaces` and `explain` draw: a module for each picture, and what they share."""
