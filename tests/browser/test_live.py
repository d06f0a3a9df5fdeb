"""A run in progress in a browser: it grows by itself, and ends as the page of a finished run."""

import shutil

from playwright.sync_api import Page, expect

from core.runs import Run
from tests.browser.chromium import settle
from tests.browser.conftest import NEEDS_CHROMIUM
from tests.histories import history

pytestmark = NEEDS_CHROMIUM


def test_a_run_in_progress_grows_by_itself_and_is_shown_when_it_is_complete(
    site: str, phone: Page, run: Run, unfinished: Run
) -> None:
    logged = history(2, 5)
    for entry in logged[:3]:
        unfinished.log(entry)
    phone.goto(f"{site}/Training_runs?model={run.name}&live={unfinished.name}")
    settle(phone)
    expect(phone.get_by_text("epoch 0.6 of 8")).to_be_visible()
    for entry in logged[3:]:
        unfinished.log(entry)
    expect(phone.get_by_text("epoch 2.0 of 8")).to_be_visible()
    expect(phone.get_by_text("Validation loss", exact=True)).to_be_visible()
    for name in ("data.json", "environment.json", "metrics.json"):
        shutil.copy(run.path / name, unfinished.path)
    expect(phone.get_by_text("Training time")).to_be_visible()
    expect(phone.get_by_role("combobox", name="Model")).to_have_value(unfinished.name)
    assert "live=" not in phone.url
    settle(phone)
    assert not phone.get_by_test_id("stProgress").count()
