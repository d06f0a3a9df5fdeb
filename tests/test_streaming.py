"""Streaming: a seeded sample of each genre's file, whatever the server and the connection do on the way."""

import gzip
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pandas as pd
import pytest
from huggingface_hub import constants

from bench import stream
from core import data, streaming, transfer
from core import recipe as recipes
from core.errors import DataError
from core.recipe import Data
from tests import bookshelf
from tests.bookshelf import GENRES, Bookshelf, Fault, line, lines

ROWS = 300
POETRY = "/poetry.json.gz"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bookshelf]:
    """Eight genres of 300 reviews, an empty cache, and no patience."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(transfer, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(transfer, "LONGEST_WAIT", 0.01)
    with bookshelf.serving() as found:
        for genre in GENRES:
            found.put(genre, lines(genre, ROWS))
        yield found


def source(shelf: Bookshelf, **changes: Any) -> Data:
    usual = {"url": shelf.url, "text": "review_text", "id": "review_id", "label": "genre", "sample": 20}
    return Data.model_validate(usual | changes)


def read(shelf: Bookshelf, *labels: str, **changes: Any) -> pd.DataFrame:
    return streaming.read(source(shelf, **changes), labels or ("poetry",))


def undisturbed(shelf: Bookshelf, **changes: Any) -> pd.DataFrame:
    """What `read` gives for poetry when nothing happens; the cache forgets it, and the shelf that it was asked."""
    found = read(shelf, **changes)
    streaming.cache_path(source(shelf, **changes), "poetry").unlink()
    shelf.requests.clear()
    return found


def problem(shelf: Bookshelf, *labels: str, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(shelf, *labels, **changes)
    return str(caught.value)


def test_every_genre_gives_its_sample_in_the_files_order(shelf: Bookshelf) -> None:
    found = read(shelf, *GENRES)
    assert list(found) == ["review_id", "review_text", "genre"]
    assert found["genre"].tolist() == [genre for genre in GENRES for _ in range(20)]
    assert found["review_id"].is_unique
    for genre, rows in found.groupby("genre"):
        assert rows["review_id"].is_monotonic_increasing
        assert rows["review_id"].str.startswith(f"{genre}/").all()
        number = rows["review_id"].str[-6:].astype(int)
        assert (rows["review_text"].str.split(":").str[0] == [f"{genre} {n}" for n in number]).all()


def test_the_sample_is_the_seeds_and_no_other_genres(shelf: Bookshelf) -> None:
    first = undisturbed(shelf)
    assert read(shelf, "romance", "poetry").query("genre == 'poetry'").reset_index(drop=True).equals(first)
    assert not read(shelf, seed=43).equals(first)


def test_every_row_is_as_likely_to_be_drawn(shelf: Bookshelf) -> None:
    # 10 of 40 rows in 400 draws: each is drawn 100 times, give or take 8.7.
    drawn = pd.Series(0, index=range(1, 41))
    for seed in range(400):
        rows = streaming._Reservoir(source(shelf, sample=10), "x", random.Random(seed))
        for review in lines("x", 40, words=1):
            rows.offer(review)
        drawn[[number for number, _ in rows.rows]] += 1
    assert drawn.sum() == 4000
    assert drawn.between(60, 140).all()


@pytest.mark.parametrize(("first", "sample", "expected"), [(0, 0, 300), (50, 0, 50), (50, 80, 50), (0, 400, 300)])
def test_all_rows_are_kept_where_no_fewer_are_wanted(shelf: Bookshelf, first: int, sample: int, expected: int) -> None:
    found = read(shelf, first=first, sample=sample)
    assert found["review_id"].tolist() == [f"poetry/poe{n:06}" for n in range(expected)]


def test_only_the_first_rows_are_drawn_from_and_the_rest_is_not_transferred(shelf: Bookshelf) -> None:
    noise = random.Random(5)
    body = shelf.put("poetry", (line(f"r{n:05}", noise.randbytes(5000).hex()) for n in range(4000)))
    found = read(shelf, first=100)
    assert found["review_id"].max() <= "poetry/r00099"
    assert shelf.sent < len(body) / 2


def test_the_second_text_of_a_pair_is_read_too(shelf: Bookshelf) -> None:
    assert list(read(shelf, text_pair="date_added")) == ["review_id", "review_text", "date_added", "genre"]


def test_rows_are_numbered_where_they_need_no_id(shelf: Bookshelf) -> None:
    assert read(shelf, id="", first=2)["id"].tolist() == ["poetry/1", "poetry/2"]
    assert read(shelf, id="id", first=2)["id"].tolist() == ["poetry/1", "poetry/2"]


@pytest.mark.parametrize("cut", [0, 1, 9, 1000, 9000])
def test_a_broken_transfer_goes_on_where_it_stopped(shelf: Bookshelf, cut: int) -> None:
    expected = undisturbed(shelf)
    shelf.faults[POETRY] = [Fault(cut=cut)]
    assert read(shelf).equals(expected)
    first, second = shelf.asked("poetry")
    assert "Range" not in first
    assert second.get("Range") == (f"bytes={cut}-" if cut else None)
    etag = shelf.validators(shelf.files[POETRY])["ETag"]
    assert second.get("If-Range") == (etag if cut else None)


def test_a_transfer_may_break_several_times(shelf: Bookshelf) -> None:
    expected = undisturbed(shelf)
    shelf.faults[POETRY] = [Fault(cut=700), Fault(status=503), Fault(cut=1), Fault(cut=2000)]
    assert read(shelf).equals(expected)
    assert [headers.get("Range") for headers in shelf.asked("poetry")] == [
        None, "bytes=700-", "bytes=700-", "bytes=701-", "bytes=2701-",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("validators", "condition"),
    [
        ({"Last-Modified": "Wed, 16 Apr 2014 07:32:07 GMT"}, "Wed, 16 Apr 2014 07:32:07 GMT"),
        ({"ETag": 'W/"1"', "Last-Modified": "Wed, 16 Apr 2014 07:32:07 GMT"}, "Wed, 16 Apr 2014 07:32:07 GMT"),
        ({"ETag": 'W/"1"'}, None),
        ({}, None),
    ],
)
def test_a_transfer_goes_on_only_where_the_file_is_known_to_be_the_same(
    shelf: Bookshelf, validators: dict[str, str], condition: str | None
) -> None:
    shelf.validators = lambda body: dict(validators)
    expected = undisturbed(shelf)
    shelf.faults[POETRY] = [Fault(cut=3000)]
    assert read(shelf).equals(expected)
    last = shelf.asked("poetry")[-1]
    assert last.get("If-Range") == condition
    assert ("Range" in last) == (condition is not None)


def test_a_server_that_sends_no_parts_is_read_from_the_start(shelf: Bookshelf) -> None:
    expected = undisturbed(shelf)
    shelf.ranges = False
    shelf.faults[POETRY] = [Fault(cut=3000)]
    assert read(shelf).equals(expected)


def test_a_server_that_sends_no_parts_and_always_breaks_is_given_up(shelf: Bookshelf) -> None:
    shelf.ranges = False
    shelf.faults[POETRY] = [Fault(cut=3000)] * 99
    assert "broke after 3,000 bytes and cannot go on" in problem(shelf)
    assert len(shelf.asked("poetry")) == 2 * streaming.STARTS


@pytest.mark.parametrize("minds", [True, False], ids=["with If-Range", "without"])
def test_a_file_that_changed_meanwhile_is_read_from_the_start(shelf: Bookshelf, minds: bool) -> None:
    def replace() -> None:
        shelf.put("poetry", lines("poetry again", ROWS))
        if not minds:  # the rest of the new file is sent although the condition does not hold
            etag = shelf.validators(shelf.files[POETRY])["ETag"]
            shelf.faults[POETRY] = [Fault(status=206, headers={"Content-Range": "bytes 3000-9/10", "ETag": etag})]

    shelf.faults[POETRY] = [Fault(cut=3000, then=replace)]
    found = read(shelf)
    assert found["review_text"].str.startswith("poetry again ").all()
    assert len(found) == 20


def test_a_server_error_passes(shelf: Bookshelf) -> None:
    expected = undisturbed(shelf)
    shelf.faults[POETRY] = [Fault(status=503), Fault(status=502)]
    assert read(shelf).equals(expected)
    assert len(shelf.asked("poetry")) == 3


def test_a_server_error_that_lasts_is_told_after_so_many_attempts(shelf: Bookshelf) -> None:
    shelf.faults[POETRY] = [Fault(status=503)] * 99
    message = problem(shelf)
    assert f"The label poetry cannot be read. {shelf.address}{POETRY}" in message
    assert f"after {transfer.ATTEMPTS} attempts: it answers 503 Service Unavailable" in message
    assert len(shelf.asked("poetry")) == transfer.ATTEMPTS


@pytest.mark.parametrize("wait", ["0", "1", "soon", "Wed, 16 Apr 2014 07:32:07 GMT"])
def test_a_server_that_asks_for_a_wait_is_waited_for(shelf: Bookshelf, wait: str) -> None:
    shelf.faults[POETRY] = [Fault(status=429, headers={"Retry-After": wait})]
    start = datetime.now(UTC)
    assert len(read(shelf)) == 20
    assert (datetime.now(UTC) - start >= timedelta(seconds=1)) == (wait == "1")


@pytest.mark.parametrize(
    "wait", [lambda: "7200", lambda: format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)]
)
def test_a_server_that_asks_for_hours_is_not_waited_for(shelf: Bookshelf, wait: Callable[[], str]) -> None:
    shelf.faults[POETRY] = [Fault(status=429, headers={"Retry-After": wait()})]
    assert "answers 429 Too Many Requests and asks for a wait of 7," in problem(shelf).replace("7,200", "7,")
    assert len(shelf.asked("poetry")) == 1


def test_a_genre_that_is_missing_is_named_and_the_others_are_kept(shelf: Bookshelf) -> None:
    del shelf.files["/romance.json.gz"]
    message = problem(shelf, *GENRES)
    assert f"The label romance cannot be read. {shelf.address}/romance.json.gz answers 404 Not Found." in message
    assert len(shelf.asked("romance")) == 1  # to ask again is no use
    shelf.put("romance", lines("romance", ROWS))
    assert len(read(shelf, *GENRES)) == 160
    assert len(shelf.asked("children")) == 1


@pytest.mark.parametrize("status", [401, 403, 410, 204, 304])
def test_an_answer_without_a_file_is_told(shelf: Bookshelf, status: int) -> None:
    shelf.faults[POETRY] = [Fault(status=status)]
    assert f"{POETRY} answers {status} " in problem(shelf)


def test_a_server_that_is_not_there_is_told(shelf: Bookshelf) -> None:
    with bookshelf.serving() as gone:
        pass
    message = problem(shelf, url=gone.url)
    assert f"{gone.address}{POETRY} cannot be read after {transfer.ATTEMPTS} attempts: " in message
    assert "refused" in message


def test_a_server_that_falls_silent_is_asked_again(shelf: Bookshelf, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = undisturbed(shelf)
    monkeypatch.setattr(transfer, "TIMEOUT", httpx2.Timeout(0.2))
    shelf.faults[POETRY] = [Fault(cut=3000, then=lambda: time.sleep(0.6))]
    assert read(shelf).equals(expected)
    assert shelf.asked("poetry")[1]["Range"] == "bytes=3000-"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org/{label}.gz", "ftp://example.org/poetry.gz cannot be read: "),
        ("http://example.org:port/{label}.gz", "cannot be read: Invalid port"),
    ],
)
def test_an_address_that_cannot_work_is_told_at_once(shelf: Bookshelf, url: str, said: str) -> None:
    assert said in problem(shelf, url=url)


def test_a_label_is_quoted_in_its_address(shelf: Bookshelf) -> None:
    shelf.files["/young%20adult%2F%C3%BC.json.gz"] = shelf.files["/young_adult.json.gz"]
    assert set(read(shelf, "young adult/ü")["genre"]) == {"young adult/ü"}


def test_a_file_that_was_packed_in_several_parts_is_read_whole(shelf: Bookshelf) -> None:
    shelf.files[POETRY] = b"".join(map(gzip.compress, lines("poetry", ROWS))) + bytes(100)
    assert len(read(shelf, sample=0)) == ROWS


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda body: body[:-9], "is not a whole gzip file: Compressed file ended"),
        (lambda body: body[: len(body) // 2], "is not a whole gzip file: Compressed file ended"),
        (lambda body: body[:5000] + bytes(50) + body[5050:], "is not a whole gzip file: "),
        (lambda body: body[:-8] + bytes(8), "is not a whole gzip file: CRC check failed"),
        (lambda body: b"<!doctype html>", "is not a whole gzip file: Not a gzipped file"),
        (lambda body: b"", "is empty"),
        (lambda body: gzip.compress(b""), "is empty"),
        (lambda body: gzip.compress(b"\n \n\n"), "is empty"),
    ],
)
def test_a_damaged_file_is_told(shelf: Bookshelf, spoil: Callable[[bytes], bytes], said: str) -> None:
    shelf.files[POETRY] = spoil(shelf.files[POETRY])
    message = problem(shelf)
    assert said in message
    assert f"{shelf.address}{POETRY}" in message


BAD = {
    "damaged": [
        b"{", b"[]", b"null", b"\xff\xfe{}", b"[" * 100_000, b'{"review_id": "x", "review_text": "\\ud83d"}',
        b"1" * 5000, b'{"review_id": "x", "review_text": "' + b"long " * 500_000 + b'"}',
    ],
    "lacking": [
        b"{}", b'{"review_id": "x"}', b'{"review_text": "no id"}', b'{"review_id": "", "review_text": "no id"}',
        b'{"review_id": "x", "review_text": "  "}', b'{"review_id": "x", "review_text": 5}',
    ],
}  # fmt: skip


def test_damaged_lines_and_rows_without_text_are_passed_over_and_counted(shelf: Bookshelf) -> None:
    bad = [line + b"\n" for kind in BAD.values() for line in kind]
    good = list(lines("poetry", ROWS))
    shelf.put("poetry", [*good[:100], *bad, b"\n", *good[100:], good[7]])
    found = read(shelf, sample=0)
    assert found["review_id"].tolist() == [f"poetry/poe{n:06}" for n in range(ROWS)]
    origin = streaming.origins(source(shelf, sample=0), ("poetry",))["poetry"]
    assert origin == {
        "address": f"{shelf.address}{POETRY}",
        "etag": shelf.validators(shelf.files[POETRY])["ETag"],
        "last_modified": "",
        "read": ROWS + len(bad) + 1,
        "damaged": len(BAD["damaged"]),
        "lacking": len(BAD["lacking"]),
        "repeated": 1,
        "kept": ROWS,
    }


def test_the_last_line_needs_no_end(shelf: Bookshelf) -> None:
    shelf.files[POETRY] = gzip.compress(b"".join(lines("poetry", 3)).rstrip())
    assert len(read(shelf)) == 3


def test_a_file_that_is_mostly_damaged_is_an_error(shelf: Bookshelf) -> None:
    shelf.put("poetry", [*lines("poetry", 4), *[b"{\n"] * 5])
    assert "most of its 9 rows cannot be used: 5 damaged, 0 without one of" in problem(shelf)


def test_a_column_that_is_not_there_is_told_with_those_that_are(shelf: Bookshelf) -> None:
    message = problem(shelf, text="review")
    assert "300 without one of review, review_id. The first has user_id, book_id, review_id, rating," in message


def test_what_was_read_once_is_not_asked_for_again(shelf: Bookshelf) -> None:
    found = read(shelf, *GENRES)
    shelf.requests.clear()
    assert read(shelf, *GENRES).equals(found)
    assert shelf.requests == []
    assert len(list((Path(constants.HF_HOME) / "verdict" / "streams").iterdir())) == len(GENRES)


@pytest.mark.parametrize(
    "changes",
    [{"first": 100}, {"sample": 21}, {"seed": 1}, {"text": "date_added"}, {"id": "user_id"}, {"text_pair": "book_id"}],
)
def test_another_sample_is_read_anew(shelf: Bookshelf, changes: dict[str, Any]) -> None:
    read(shelf)
    shelf.requests.clear()
    read(shelf, **changes)
    assert len(shelf.requests) == 1


@pytest.mark.parametrize("kind", ["empty", "cut", "text", "flipped", "foreign"])
def test_a_damaged_cache_is_made_anew(shelf: Bookshelf, kind: str) -> None:
    expected = read(shelf)
    path = streaming.cache_path(source(shelf), "poetry")
    whole = path.read_bytes()
    middle = len(whole) // 4
    if kind == "foreign":
        expected.to_parquet(path)
    else:
        spoilt = {"empty": b"", "cut": whole[:-99], "text": b"no parquet"}
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        path.write_bytes(spoilt.get(kind, flipped))
    assert read(shelf).equals(expected)
    assert len(shelf.requests) == 2
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_told(shelf: Bookshelf) -> None:
    Path(constants.HF_HOME).write_text("not a folder")
    assert "HF_HOME names another place" in problem(shelf)


def test_the_goodreads_recipe_gets_its_splits_over_a_bad_connection(shelf: Bookshelf) -> None:
    shelf.faults = {f"/{genre}.json.gz": [Fault(status=503), Fault(cut=4000)] for genre in GENRES}
    recipe = recipes.load(stream.PROJECT / "train/recipes/goodreads.toml", [f"data.url={shelf.url}", "data.sample=100"])
    splits = data.load_splits(recipe)
    assert {name: len(frame) for name, frame in splits.items()} == {"train": 560, "validation": 80, "test": 160}
    assert all(frame["label"].nunique() == 8 for frame in splits.values())
    assert all(headers[-1]["Range"] == "bytes=4000-" for headers in map(shelf.asked, GENRES))


def test_memory_does_not_grow_with_the_file(shelf: Bookshelf, tmp_path: Path) -> None:
    unpacked = stream.write(tmp_path / "long.gz", 200_000)
    shelf.files[POETRY] = (tmp_path / "long.gz").read_bytes()
    found = stream.measured(shelf.address)
    assert found["rows"] == 1000
    assert unpacked > 140e6
    assert found["peak_mb"] - found["imports_mb"] < 70
