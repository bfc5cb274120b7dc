"""Who is ahead: tuned learning rates, statistics, and the tables and pictures of a comparison."""
