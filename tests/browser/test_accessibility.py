"""axe-core finds no serious or critical violation on any page, in both themes (https://dequeuniversity.com/rules/axe).

A page is a line of VIEWS: its path and query, and what a person does there before it is looked at.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from core.runs import Run
from tests.browser.chromium import open_page, settle
from tests.browser.conftest import NEEDS_CHROMIUM
from tests.histories import history

pytestmark = NEEDS_CHROMIUM

SEVERE = ("serious", "critical")
AT_REST = """() => !document.querySelector('[data-stale=true]') && document.getAnimations().every(
    each => each.playState !== 'running' || each.effect.getTiming().iterations === Infinity)"""
"""What fades in has another contrast on its way."""


class View(NamedTuple):
    """A page in a state worth looking at; `{run}` and `{tampered}` are runs, `{unfinished}` is one in progress."""

    address: str
    act: Callable[[Page], object] = lambda page: None


def classify(page: Page) -> None:
    page.get_by_label("Your review").fill("a lovely moving film")
    page.get_by_role("button", name="Classify").last.click()
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()


def classify_and_ask_why(page: Page) -> None:
    classify(page)
    page.get_by_text("Why?").click()
    expect(page.get_by_test_id("stHtml")).to_be_visible()
    page.get_by_role("button", name="Pin to compare").click()
    page.get_by_text("How far can this be trusted?").click()


def read_many(page: Page) -> None:
    page.get_by_label("Lines").fill("a lovely film\na dull book\na moving plot")
    page.get_by_role("button", name="Read them").click()
    expect(page.get_by_text("3 reviews read by")).to_be_visible()


def verify(page: Page) -> None:
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_text(re.compile(r"(Different|Decisions changed)\."))).to_be_visible()


VIEWS = {
    "Classify with a result": View("?model={run}", classify),
    "Classify, asked why": View("?model={run}", classify_and_ask_why),
    "Many reviews": View("Many_reviews?model={run}&from=Paste+lines", read_many),
    "Evaluation with a cell": View("Evaluation?model={run}&true=positive&decided=positive"),
    **{
        f"Evaluation, {tab}": View(f"Evaluation?model={{run}}&look={tab.replace(' ', '+')}")
        for tab in ("By label", "Slices", "Confidence", "Coverage", "Threshold")
    },
    "Local vs Hub with a verdict": View("Local_vs_Hub?model={tampered}", verify),
    "Local vs Hub before one": View("Local_vs_Hub?model={run}"),
    "Revisions": View("Revisions?model={run}"),
    "Training runs": View("Training_runs?model={run}&compare={tampered}"),
    "Training runs, one in progress": View("Training_runs?live={unfinished}&compare={run}"),
    "About": View("About?model={run}"),
    "nothing there": View("Evaluation?model=demo/elsewhere@main"),
}


@pytest.fixture(scope="module", params=["light", "dark"])
def page(chromium: Browser, site: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the theme that has been at the app's first page."""
    found = open_page(chromium, 1280, request.param)
    found.goto(site)
    settle(found)
    yield found
    found.context.close()


@pytest.mark.parametrize("name", VIEWS)
def test_nothing_keeps_people_from_using_a_page(
    page: Page, site: str, name: str, run: Run, tampered: Run, unfinished: Run
) -> None:
    for entry in history(1, 5):
        unfinished.log(entry)
    view = VIEWS[name]
    page.goto(f"{site}/{view.address.format(run=run.name, tampered=tampered.name, unfinished=unfinished.name)}")
    settle(page)
    view.act(page)
    settle(page)
    page.wait_for_function(AT_REST)
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    severe = [
        f"{each['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for each in found
        if each["impact"] in SEVERE
        for node in each["nodes"]
    ]
    assert not severe, "\n".join(severe)


def test_the_check_finds_what_it_is_for(page: Page, site: str) -> None:
    page.goto(f"{site}/About")
    settle(page)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x> <p style=\"color: #999\">Pale</p>')")
    found = {each["id"]: each["impact"] for each in Axe().run(page).response["violations"]}
    assert found["image-alt"] == "critical"
