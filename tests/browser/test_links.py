"""Links and the browser's back: what a page shows is in its address."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Page, expect

from core.runs import Run
from tests.browser.chromium import leave, open_page, settle
from tests.browser.conftest import NEEDS_CHROMIUM, serving

pytestmark = NEEDS_CHROMIUM


def visit(page: Page, address: str) -> Page:
    page.goto(address)
    settle(page)
    return page


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_a_link_to_training_runs_shows_the_same_runs_and_the_same_curve(
    site: str, desktop: Page, chromium: Browser, run: Run, tampered: Run
) -> None:
    visit(desktop, f"{site}/Training_runs?model={run.name}")
    desktop.get_by_test_id("stButtonGroup").first.get_by_text(re.compile("^tiny( beef)?$")).click()
    settle(desktop)
    desktop.get_by_text("Accuracy", exact=True).first.click()
    settle(desktop)
    desktop.wait_for_url(re.compile("curve=Accuracy"))
    other = visit(open_page(chromium, 1280, "light"), desktop.url)
    assert query(other) == query(desktop)
    for page in (desktop, other):
        expect(page.get_by_text("Differences in the recipes")).to_be_visible()
        expect(page.locator(".js-plotly-plot .gtitle")).to_have_text(["Accuracy"])
    shown = [page.locator(".annotation-text").all_text_contents() for page in (desktop, other)]
    assert shown[0] == shown[1]
    assert len(shown[0]) == 2


def test_a_link_leads_on_even_if_nobody_was_at_the_app_before(desktop: Page, tmp_path: Path) -> None:
    with serving("", tmp_path / "said.txt") as new:
        visit(desktop, f"{new}/About?model=demo/elsewhere")
        expect(desktop.get_by_role("heading", name="About")).to_be_visible()
        desktop.get_by_role("link", name="Training runs").click()
        expect(desktop.get_by_role("heading", name="Training runs")).to_be_visible()
        leave(desktop)


def test_back_undoes_choices_one_by_one_and_forward_makes_them_again(site: str, desktop: Page, run: Run) -> None:
    visit(desktop, f"{site}/Training_runs?model={run.name}")
    title = desktop.locator(".js-plotly-plot .gtitle")
    for name in ("Accuracy", "F1 (macro)"):
        desktop.get_by_text(name, exact=True).first.click()
        expect(title).to_have_text([name])
    desktop.go_back()
    expect(title).to_have_text(["Accuracy"])
    assert query(desktop)["curve"] == ["Accuracy"]
    desktop.go_back()
    expect(title).to_have_text(["Loss"])
    assert "curve" not in query(desktop)
    desktop.go_forward()
    expect(title).to_have_text(["Accuracy"])


def test_back_returns_to_the_page_before_with_its_choices(site: str, desktop: Page, run: Run) -> None:
    visit(desktop, f"{site}/Training_runs?model={run.name}&curve=Accuracy")
    desktop.get_by_role("link", name="About").click()
    expect(desktop.get_by_role("heading", name="About")).to_be_visible()
    settle(desktop)
    desktop.go_back()
    settle(desktop)
    if "curve" not in query(desktop):  # Streamlit may leave a page by way of its address without choices
        desktop.go_back()
    expect(desktop.locator(".js-plotly-plot .gtitle")).to_have_text(["Accuracy"])


def test_back_undoes_the_choice_of_another_model(
    site: str, desktop: Page, run: Run, published: str, tampered: Run
) -> None:
    visit(desktop, f"{site}/Training_runs?model={run.name}")
    picker = desktop.get_by_role("combobox", name="Model")
    picker.click()
    desktop.get_by_role("option", name=published).click()
    desktop.wait_for_url(re.compile("model=demo"))
    expect(picker).to_have_value(published)
    settle(desktop)
    desktop.go_back()
    expect(picker).to_have_value(run.name)


def test_a_link_to_a_publication_shows_the_same_publication_and_flips(
    site: str, desktop: Page, chromium: Browser, tampered: Run
) -> None:
    older = tampered.publications[0]
    name = f"{older['repo']}@{older['commit']}"
    if len(tampered.publications) == 1:
        tampered.add_publication("demo/tampered", "f" * 40)  # there is a choice
    visit(desktop, f"{site}/Local_vs_Hub?model={tampered.name}")
    box = desktop.get_by_role("combobox", name="Publication")
    expect(box).to_have_value(f"demo/tampered@{'f' * 40}")
    box.click()
    desktop.get_by_role("option", name=name).click()
    expect(box).to_have_value(name)
    desktop.wait_for_url(re.compile(older["commit"]))
    settle(desktop)
    desktop.get_by_role("button", name="Verify now").click()
    expect(desktop.get_by_text("9 flipped examples")).to_be_visible()
    settle(desktop)
    matrix = desktop.get_by_test_id("stVegaLiteChart")
    matrix.scroll_into_view_if_needed()
    place = matrix.bounding_box()
    assert place
    desktop.mouse.click(place["x"] + 0.85 * place["width"], place["y"] + 0.55 * place["height"])
    desktop.wait_for_url(re.compile("flip="))
    settle(desktop)
    (kind,) = query(desktop)["flip"]
    expect(desktop.get_by_text(re.compile(r"^\d+ flipped example"))).to_be_visible()
    other = visit(open_page(chromium, 390, "dark"), desktop.url)
    expect(other.get_by_role("combobox", name="Publication")).to_have_value(name)
    expect(other.get_by_role("combobox", name="Show")).to_have_value(kind)
    said = [page.get_by_text(re.compile(r"^\d+ flipped example")).inner_text() for page in (desktop, other)]
    assert said[0] == said[1]
