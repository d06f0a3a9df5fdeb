"""Many reviews in a browser: a thousand rows with five bad ones, cancelling, downloads, and others meanwhile."""

import io
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import FilePayload, Page, expect

from core.runs import Run
from tests import marker
from tests.browser.chromium import settle
from tests.browser.conftest import NEEDS_CHROMIUM

pytestmark = NEEDS_CHROMIUM

BAD = {17: '17,""', 203: "203", 404: '404,"never closed', 777: "777,one,two", 1001: '1001,"   "'}
"""Rows that cannot be read, as a spreadsheet counts them."""


def thousand() -> FilePayload:
    rows = [BAD.get(row, f'{row},"=a lovely film, the {row}th"') for row in range(2, 1002)]
    return {"name": "reviews.csv", "mimeType": "text/csv", "buffer": "\n".join(["id,text", *rows]).encode()}


def lines(n: int) -> FilePayload:
    return {"name": "many.jsonl", "mimeType": "", "buffer": b'{"text": "a lovely film and a dull book"}\n' * n}


def start(page: Page, site: str, run: Run, file: FilePayload) -> None:
    page.goto(f"{site}/Many_reviews?model={run.name}")
    settle(page)
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("combobox", name="Column of the texts")).to_be_visible()
    page.get_by_role("button", name="Read them").click()


def download(page: Page, kind: str) -> bytes:
    with page.expect_download() as found:
        page.get_by_role("button", name=f"Download {kind}").click()
    return Path(found.value.path()).read_bytes()


def test_of_a_thousand_rows_the_five_bad_ones_are_named(site: str, page: Page, run: Run) -> None:
    start(page, site, run, thousand())
    left_out = page.get_by_text("5 rows were left out: 17, 203, 404, 777 and 1,001.")
    expect(left_out).to_be_visible(timeout=180_000)  # the first model is loaded, and the libraries with it
    expect(page.get_by_text(re.compile("^995 reviews read by"))).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("% (negative|positive)"))).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    page.get_by_text("Rows left out, and why").click()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(2)
    main = "document.querySelector('[data-testid=stMain]')"
    assert page.evaluate(f"{main}.scrollWidth - {main}.clientWidth") == 0
    assert "lovely" not in page.url


def test_what_was_read_can_be_taken_along(site: str, desktop: Page, run: Run) -> None:
    start(desktop, site, run, thousand())
    table = pd.read_csv(io.BytesIO(download(desktop, "CSV")))
    expected = [row for row in range(2, 1002) if row not in BAD]
    assert table["row"].tolist() == expected
    assert table["text"][0] == "'=a lovely film, the 2th"
    assert table[[f"probability of {label}" for label in run.record.labels]].sum(axis=1).tolist() == pytest.approx(
        [1] * 995
    )
    kept = pd.read_parquet(io.BytesIO(download(desktop, "Parquet")))
    assert kept["row"].tolist() == expected
    assert kept["text"][0] == "=a lovely film, the 2th"


def test_a_job_can_be_cancelled_and_what_was_read_stays(site: str, phone: Page, run: Run) -> None:
    start(phone, site, run, lines(50_000))
    expect(phone.get_by_text(re.compile(r"of 50,000 reviews · .* a second · .* left"))).to_be_visible()
    phone.get_by_role("button", name="Cancel").click()
    said = phone.get_by_text(re.compile("^Cancelled: ([0-9,]+) of 50,000 reviews read"))
    expect(said).to_be_visible()
    settle(phone)
    (done,) = re.findall("^Cancelled: ([0-9,]+) of", said.inner_text())
    read = len(pd.read_csv(io.BytesIO(download(phone, "CSV"))))
    assert int(done.replace(",", "")) == read
    assert 0 < read < 50_000


def test_others_read_meanwhile(site: str, desktop: Page, phone: Page, run: Run) -> None:
    many, one = desktop, phone
    start(many, site, run, lines(100_000))
    expect(many.get_by_text(re.compile("a second"))).to_be_visible()
    one.goto(f"{site}/?model={run.name}")
    settle(one)
    one.get_by_label("Your review").fill("a lovely moving gripping film")
    one.get_by_role("button", name="Classify").last.click()
    expect(one.get_by_text("tokens read")).to_be_visible(timeout=20_000)
    expect(many.get_by_role("button", name="Cancel")).to_be_visible()
    many.get_by_role("button", name="Cancel").click()
    expect(many.get_by_text(re.compile("^Cancelled"))).to_be_visible()


def test_a_link_opens_the_page_for_pasted_lines_and_what_is_pasted_stays_in_the_session(
    site: str, desktop: Page, run: Run
) -> None:
    desktop.goto(f"{site}/Many_reviews?model={run.name}&from=Paste+lines")
    settle(desktop)
    desktop.get_by_label("Lines").fill("a lovely film by Tarquil Vostrand\n\na dull book")
    desktop.get_by_role("button", name="Read them").click()
    expect(desktop.get_by_text(re.compile("^2 reviews read by"))).to_be_visible()
    assert "Vostrand" not in desktop.url
    assert not list(marker.in_files("Vostrand", Path(os.environ["VERDICT_TEST_HOME"])))
