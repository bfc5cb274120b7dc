"""Who is ahead, and by how much: comparisons over seeds, and over ensembles of runs that differ by rounding."""
