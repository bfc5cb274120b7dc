"""What a tab needs of the page that it is on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from .state import State


class Host(Protocol):
    """The page, as its tabs see it."""

    def changed(self, state: State) -> None:
        """The tab has another state."""

    def say(self, sentence: str) -> None:
        """Show a sentence on the page; "" for none."""

    def every(self, work: Callable[[], None], milliseconds: int) -> Callable[[], None]:
        """Call `work` every so many milliseconds; returns what ends that."""
        ...

    def at_once(self) -> AbstractContextManager[None]:
        """What is changed in this block is sent to the browser in one piece."""
        ...
