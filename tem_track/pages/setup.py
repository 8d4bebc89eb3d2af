"""The set-up page's server: on this computer only, for one browser, until the page is closed."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tem_track.analysis import Progress
from tem_track.errors import TemTrackError
from tem_track.pages.report import content_policy, own_text, safe_json
from tem_track.pages.setup_state import SetupState, as_problem, open_setup
from tem_track.shapes import TABLE

__all__ = ["Runner", "SetupServer", "setup"]

HERE = Path(__file__).parent
NOT_STARTED = {"stage": "", "done": 0, "total": 0, "error": "", "over": False}
MODES, POLARITIES = ("compression", "tension", "growth"), ("dark", "bright")
PATIENCE_S = 120.0
FAREWELL_S = 4.0
"""The server ends this long after the last sign of life, or after the page has said good-bye or its
line has been cut."""
HELD_S = 20.0
"""The page keeps a question open, which is answered after so long and asked again: a browser that
is killed says no good-bye, but the line breaks at once. Clocks of hidden pages are no such sign,
since browsers slow them down to one tick a minute."""


Runner = Callable[[Path, Progress], Path]
"""Runs an experiment file, telling its progress, and returns the results folder."""


def setup(
    path: str | Path,
    *,
    runner: Runner,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Open the set-up page for a movie, an experiment file or a results folder, until it is closed.

    Parameters
    ----------
    path : path
    runner : callable
        Called as ``runner(experiment_file, progress)`` for "Run"; returns the results folder.
    browser : bool
        Open the page in the default browser.
    say : callable
        Told the page's address.

    Raises
    ------
    ConfigError, MovieError
    """
    asyncio.run(_serve(SetupServer(open_setup(path), runner), browser, say))


async def _serve(server: SetupServer, browser: bool, say: Callable[[str], None]) -> None:
    server.start()
    say(server.address)
    if browser:
        webbrowser.open(server.address)
    await server.ended()


class SetupServer:
    """One page on a free port of the loopback interface.

    Attributes
    ----------
    state : SetupState
    token : str
        Stands in the first address, then in a cookie that scripts cannot read.
    port : int
    """

    def __init__(self, state: SetupState, runner: Runner) -> None:
        self.state = state
        self.token = secrets.token_urlsafe(32)
        self.port = 0
        self.job = RunJob(runner)
        self.alive = time.monotonic()
        self.leave_at: float | None = None
        self.lines = 0

    @property
    def cookie(self) -> str:
        """The cookie's name; cookies know no ports, and two pages may be open at a time."""
        return f"tem_track_setup_{self.port}"

    @property
    def host(self) -> str:
        """The only value of the Host header that is answered."""
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """The address that opens the page."""
        return f"http://{self.host}/?token={self.token}"

    def start(self) -> None:
        """Listen."""
        routes = [
            (r"/", _Page),
            (r"/frame/(\d+)\.jpg", _Picture),
            (r"/(check|preview|propose|save|run|progress|alive|bye)", _Call),
            (r"/report", _Report),
        ]
        application = tornado.web.Application(
            [(route, handler, {"server": self}) for route, handler in routes],
            default_handler_class=_Nothing,
            default_handler_args={"server": self},
            log_function=lambda handler: None,
        )
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        self.port = int(sockets[0].getsockname()[1])
        self._http = tornado.httpserver.HTTPServer(application, max_body_size=1_000_000)
        self._http.add_sockets(sockets)

    async def ended(self) -> None:
        """Wait until the page is closed, and stop."""
        while not self._is_over():
            await asyncio.sleep(0.2)
        self._http.stop()
        await self._http.close_all_connections()

    def stop(self) -> None:
        """End at the next chance."""
        self.leave_at = 0.0

    def _is_over(self) -> bool:
        now = time.monotonic()
        if self.job.busy:
            return False
        return now > self.alive + PATIENCE_S or (self.leave_at is not None and now > self.leave_at)


