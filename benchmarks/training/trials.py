"""Many trainings: in several processes here, or on a cluster of machines; what is done is kept in a journal.

Every result goes to the journal as soon as it comes, written by this process alone. The same trials asked for
again are taken from there, so that a run that was stopped, in whatever way, goes on where it stopped.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from .. import UsageError
from . import pool
from .journal import Journal, Key
from .optimizers import explain, path_of
from .trial import Trial, circumstances, key, run

if TYPE_CHECKING:
    from rich.console import Console

CLUSTER_HELP = """\
a cluster:
  --dask needs the extra [cluster] here and on the cluster's machines, and the same checkout on each of them.
  Dask's nanny tells the C library to give memory back at once (MALLOC_TRIM_THRESHOLD_=65536), which makes a step
  of Adam take 1.9 ms instead of 0.7. So set both thresholds where the workers start, before they start, and give
  each worker one thread; then run this command with --dask:

    dask scheduler --port 8786
    MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=67108864 PYTHONPATH=. \\
        dask worker tcp://SCHEDULER:8786 --nworkers 2 --nthreads 1      # on every machine, in the checkout
    python -m benchmarks NAME --dask tcp://SCHEDULER:8786
"""
"""How to start the workers, for the --help of the benchmarks that have --dask."""

LOW_THRESHOLD = 2**20
"""Bytes. A C library that gives back what it has free above so little does it several times a training step."""

Result = dict[str, Any]
_one_at_a_time = threading.Lock()  # a process has one seeded generator, however many threads a worker may have


class Fleet:
    """Where trainings are done; use it in a ``with``.

    Args:
        journal: what is done already, and where results go.
        out: where progress is shown.
        jobs: processes on this machine.
        dask: the address of a cluster's scheduler (``tcp://...``); its workers do it instead.

    Attributes:
        failed: which trials went wrong, and how.

    Raises:
        UsageError: the cluster is not there, or not fit for it.
    """

    def __init__(self, journal: Journal, out: Console, jobs: int = 1, dask: str | None = None) -> None:
        self.journal = journal
        self.out = out
        self.failed: dict[Trial, str] = {}
        self._client = _connect(dask) if dask is not None else None
        self.jobs = sum(self._client.nthreads().values()) if self._client else jobs
        if self._client:
            for warning in _warnings(self._client):
                out.print(warning, style="yellow", markup=False, soft_wrap=True)

    def run(self, trials: Iterable[Trial], title: str) -> dict[Trial, Result]:
        """Do what of `trials` the journal has not got, and give the results of all that did not fail.

        A trial that raises, or whose process dies, is noted in `failed`, and in the journal; asked for again, it is
        tried again.

        Raises:
            UsageError: workers of the cluster died, or it runs other code than this.
        """
        trials = list(dict.fromkeys(trials))
        keys = {trial: key(trial, self._circumstances(trial.data)) for trial in trials}
        kept = {trial: self.journal.get(keys[trial]) for trial in trials}
        results = {trial: result for trial, result in kept.items() if result and "failed" not in result}
        missing = {trial: keys[trial] for trial in trials if trial not in results}
        told = f", {len(results)} of them kept in {self.journal.path}" if results else ""
        self.out.print(f"{title}: {len(trials)} trainings{told}", markup=False, soft_wrap=True)
        failed: dict[Trial, str] = {}
        with self._progress(title, len(trials), len(results)) as advance:
            for trial, result in self._done(missing):
                result = self.journal.add(keys[trial], result)
                if "failed" in result:
                    failed[trial] = result["failed"]
                else:
                    results[trial] = result
                advance()
        self.failed |= {trial: failed[trial] for trial in trials if trial in failed}  # in whatever order they ended
        return {trial: results[trial] for trial in trials if trial in results}

    def _done(self, missing: Mapping[Trial, Key]) -> Iterator[tuple[Trial, Result]]:
        """Trials with what came of them, as they end."""
        try:
            yield from self._done_there(missing) if self._client else self._done_here(missing)
        except KeyboardInterrupt:
            self.out.print(f"stopped: {self._goes_on()}", markup=False, soft_wrap=True)
            raise

    def _done_here(self, missing: Mapping[Trial, Key]) -> Iterator[tuple[Trial, Result]]:
        tasks = list(missing.items())
        apart = any(".py:" in trial.optimizer for trial in missing)
        for number, outcome in pool.outcomes(_work_here, tasks, self.jobs, apart):
            trial, _ = tasks[number]
            if isinstance(outcome, pool.Died):
                yield trial, {"failed": outcome.at(path_of(trial.optimizer))}
            else:
                yield outcome

    def _done_there(self, missing: Mapping[Trial, Key]) -> Iterator[tuple[Trial, Result]]:
        import joblib
        from distributed.scheduler import KilledWorker

        calls = (joblib.delayed(_work_there)(trial, wanted) for trial, wanted in missing.items())
        try:
            with joblib.parallel_config(backend="dask", client=self._client):
                # One at a time is handed out, or quick ones would be kept back until a whole batch is done.
                yield from joblib.Parallel(self.jobs, return_as="generator_unordered", batch_size=1)(calls)
        except KilledWorker:
            raise UsageError(f"workers of the cluster died: {self._goes_on()}") from None

    def _goes_on(self) -> str:
        return f"what was done is kept in {self.journal.path}, and the same command goes on from there"

    def _circumstances(self, data: str) -> dict[str, Any]:
        """What decides results besides the trials, where they are done.

        A cluster may have other processors and another NumPy than this machine, but not other code or data.
        """
        here = circumstances(data)
        if self._client is None:
            return here
        try:
            there: dict[str, Any] = self._client.submit(circumstances, data).result()
        except ImportError as error:
            raise UsageError(f"the cluster's workers miss something ({error}): start them as --help says") from None
        for name in ("code", "images"):
            if there[name] != here[name]:
                raise UsageError(f"the cluster's workers have other {name} than this checkout: start them anew from it")
        return there

    @contextmanager
    def _progress(self, title: str, total: int, done: int) -> Iterator[Callable[[], None]]:
        """A bar on a terminal; what it hands out counts one more training."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        hidden = not self.out.is_terminal
        with Progress(*columns, console=self.out, transient=True, disable=hidden, speed_estimate_period=600) as bars:
            bar = bars.add_task(title, total=total, completed=done)
            yield lambda: bars.advance(bar)

    def tell_failures(self) -> None:
        """Print what went wrong: each message once, with the trials it came from."""
        for message in dict.fromkeys(self.failed.values()):
            trials = [str(trial) for trial, its in self.failed.items() if its == message]
            more = f" and {len(trials) - 1} more" if len(trials) > 1 else ""
            spec = next(trial.optimizer for trial, its in self.failed.items() if its == message)
            of = f" in {path_of(spec)}" if ".py:" in spec else ""
            self.out.print(f"failed: {trials[0]}{more}: {message}{of}", style="red", markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._client:
            self._client.close()


def _work_here(task: tuple[Trial, Key]) -> tuple[Trial, Result]:
    return _work(*task)


def _work_there(trial: Trial, wanted: Key) -> tuple[Trial, Result]:
    pool.be_worker()
    return _work(trial, wanted)


def _work(trial: Trial, wanted: Key) -> tuple[Trial, Result]:
    """Do a trial, in whatever process. What it raises is returned in a sentence, so that the others go on."""
    from threadpoolctl import threadpool_limits

    with _one_at_a_time, threadpool_limits(1, user_api="blas"):
        try:
            mine = key(trial, circumstances(trial.data))
            other = [
                f"{name} {mine.get(name)}, not {value}" for name, value in wanted.items() if mine.get(name) != value
            ]
            if other:
                return trial, {"failed": f"a worker differs from the others: {'; '.join(other)}"}
            return trial, run(trial)
        except BaseException as error:  # a learner's rule may do anything
            if isinstance(error, KeyboardInterrupt) and ".py:" not in trial.optimizer:
                raise
            return trial, {"failed": explain(error, trial.optimizer)}


def _connect(address: str) -> Any:
    """A client of the cluster at `address`, once a worker is there."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--dask needs Dask's distributed: python -m pip install -e '.[cluster]'") from None
    try:
        _knock(address)
        with _quiet("distributed"):  # which prints a traceback of its own, too
            client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {error}") from None
    try:
        client.wait_for_workers(1, timeout=30)
    except TimeoutError:
        client.close()
        raise UsageError(f"the Dask scheduler at {address} has no workers: start them as --help says") from None
    return client


def _knock(address: str) -> None:
    """Look whether anybody listens at an address such as tcp://localhost:8786.

    Raises:
        ValueError: it is none.
        OSError: nobody does.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls", "ws", "wss") or not parts.hostname or not parts.port:
        raise ValueError("it must be of the form tcp://HOST:PORT")
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=10).close()
    except UnicodeError:
        raise ValueError("it has no name of a machine") from None


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Nothing of what is logged under that name is shown."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _warnings(client: Any) -> Iterator[str]:
    """What makes the cluster's workers slow."""
    thresholds = client.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_").values()
    low = [value for value in thresholds if value is not None and int(value) < LOW_THRESHOLD]
    if low:
        yield f"{len(low)} workers have MALLOC_TRIM_THRESHOLD_={low[0]} and will be slow: start them as --help says"
    threaded = [address for address, threads in client.nthreads().items() if threads > 1]
    if threaded:
        yield f"{len(threaded)} workers have several threads, of which one will work: start them with --nthreads 1"
