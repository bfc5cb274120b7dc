"""Many trainings: in several processes here or on a cluster, with a journal of those that are done.

Every result goes to the journal as soon as it comes. The same trials asked for again are taken from there, so a
command that was stopped, in whatever way, goes on where it stopped.
"""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy

from .. import UsageError
from ..console import options
from ..console.progress import bars
from . import cluster, pool
from .journal import Journal, Key
from .key import circumstances, file_of, key
from .trial import Trial, run
from .user_code import in_a_sentence, is_own, path_of

if TYPE_CHECKING:
    from rich.console import Console

JOURNAL = "trials.sqlite"
"""The journal's file in the folder of results. All commands that train share it."""

Result = dict[str, Any]
"""What `benchmarks.training.trial.run` returns, as it comes back from the journal."""

_one_at_a_time = threading.Lock()  # a process has one seeded generator, however many threads a Dask worker may have


@contextmanager
def runner(asked: Namespace, folder: Path, out: Console) -> Iterator[Runner]:
    """A `Runner` with the options of `Parser.add_running`, which prints the failures at the end.

    Raises:
        UsageError: as `Journal` and `Runner`, or a cluster is asked for GPUs.
    """
    library = getattr(asked, "backend", "numpy")
    if asked.dask is not None and library == "cupy":
        raise UsageError("--dask trains on the CPUs of a cluster: leave --backend cupy out")
    jobs = options.jobs_for(asked.jobs, library)
    with Journal(folder / JOURNAL) as journal, Runner(journal, out, jobs, asked.dask, asked.fresh) as made:
        yield made
        made.print_failures()


