"""The Evaluation page in a browser: from a cell to a text in Classify, the threshold, and links that show the same."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from core import calibration, threshold
from core.runs import Run
from tests.browser.chromium import open_page, settle
from tests.browser.conftest import NEEDS_CHROMIUM

pytestmark = NEEDS_CHROMIUM

CELL = (0.9, 0.75)
"""Where positive, decided positive is on the matrix: shares of its width and height."""
ROW_NAME, COLUMN_NAME = (0.12, 0.75), (0.9, 0.17)


def start(page: Page, site: str, run: Run, **query: str) -> None:
    """The page, opened by a link."""
    page.goto(f"{site}/Evaluation?" + "&".join(f"{key}={value}" for key, value in {"model": run.name, **query}.items()))
    settle(page)


def click(page: Page, place: tuple[float, float]) -> None:
    """A click on the matrix."""
    matrix = page.get_by_test_id("stVegaLiteChart").first
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    assert box
    page.mouse.click(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"])


def counts(run: Run, at: float = 0.5) -> np.ndarray:
    """The test split's confusion at a threshold."""
    found = run.record.predictions("test")
    decided = threshold.decide(found, calibration.of_record(run.record), at)
    return np.bincount(2 * found.label + decided, minlength=4).reshape(2, 2)


def download(page: Page) -> pd.DataFrame:
    """What the first button for it downloads: the counts of the matrix."""
    with page.expect_download() as found:
        page.get_by_role("button", name="Download as CSV").first.click()
    return pd.read_csv(Path(found.value.path()))


def matrix_counts(page: Page) -> np.ndarray:
    return download(page)["count"].to_numpy().reshape(2, 2)


def test_from_a_cell_to_an_example_to_classify(site: str, page: Page, run: Run) -> None:
    start(page, site, run)
    click(page, CELL)
    page.wait_for_url(re.compile("true=positive&decided=positive"))
    settle(page)
    expect(
        page.get_by_text(re.compile(f"^{counts(run)[1, 1]} examples? where the true label is positive and"))
    ).to_be_visible()
    settle(page)
    shown = page.get_by_test_id("stTabs").get_by_test_id("stMarkdown").nth(1).inner_text()
    page.get_by_role("button", name="Open in Classify").first.click()
    expect(page.get_by_label("Your review")).to_have_value(shown)
    assert not [word for word in shown.split() if len(word) > 3 and word in page.url]


@pytest.mark.parametrize(
    ("place", "url", "said", "n"),
    [
        (ROW_NAME, "true=positive", "the true label is positive", (1, 0)),
        (COLUMN_NAME, "decided=positive", "positive was decided", (0, 1)),
    ],
    ids=["row", "column"],
)
def test_a_name_lists_the_mistakes_of_its_row_or_column(
    site: str, page: Page, run: Run, place: tuple[float, float], url: str, said: str, n: tuple[int, int]
) -> None:
    start(page, site, run)
    click(page, place)
    page.wait_for_url(re.compile(url))
    expect(page.get_by_text(re.compile(f"^{counts(run)[n]} mistakes? where {said}"))).to_be_visible()


def test_the_threshold_moves_the_matrix_and_the_cards(site: str, page: Page, run: Run) -> None:
    start(page, site, run)
    assert (matrix_counts(page) == counts(run)).all()
    slider = page.get_by_role("slider")
    slider.focus()
    for at in (0.6, 0.7, 0.8):
        slider.press("PageUp")
        page.wait_for_url(re.compile(f"threshold={at}"))
        settle(page)
    expect(page.get_by_text("Decided at a threshold of 0.8; the published scores are at 0.5.")).to_be_visible()
    moved = counts(run, at)
    assert (matrix_counts(page) == moved).all()
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(f"{moved.trace() / moved.sum():.3f}")


def test_a_shared_link_shows_the_same_view_on_a_phone(site: str, chromium: Browser, desktop: Page, run: Run) -> None:
    start(desktop, site, run)
    desktop.get_by_text("Of the decided label").click()
    desktop.wait_for_url(re.compile("cells=Of"))
    desktop.get_by_text("Only mistakes").click()
    desktop.wait_for_url(re.compile("mistakes="))
    click(desktop, ROW_NAME)
    desktop.wait_for_url(re.compile("true=positive"))
    settle(desktop)  # as a reader, who sees the list before turning its page
    desktop.get_by_role("button", name="Next page").click()
    desktop.wait_for_url(re.compile("page=2"))
    settle(desktop)
    said = desktop.get_by_text(re.compile("% sure")).all_inner_texts()
    other = open_page(chromium, 390, "dark")
    other.goto(desktop.url)
    settle(other)
    expect(other.get_by_text(re.compile("% sure"))).to_have_count(len(said))
    assert other.get_by_text(re.compile("% sure")).all_inner_texts() == said
    expect(other.get_by_role("combobox", name="True label")).to_have_value("positive")
    other.context.close()


def test_back_leads_back_to_the_tab_and_the_list_before(site: str, desktop: Page, run: Run) -> None:
    start(desktop, site, run)
    desktop.get_by_role("tab", name="Slices").click()
    desktop.wait_for_url(re.compile("look=Slices"))
    settle(desktop)
    click(desktop, ROW_NAME)
    desktop.wait_for_url(re.compile("true=positive"))
    settle(desktop)
    expect(desktop.get_by_role("tab", name="Examples")).to_have_attribute("aria-selected", "true")
    desktop.go_back()
    desktop.wait_for_url(re.compile("look=Slices"))
    settle(desktop)
    expect(desktop.get_by_role("tab", name="Slices")).to_have_attribute("aria-selected", "true")
    assert "true=" not in desktop.url
