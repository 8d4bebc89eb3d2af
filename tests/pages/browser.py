"""Chromium through Playwright, with the network cut off and every complaint kept."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The browser's path; without one the test is skipped, and fails where CI is set."""
    named = os.environ.get("TEM_TRACK_CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = named or next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        message = "no Chromium found: install it or name it in TEM_TRACK_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextmanager
def started() -> Iterator[Any]:
    """Start the browser; one for all tests, since Playwright allows one at a time."""
    api = pytest.importorskip("playwright.sync_api")
    path = chromium()
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any, path: Path, *, width: int = 1280, height: int = 900
) -> Iterator[tuple[Any, list[str]]]:
    """Open a file offline; yield the page and the list that complaints and requests end up in."""
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", lambda request: _note_request(request.url, path, complaints))
    page.goto(path.resolve().as_uri())
    wait(page, "document.documentElement.dataset.shown !== undefined")
    try:
        yield page, complaints
    finally:
        context.close()


def wait(page: Any, expression: str, timeout_s: float = 20.0) -> None:
    """Wait until an expression is true; Playwright's own way needs the eval that pages forbid."""
    end = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise AssertionError(f"not true after {timeout_s:g} s: {expression}")
        page.wait_for_timeout(10)


def _note_request(url: str, path: Path, complaints: list[str]) -> None:
    if url != path.resolve().as_uri() and not url.startswith("data:"):
        complaints.append(f"request: {url}")
