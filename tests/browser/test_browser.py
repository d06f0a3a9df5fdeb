"""What only a browser shows: bars appear, a click on the matrix lists its examples, the verdict can be read."""

import re

from playwright.sync_api import Page, expect

from core.runs import Run
from tests import marker
from tests.browser.chromium import settle
from tests.browser.conftest import NEEDS_CHROMIUM, log

pytestmark = NEEDS_CHROMIUM


def test_a_typed_review_gets_bars(site: str, page: Page, published: str) -> None:
    page.goto(site)
    settle(page)
    page.get_by_label("Your review").fill("a lovely moving gripping film")
    page.get_by_role("button", name="Classify").last.click()
    expect(page.get_by_text("tokens read")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    assert f"model={published.replace('/', '%2F').replace('@', '%40')}" in page.url
    assert "lovely" not in page.url


def test_a_reader_asks_why_and_compares_and_finds_the_text_again(site: str, page: Page, run: Run) -> None:
    page.goto(f"{site}/?model={run.name}")
    settle(page)
    page.get_by_label("Your review").fill("the <i>plot was dull and stale")
    page.get_by_role("button", name="Classify").last.click()
    page.get_by_text("Why?").click()
    expect(page.get_by_text(re.compile("Most (for|against)|by chance")).first).to_be_attached()
    page.wait_for_url(re.compile("why=true"))
    assert page.get_by_test_id("stHtml").text_content() == "the <i>plot was dull and stale"
    settle(page)
    page.get_by_role("button", name="Pin to compare").click()
    expect(page.get_by_text("This answer is pinned")).to_be_visible()
    page.get_by_label("Your review").fill("a lovely moving film")
    page.get_by_label("Your review").press("Control+Enter")
    expect(page.get_by_text("Beside the pinned answer")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(3)
    page.get_by_text("How far can this be trusted?").click()
    page.get_by_text("95%", exact=True).click()
    page.wait_for_url(re.compile("coverage=95"))
    assert "lovely" not in page.url


def test_the_text_is_still_there_after_another_page(site: str, desktop: Page, run: Run) -> None:
    desktop.goto(f"{site}/?model={run.name}")
    settle(desktop)
    desktop.get_by_label("Your review").fill("a lovely moving film")
    desktop.get_by_role("button", name="Classify").last.click()
    expect(desktop.get_by_text("tokens read")).to_be_visible()
    desktop.get_by_role("link", name="About").click()
    settle(desktop)
    desktop.get_by_role("link", name="Classify").click()
    settle(desktop)
    expect(desktop.get_by_label("Your review")).to_have_value("a lovely moving film")
    expect(desktop.get_by_text("tokens read")).to_be_visible()


def test_what_people_type_is_in_no_log_and_no_file(site: str, desktop: Page) -> None:
    typed = "a lovely moving film by Quillon Tarvost"
    desktop.goto(site)
    settle(desktop)
    desktop.get_by_label("Your review").fill(typed)
    desktop.get_by_role("button", name="Classify").last.click()
    expect(desktop.get_by_test_id("stVegaLiteChart")).to_be_visible()
    assert "You can now view" in log().read_text(encoding="utf-8")
    assert not list(marker.in_files("Tarvost", log().parent))


def test_the_chosen_model_stays_from_page_to_page(site: str, desktop: Page, run: Run) -> None:
    desktop.goto(f"{site}/?model={run.name}")
    settle(desktop)
    for name in ("Evaluation", "About", "Training runs", "Classify"):
        desktop.get_by_role("link", name=name).click()
        settle(desktop)
        expect(desktop.get_by_role("combobox", name="Model")).to_have_value(run.name)
        desktop.wait_for_url(re.compile(f"model={run.name.replace('/', '(/|%2F)')}"))


def test_the_verdict_can_be_read_and_made_again(site: str, page: Page, published: str) -> None:
    page.goto(f"{site}/Local_vs_Hub?model={published}")
    settle(page)
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_text("Identical.")).to_be_visible()
    expect(page.get_by_text("Every file is the same, and so are all")).to_be_visible()
