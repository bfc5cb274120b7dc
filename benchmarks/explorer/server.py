"""Serves the page, and the pictures that it saves, at one address and nothing else."""

from __future__ import annotations

import logging
import signal
import socket
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import Server as BokehServer
from bokeh.settings import settings
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from .. import UsageError
from .page import Page, first_state
from .remote import Library
from .state import State

TYPES = {"png": "image/png", "svg": "image/svg+xml"}


class Server:
    """A Bokeh server with one application: the page.

    Args:
        library: computes for all pages.
        host, port: where; with port 0 at any that is free.

    Raises:
        OSError: the port is taken, or there is no such host.
    """

    def __init__(self, library: Library, host: str, port: int) -> None:
        for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:1]:  # taken? Bokeh would leave it open
            with socket.socket(found[0], found[1]) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(found[4])
        logging.getLogger("bokeh").setLevel(logging.ERROR)  # it warns of every page that is closed
        settings.resources = "server"  # whatever the environment says: nothing is loaded from elsewhere

        def fill(document: Document) -> None:
            context = document.session_context
            query = context.request.query if context is not None and hasattr(context.request, "query") else ""
            Page(document, library, query)

        self.server: Any = BokehServer(
            {"/": Application(FunctionHandler(fill))},
            address=host,
            port=port,
            io_loop=IOLoop.current(),
            extra_patterns=[(r"/picture\.(png|svg)", _Picture, {"library": library})],
            check_unused_sessions_milliseconds=2000,
            unused_session_lifetime_milliseconds=2000,
        )
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.server.port}/"

    def run(self) -> None:
        """Serve until Ctrl-C, or until the process is asked to end."""
        loop = self.server.io_loop
        self.server.start()

        def stop(*signal: Any) -> None:
            loop.add_callback_from_signal(loop.stop)

        earlier = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            loop.start()
        finally:
            for each, handler in earlier.items():
                signal.signal(each, handler)
            self.server.stop()


class _Picture(RequestHandler):
    """Answers with the picture of the race that the address describes."""

    def initialize(self, library: Library) -> None:
        self.library = library

    def get(self, kind: str) -> None:
        """The picture; status 400 and a sentence if the address is wrong."""
        try:
            state = (
                State.from_query(self.request.query, self.library.offer)
                if self.request.query
                else first_state(self.library)
            )
            place = self.library.ask("place", state.surface)
            x_range, y_range = place.x_range, place.y_range
            if state.view is not None:
                x_range, y_range = state.view[:2], state.view[2:]
            drawn = self.library.ask(
                "picture", kind, state.surface, state.racers, state.start or place.start, (x_range, y_range),
                state.steps, state.noise, state.seed,
            )  # fmt: skip
        except UsageError as error:
            self.set_status(400)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(str(error))
            return
        self.set_header("Content-Type", TYPES[kind])
        self.set_header("Content-Disposition", f'attachment; filename="race.{kind}"')
        self.finish(drawn)
