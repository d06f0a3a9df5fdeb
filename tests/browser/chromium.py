"""Debian's chromium under Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
expect.set_options(timeout=60_000)  # machines that run tests are slow, and the first model takes its time

_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
_QUIET += ["--disable-component-update", "--disable-sync", "--no-first-run"]


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless chromium, closed with the block."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield found
        found.close()


def open_page(found: Browser, width: int, scheme: Literal["light", "dark"]) -> Page:
    """A page in a browser of its own, with nothing in its cache; narrow ones are phones."""
    context = found.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce", has_touch=width < 500
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    return page


def leave(page: Page) -> None:
    """End the page's session with the app."""
    page.goto("about:blank")


AT_REST = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    const moves = each => each.playState === 'running' && each.effect.getTiming().iterations !== Infinity;
    const rests = app && app.dataset.testScriptState === 'notRunning'
        && !document.querySelector('[data-stale=true]') && !document.getAnimations().some(moves);
    window.restsSince = rests ? window.restsSince ?? performance.now() : undefined;
    return rests && performance.now() - window.restsSince > 300;
}"""
"""The script has ended, nothing is stale and nothing fades in, for 300 ms on end: a click's answer takes a while."""


def settle(page: Page) -> None:
    """Wait until the page is at rest."""
    page.evaluate("window.restsSince = undefined")
    page.wait_for_function(AT_REST)
