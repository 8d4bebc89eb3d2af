"""Chromium through Playwright, with the network cut off and every complaint kept."""

from __future__ import annotations

import os
import shutil
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
def opened(path: Path, *, width: int = 1280, height: int = 900) -> Iterator[tuple[Any, list[str]]]:
    """Open a file offline; yield the page and the list that complaints and requests end up in."""
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: _note_request(request.url, path, complaints))
        page.goto(path.resolve().as_uri())
        page.wait_for_function("document.documentElement.dataset.shown !== undefined")
        try:
            yield page, complaints
        finally:
            browser.close()


def _note_request(url: str, path: Path, complaints: list[str]) -> None:
    if url != path.resolve().as_uri() and not url.startswith("data:"):
        complaints.append(f"request: {url}")
