"""Timing training steps, of minigrad and of other libraries, in worker processes."""
