"""Chromium, headless and offline, driven by playwright; every test here is skipped where one of the two is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_PATIENCE_MS = 10_000

Opener = Callable[..., "Page"]


class Watched(list[str]):
    """What went wrong in a page, and what it asked for."""


# For one module at a time: while playwright's loop runs, no test in the same thread can run a loop of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: runengine[browser]")
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(_NAMES)}")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def troubles() -> Watched:
    """What went wrong in the pages of a test, and every request they made beside the page itself."""
    return Watched()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path, troubles: Watched) -> Iterator[Opener]:
    """Opens a page, and fails in the end where something went wrong in it or it asked for anything."""
    contexts: list[BrowserContext] = []

    def opened(html: str, fragment: str = "", *, width: int = 1280, height: int = 900, **context: Any) -> Page:
        file = tmp_path / f"page-{len(contexts)}.html"
        file.write_text(html, encoding="utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, offline=True, **context))
        page = contexts[-1].new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: troubles.extend([request.url] * (not request.url.startswith(file.as_uri()))))
        page.goto(file.as_uri() + fragment)
        page.locator("#list .run, #list .note").first.wait_for(state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not troubles
