"""A page: its tabs, its address, what it shares, and the sentences that it says."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from bokeh.document import Document
from bokeh.models import Column, CustomJS, Div, TabPanel, Tabs, TextInput

from .. import UsageError
from .remote import Library
from .state import Settings, State
from .surface_tab import SurfaceTab
from .train_tab import TrainTab

TRAINING = ("data", "train", "rates", "iterations")
"""The parts of the state that the tab "train" decides."""

WATCH = 400
"""Milliseconds from one look at the learner's files to the next."""

BUTTON = (
    '<a href="{href}" download="{name}" style="display:inline-block; padding:4px 12px; border:1px solid #8A8A8A; '
    'border-radius:4px; color:#222; text-decoration:none; margin-right:8px">{label}</a>'
)


class Page:
    """Fills a document, for one window of the browser.

    Args:
        document: an empty one.
        library: computes for all pages.
        query: the part of the page's address after the question mark.
    """

    def __init__(self, document: Document, library: Library, query: str) -> None:
        self.document, self.library = document, library
        self.message = Div(text="", sizing_mode="stretch_width", name="message", styles={"min-height": "1.5em"})
        self.share = Div(text="", sizing_mode="stretch_width", name="share")
        self.address = TextInput(value="", visible=False, name="address")
        # Bokeh has no model of the browser's address. This is the only line of JavaScript here.
        self.address.js_on_change("value", CustomJS(code="history.replaceState(null, '', '?' + cb_obj.value)"))
        self.seen = library.version
        self.wrong = library.wrong
        self.ready = False
        try:
            state = State.from_query(query, library.offer) if query else first_state(library)
            self.surface = SurfaceTab(library, state, self)
        except UsageError as error:
            state = first_state(library)
            self.surface = SurfaceTab(library, state, self)
            self.say(str(error))
        self.surface.layout.children.append(self.share)
        self.train = TrainTab(library, state, self)
        panels = [
            TabPanel(child=self.surface.layout, title="Surface"),
            TabPanel(child=self.train.layout, title="Train"),
        ]
        self.tabs = Tabs(tabs=panels, active=int(state.tab == "train"), sizing_mode="stretch_width")
        self.tabs.on_change("active", self.change_tab)
        document.title = "minigrad: see it move"
        document.add_root(
            Column(
                self.message, self.tabs, self.address,
                sizing_mode="stretch_width", styles={"max-width": "1500px", "margin": "0 auto", "padding": "0 10px"},
            )
        )  # fmt: skip
        document.add_periodic_callback(self.watch, WATCH)
        document.on_session_destroyed(lambda context: self.train.end())
        self.ready = True
        self.shared = ""
        self.changed(state)
        self.show_share()

    def every(self, work: Callable[[], None], milliseconds: int) -> Callable[[], None]:
        """Call `work` every so many milliseconds; returns what ends that."""
        handle = self.document.add_periodic_callback(work, milliseconds)
        return lambda: self.document.remove_periodic_callback(handle)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is changed in this block is sent to the browser in one piece."""
        self.document.hold("combine")
        try:
            yield
        finally:
            self.document.unhold()

    def say(self, sentence: str) -> None:
        """Show a sentence at the top; that a file of the learner's is wrong stays until it is right."""
        shown = [each for each in (self.wrong, sentence) if each]
        self.message.text = "<br>".join(f'<b style="color:#B03000">{html.escape(each)}</b>' for each in shown)

    def changed(self, state: State) -> None:
        """A tab has another state: so has the address. While it plays, that waits for the pause."""
        if not self.ready or self.surface.stop is not None:
            return
        training = {name: getattr(self.train.state, name) for name in TRAINING}
        tab = "train" if self.tabs.active == 1 else "surface"
        self.state = replace(self.surface.state, tab=tab, **training)
        self.address.value = self.state.query()

    def show_share(self) -> None:
        """Show the links and the command line, if they have changed. A text is laid out, so not at every change."""
        if self.shared == self.address.value:
            return
        query = self.shared = self.address.value
        (x0, x1), (y0, y1) = self.surface.window
        command = self.state.command(self.library.offer, (x0, x1, y0, y1), self.surface.start)
        links = [
            BUTTON.format(
                href=html.escape(f"picture.{kind}?{query}"), name=f"race.{kind}", label=f"save {kind.upper()}"
            )
            for kind in ("png", "svg")
        ]
        self.share.text = (
            f"{''.join(links)}<span>The same on the command line:</span> "
            f'<code style="user-select:all">{html.escape(command)}</code>'
        )

    def change_tab(self, attr: str, old: int, new: int) -> None:
        """The other tab."""
        self.changed(self.surface.state)

    def watch(self) -> None:
        """Look whether a file of the learner's has changed, and show what comes of it; and what is shared."""
        self.show_share()
        self.library.look()
        if self.seen == self.library.version:
            return
        self.seen = self.library.version
        self.wrong = self.library.wrong
        self.say("")
        if not self.wrong:
            try:
                self.surface.show_racers()
            except UsageError as error:
                self.say(str(error))


def first_state(library: Library) -> State:
    """What a page shows whose address says nothing: the learner's own, beside some others."""
    state = State()
    own: dict[str, Settings] = {name: {} for name in library.offer.optimizers}
    racers = {**state.racers, **own}
    follow = next(iter(own), state.follow)
    surface = next(iter(library.offer.surfaces), state.surface)
    return replace(
        state, racers=racers, follow=follow, surface=surface, train=(*state.train, *own),
    )  # fmt: skip
