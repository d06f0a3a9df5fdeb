"""Screenshots of every page, light and dark, wide and narrow: `make screens` writes docs/screens/.

Does the main job first (or uses what `make demo` left), then looks at the app as a reader would.
"""

import logging
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page

from core import recipe as recipes
from tests.browser.chromium import browser, open_page, settle

FOLDER = Path("docs/screens")
PORT = 8511
WIDTHS = (1280, 390)
REVIEW = "Not the disaster I feared: the boy can act, and the ending earned its tears."


def classify(page: Page) -> None:
    """Type a review."""
    page.get_by_label("Your review").fill(REVIEW)
    page.get_by_role("button", name="Classify").last.click()
    page.get_by_text("tokens read").wait_for()


PAGES = {
    "Classify": classify,
    "Evaluation": None,
    "Local_vs_Hub": None,
    "Training_runs": None,
    "About": None,
}


def main(recipe: str = "demo") -> None:
    """Take all pictures."""
    from core import runs
    from train.__main__ import RECIPES
    from train.demo.run import shown

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    path = Path(recipe) if recipe.endswith(".toml") else RECIPES / f"{recipe}.toml"
    found = recipes.load(path)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with shown(found, PORT), browser() as chromium:
        model = runs.find(found.name).name
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                page = open_page(chromium, width, scheme)  # type: ignore[arg-type]
                for name, act in PAGES.items():
                    query = {"model": model} | (
                        {"true": found.labels[1], "decided": found.labels[0]} if name == "Evaluation" else {}
                    )
                    page.goto(f"http://localhost:{PORT}/{name}?{urlencode(query)}")
                    settle(page)
                    if act:
                        act(page)
                        settle(page)
                    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
                    page.set_viewport_size({"width": width, "height": max(900, min(height, 6000))})
                    page.wait_for_timeout(600)
                    page.screenshot(path=FOLDER / f"{name}-{scheme}-{width}.png")
                    page.set_viewport_size({"width": width, "height": 900})
                page.context.close()


if __name__ == "__main__":
    import sys

    main(*sys.argv[1:])
