"""The benchmarks: one module for each question, run with ``python -m benchmarks NAME``."""


class UsageError(Exception):
    """What is wrong with what the user asked for, in one sentence: shown without a traceback, exit status 2."""
