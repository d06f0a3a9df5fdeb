"""Screenshots of every page, light and dark, wide and narrow: `make screens` writes docs/screens/.

Does the main job first (or uses what `make demo` left), then looks at the app as a reader would.
"""

import logging
from itertools import product
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page

from tests.browser.chromium import browser, open_page, settle

FOLDER = Path("docs/screens")
PORT = 8511
WIDTHS = (1280, 390)
TALLEST = 2200
"""Pixels that are shown of a page; who wants more has the app."""
REVIEW = "Not the disaster I feared: the boy can act, and the ending earned its tears."
REVIEWS = (
    REVIEW,
    "A handsome film with nothing to say, and it takes two and a half hours to say it.",
    "I lent it to my sister and had to buy a second copy.",
    "Three hundred pages of people staring at rain, and none of them can swim.",
    "The jokes land, the songs do not, and I would go again tomorrow.",
    "Whoever cut this saw that the last hour was missing, and shipped it all the same.",
)


def classify(page: Page) -> None:
    """Type a review, and ask why."""
    page.get_by_label("Your review").fill(REVIEW)
    page.get_by_role("button", name="Classify").last.click()
    page.get_by_text("tokens read").wait_for()
    page.get_by_text("Why?", exact=True).click()
    page.get_by_text("Most for").first.wait_for()


def read_many(page: Page) -> None:
    """Paste a few reviews."""
    page.get_by_label("Lines").fill("\n".join(REVIEWS))
    page.get_by_role("button", name="Read them").click()
    page.get_by_role("button", name="Download CSV").wait_for()


NAMES = ("Classify", "Many_reviews", "Evaluation", "Local_vs_Hub", "Revisions", "Training_runs", "About")
DOING = {"Classify": classify, "Many_reviews": read_many}
"""What a page is shown after."""


def shoot(page: Page, name: str, url: str) -> bytes:
    """A picture of a page from its top on, with nothing under the mouse."""
    page.goto(url)
    settle(page)
    if do := DOING.get(name):
        do(page)
        settle(page)
    page.mouse.move(0, 0)
    size = page.viewport_size or {"width": WIDTHS[0], "height": 900}
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(900, min(height, TALLEST))})
    page.wait_for_timeout(800)
    picture = page.screenshot()
    page.set_viewport_size(size)
    return picture


def main(recipe: str = "demo") -> None:
    """Take all pictures, of the newest run of `recipe` (a name, or a file)."""
    from core import runs
    from train.__main__ import load_recipe
    from train.demo.run import shown

    logging.basicConfig(level=logging.WARNING)
    found = load_recipe(recipe, [])
    FOLDER.mkdir(parents=True, exist_ok=True)
    with shown(found, PORT), browser() as chromium:
        chosen = {"model": runs.find(found.name).name, "true": found.labels[1], "decided": found.labels[0]}
        query = urlencode(chosen | {"from": "Paste lines"})
        for scheme, width in product(("light", "dark"), WIDTHS):
            page = open_page(chromium, width, scheme)  # type: ignore[arg-type]
            for name in NAMES:
                path = "" if name == "Classify" else name  # the first page has the root's address
                picture = shoot(page, name, f"http://localhost:{PORT}/{path}?{query}")
                (FOLDER / f"{name}-{scheme}-{width}.png").write_bytes(picture)
            page.context.close()


if __name__ == "__main__":
    import sys

    main(*sys.argv[1:])
