"""Nothing on any page keeps people from using it: axe-core (https://dequeuniversity.com/rules/axe) finds no serious or
critical violation in either theme, and nothing scrolls sideways on a phone.

A page is a line of VIEWS: its path and query, and what a person does there before it is looked at.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.runs import Run
from tests.browser.chromium import settle
from tests.browser.conftest import NEEDS_CHROMIUM
from tests.histories import history

pytestmark = NEEDS_CHROMIUM

axe = Axe()
SEVERE = ("serious", "critical")
BACKGROUNDS = {"dark": "rgb(20, 23, 27)", "light": "rgb(255, 255, 255)"}
"""The themes' own, as .streamlit/config.toml has them."""

WIDE, PHONE = ({"width": width, "height": 900} for width in (1280, 390))
MAIN = "document.querySelector('[data-testid=stMain]')"
SIDEWAYS = f"{MAIN}.scrollWidth > {MAIN}.clientWidth"


class View(NamedTuple):
    """A page in a state worth looking at; `{run}` and `{tampered}` are runs, `{unfinished}` is one in progress."""

    address: str
    act: Callable[[Page], object] = lambda page: None


def classify(page: Page) -> None:
    page.get_by_label("Your review").fill("a lovely film")
    page.get_by_role("button", name="Classify").last.click()
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()


def classify_and_ask_why(page: Page) -> None:
    classify(page)
    page.get_by_text("Why?").click()
    expect(page.get_by_test_id("stHtml")).to_be_attached()
    if (folded := page.get_by_text("The words, all the same")).is_visible():  # no better than chance
        folded.click()
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


def violations(page: Page) -> dict[str, str]:
    """The serious and critical ones by rule, with the elements that have them."""
    found: list[dict[str, Any]] = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return {
        each["id"]: "\n".join(f"{node['html'][:200]} ({node['failureSummary']})" for node in each["nodes"])
        for each in found
        if each["impact"] in SEVERE
    }


@pytest.fixture
def page(desktop: Page) -> Iterator[Page]:
    """A page that may change its width and its theme."""
    yield desktop
    desktop.set_viewport_size(WIDE)
    desktop.emulate_media(color_scheme="light")


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
    for scheme, background in BACKGROUNDS.items():
        page.emulate_media(color_scheme=scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", background)
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("r")  # Streamlit's own shortcut for a rerun: a page learns the theme with its next run
        settle(page)
        assert not violations(page), scheme
    page.set_viewport_size(PHONE)
    settle(page)
    assert not page.evaluate(SIDEWAYS)


def test_the_check_finds_what_it_is_for(desktop: Page, site: str) -> None:
    desktop.goto(f"{site}/About")
    settle(desktop)
    desktop.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x>')")
    assert "image-alt" in violations(desktop)
    assert not desktop.evaluate(SIDEWAYS)
    desktop.evaluate(f"""{MAIN}.insertAdjacentHTML('beforeend', '<div style="width: 2000px">.</div>')""")
    assert desktop.evaluate(SIDEWAYS)