class Runner:
    """Does trainings; use it in a ``with``.

    Args:
        journal: the results that are there already; new ones are added.
        out: where progress is shown.
        jobs: processes on this machine.
        dask: the address of a cluster's scheduler (``tcp://...``), whose workers are to do it instead.
        fresh: do everything anew, even what the journal has.

    Attributes:
        failed: the trials that failed, and how.

    Raises:
        UsageError: the cluster cannot be reached, or has no workers.
    """

    def __init__(
        self, journal: Journal, out: Console, jobs: int = 1, dask: str | None = None, fresh: bool = False
    ) -> None:
        self.journal = journal
        self.out = out
        self.fresh = fresh
        self.failed: dict[Trial, str] = {}
        self._client = cluster.connect(dask) if dask is not None else None
        self.jobs = sum(self._client.nthreads().values()) if self._client else jobs
        if self._client:
            for warning in cluster.warnings(self._client):
                out.print(warning, style="yellow", markup=False, soft_wrap=True)

    def run(
        self, trials: Iterable[Trial], title: str, ended: Callable[[Trial, Result], Any] | None = None
    ) -> dict[Trial, Result]:
        """Do those of `trials` that the journal does not have; returns the results of all that did not fail.

        A trial that raises, or whose process dies, is noted in `failed` and in the journal. When it is asked for
        again, it is tried again.

        Args:
            trials: what to do.
            title: what all of it is called.
            ended: called with each trial that was done now, and did not fail, as it ends.

        Raises:
            UsageError: workers of the cluster died, or they have other code or data than this checkout.
        """
        trials = list(dict.fromkeys(trials))
        keys = {trial: key(trial, self._circumstances(trial)) for trial in trials}
        kept = {trial: None if self.fresh else self.journal.get(keys[trial]) for trial in trials}
        results = {trial: result for trial, result in kept.items() if result and "failed" not in result}
        missing = {trial: keys[trial] for trial in trials if trial not in results}
        self._print_title(title, len(trials), len(results))
        failed: dict[Trial, str] = {}
        for trial, result in self._done(missing, title):
            result = self.journal.add(keys[trial], result)
            if "failed" in result:
                failed[trial] = result["failed"]
            else:
                results[trial] = result
                if ended is not None:
                    ended(trial, result)
        # Both in the order in which they were asked for, whatever the order in which they ended.
        self.failed |= {trial: failed[trial] for trial in trials if trial in failed}
        return {trial: results[trial] for trial in trials if trial in results}

    def _print_title(self, title: str, count: int, kept: int) -> None:
        there = ""
        if kept == count:
            there = f", all of them kept in {self.journal.path} (--fresh runs them anew)"
        elif kept:
            there = f", {kept} of them kept in {self.journal.path}"
        self.out.print(f"{title}: {count} trainings{there}", markup=False, soft_wrap=True)

    def _done(self, missing: Mapping[Trial, Key], title: str) -> Iterator[tuple[Trial, Result]]:
        """Trials and their results, as they end."""
        if not missing:
            return
        try:
            yield from self._done_there(missing, title) if self._client else self._done_here(missing, title)
        except KeyboardInterrupt:
            self.out.print(f"stopped: {self._goes_on()}", markup=False, soft_wrap=True)
            raise

    def _done_here(self, missing: Mapping[Trial, Key], title: str) -> Iterator[tuple[Trial, Result]]:
        trials = list(missing)
        for number, result in pool.in_parallel(
            _work,
            list(missing.items()),
            labels=[str(trial) for trial in trials],
            steps=[trial.iterations for trial in trials],
            jobs=self.jobs,
            out=self.out,
            title=title,
            apart=any(is_own(trial.optimizer) for trial in trials),
        ):
            if isinstance(result, pool.Died):
                result = {"failed": result.at(path_of(trials[number].optimizer))}
            yield trials[number], result

    def _done_there(self, missing: Mapping[Trial, Key], title: str) -> Iterator[tuple[Trial, Result]]:
        import joblib
        from distributed.scheduler import KilledWorker

        trials = list(missing)
        counts = numpy.zeros(len(trials))
        calls = (joblib.delayed(_work_there)(number, *item) for number, item in enumerate(missing.items()))
        try:
            with (
                bars(self.out, [str(trial) for trial in trials], [1] * len(trials), counts, title),
                joblib.parallel_config(backend="dask", client=self._client),
            ):
                # In batches of one: of a larger batch, no result would come back before the last one is done.
                for number, result in joblib.Parallel(self.jobs, return_as="generator_unordered", batch_size=1)(calls):
                    counts[number] = 1
                    yield trials[number], result
        except KilledWorker:
            raise UsageError(f"workers of the cluster died: {self._goes_on()}") from None

    def _goes_on(self) -> str:
        return f"what was done is kept in {self.journal.path}, and the same command goes on from there"

    def _circumstances(self, trial: Trial) -> dict[str, Any]:
        """What decides results besides the trials, where they are done.

        A cluster may have other processors and another NumPy than this machine, but not other code or data.
        """
        here = circumstances(trial.data, trial.device)
        if self._client is None:
            return here
        try:
            there: dict[str, Any] = self._client.submit(circumstances, trial.data).result()
        except (ImportError, RuntimeError) as error:  # a RuntimeError where the scheduler, too, has to import it
            missing = error if isinstance(error, ImportError) else error.__cause__
            if not isinstance(missing, ImportError):
                raise
            raise UsageError(f"the cluster lacks something ({missing}): start it as --help says") from None
        for name in ("code", "images"):
            if there[name] != here[name]:
                raise UsageError(f"the cluster's workers have other {name} than this checkout: start them anew from it")
        return there

    def print_failures(self) -> None:
        """Print what failed: each message once, with the trials that have it."""
        for message in dict.fromkeys(self.failed.values()):
            trials = [trial for trial, its in self.failed.items() if its == message]
            more = f" and {len(trials) - 1} more" if len(trials) > 1 else ""
            spec = trials[0].optimizer
            of = f" in {path_of(spec)}" if is_own(spec) else ""
            self.out.print(f"failed: {trials[0]}{more}: {message}{of}", style="red", markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._client:
            self._client.close()


def _work(task: tuple[Trial, Key], tick: pool.Tick | None = None) -> Result:
    """Do a trial, in whatever process. What it raises is returned as a sentence, so that the others go on."""
    trial, wanted = task
    try:
        mine = {**circumstances(trial.data, trial.device), **file_of(trial.optimizer)}
        other = [f"{name} {value}, not {wanted[name]}" for name, value in mine.items() if wanted.get(name) != value]
        if other:
            return {"failed": f"a worker differs from the others: {'; '.join(other)}"}
        return run(trial, tick)
    except BaseException as error:  # a user's optimizer may raise anything
        if isinstance(error, KeyboardInterrupt) and not is_own(trial.optimizer):
            raise
        return {"failed": in_a_sentence(error, trial.optimizer)}


def _work_there(number: int, trial: Trial, wanted: Key) -> tuple[int, Result]:
    """Do a trial in a worker of the cluster."""
    from threadpoolctl import threadpool_limits

    pool.be_worker()
    with _one_at_a_time, threadpool_limits(1, user_api="blas"):
        return number, _work((trial, wanted))