class RunJob:
    """One run in a thread, and how far it is."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.busy = False
        self.report: Path | None = None
        self.state: dict[str, Any] = dict(NOT_STARTED)

    def start(self, path: Path) -> None:
        """Run the experiment."""
        if self.busy:
            return
        self.busy, self.report = True, None
        self.state = NOT_STARTED | {"stage": "template"}
        threading.Thread(target=self._run, args=(path,), daemon=True).start()

    def _run(self, path: Path) -> None:
        try:
            self.report = self.runner(path, self._progress) / "report.html"
        except TemTrackError as error:
            self.state["error"] = str(error)
        except Exception as error:
            self.state["error"] = f"unexpected {type(error).__name__}: {error}"
        self.state["over"], self.busy = True, False

    def _progress(self, stage: str, done: int, total: int) -> None:
        self.state |= {"stage": stage, "done": done, "total": total}


class _Handler(tornado.web.RequestHandler):
    """Every request: exact host, exact origin, and the token or its cookie."""

    server: SetupServer

    def initialize(self, server: SetupServer) -> None:
        self.server = server

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Referrer-Policy", "no-referrer")
        self.clear_header("Server")

    def prepare(self) -> None:
        if self.request.headers.get("Host") != self.server.host:
            raise tornado.web.HTTPError(403, reason="Wrong host")
        origin = self.request.headers.get("Origin")
        if origin is not None and origin != f"http://{self.server.host}":
            raise tornado.web.HTTPError(403, reason="Wrong origin")
        if self.request.method == "POST" and origin is None:
            raise tornado.web.HTTPError(403, reason="No origin")
        if not self._known():
            raise tornado.web.HTTPError(403, reason="No token")
        if self.request.path != "/bye":
            self.server.alive, self.server.leave_at = time.monotonic(), None

    def _known(self) -> bool:
        return self._is_token(self.get_cookie(self.server.cookie) or "")

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.server.token.encode())

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code}: {self._reason}\n")


class _Nothing(_Handler):
    def get(self) -> None:
        raise tornado.web.HTTPError(404)


class _Page(_Handler):
    def _known(self) -> bool:
        return super()._known() or self._is_token(self.get_query_argument("token", ""))

    def get(self) -> None:
        if self.get_query_argument("token", ""):
            cookie, token = self.server.cookie, self.server.token
            self.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
            self.redirect("/")
            return
        self.finish(page_text(self.server.state))


class _Picture(_Handler):
    async def get(self, number: str) -> None:
        state = self.server.state
        if int(number) >= len(state.movie):
            raise tornado.web.HTTPError(404)
        data = await asyncio.to_thread(state.picture, int(number))
        self.set_header("Content-Type", "image/jpeg")
        self.finish(data)


class _Call(_Handler):
    _cut: asyncio.Event | None = None

    async def post(self, name: str) -> None:
        answer = await getattr(self, f"_{name}")(self._values())
        if self._cut is not None and self._cut.is_set():
            return
        self.finish(json.dumps(answer, allow_nan=False))

    def _values(self) -> dict[str, Any]:
        try:
            values = json.loads(self.request.body or b"{}")
        except ValueError:
            raise tornado.web.HTTPError(400, reason="Not JSON") from None
        if not isinstance(values, dict):
            raise tornado.web.HTTPError(400, reason="Not a table")
        return values

    async def _check(self, values: dict[str, Any]) -> dict[str, Any]:
        return {"problems": _problems(self.server.state, values)}

    async def _preview(self, values: dict[str, Any]) -> dict[str, Any]:
        try:
            return await asyncio.to_thread(self.server.state.preview, values)
        except TemTrackError as error:
            found = _problems(self.server.state, values)
            return {"problems": found or as_problem(error)}

    async def _propose(self, values: dict[str, Any]) -> dict[str, Any]:
        mode, polarity = values.get("mode"), values.get("polarity")
        if mode not in MODES or polarity not in POLARITIES:
            raise tornado.web.HTTPError(400, reason="No such mode or polarity")
        try:
            return await asyncio.to_thread(self.server.state.propose, mode, polarity)
        except TemTrackError as error:
            return {"problems": as_problem(error)}

    async def _save(self, values: dict[str, Any]) -> dict[str, Any]:
        problems = _problems(self.server.state, values)
        if not problems:
            self.server.state.save(values)
        return {"problems": problems, "path": str(self.server.state.path)}

    async def _run(self, values: dict[str, Any]) -> dict[str, Any]:
        answer = await self._save(values)
        if not answer["problems"]:
            self.server.job.start(self.server.state.path)
        return answer

    async def _progress(self, values: dict[str, Any]) -> dict[str, Any]:
        job = self.server.job
        return {**job.state, "report": job.report is not None}

    async def _alive(self, values: dict[str, Any]) -> dict[str, Any]:
        server, self._cut = self.server, asyncio.Event()
        server.lines += 1
        try:
            await asyncio.wait_for(self._cut.wait(), HELD_S)
        except TimeoutError:
            server.alive = time.monotonic()
        finally:
            server.lines -= 1
        if self._cut.is_set() and not server.lines:
            server.leave_at = time.monotonic() + FAREWELL_S
        return {}

    def on_connection_close(self) -> None:
        """Note that the page is gone while it waited for an answer."""
        if self._cut is not None:
            self._cut.set()

    async def _bye(self, values: dict[str, Any]) -> dict[str, Any]:
        self.server.leave_at = time.monotonic() + FAREWELL_S
        return {}


class _Report(_Handler):
    def get(self) -> None:
        report = self.server.job.report
        if report is None or not report.exists():
            raise tornado.web.HTTPError(404, reason="No report yet")
        self.finish(report.read_text(encoding="utf-8"))


def _problems(state: SetupState, values: dict[str, Any]) -> dict[str, str]:
    try:
        return state.problems(values)
    except TemTrackError as error:
        return as_problem(error)


def page_text(state: SetupState) -> str:
    """Return the page with its own style, script and data inside."""
    style, script = own_text(("page.css", "setup.css")), own_text(("page.js", "setup.js"))
    policy = content_policy(style, script).replace(
        "img-src data:", "img-src 'self' data:; connect-src 'self'"
    )
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    movie, proposal, finished = state.movie, state.proposal, state.finished
    bar = proposal.scale_bar if proposal else None
    data = {
        "values": state.values(),
        "reference": state.reference(),
        "width": movie.info.width_px,
        "height": movie.info.height_px,
        **state.findings(),
        "scale_bar_px": bar.length_px if bar else None,
        "scale_bar_box": list(bar.box.as_tuple()) if bar else None,
        "scale_bar_nm": bar.length_nm if bar else None,
        "worst": finished.worst if finished else None,
        "places": finished.places if finished else {},
    }
    return environment.get_template("setup.html.j2").render(
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        title=movie.path.name if movie.path else "movie",
        path=str(state.path),
        finished=finished is not None,
        width=movie.info.width_px,
        height=movie.info.height_px,
        last=len(movie) - 1,
        data=safe_json(data),
        shapes=list(TABLE),
    )
