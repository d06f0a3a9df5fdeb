"""What was uploaded or pasted: its columns, its texts, and the rows that are left out."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import uploads
from core.errors import InputError
from core.uploads import BadRow


def lines(*values: object) -> uploads.Upload:
    """A file of JSON lines with these texts."""
    return uploads.of_file("a.jsonl", "\n".join(json.dumps({"text": value}) for value in values).encode())


def test_good_rows_keep_their_numbers_and_bad_ones_get_a_reason() -> None:
    found = lines("good", None, "", " \t", 5, ["a"], "\0", "fine").read("text")
    assert (found.numbers, found.texts, found.pairs) == ([1, 8], ["good", "fine"], None)
    assert found.bad == [
        BadRow(2, "text is missing"),
        BadRow(3, "text is empty"),
        BadRow(4, "text is empty"),
        BadRow(5, "text is not text"),
        BadRow(6, "text is not text"),
        BadRow(7, "text is empty"),
    ]


@pytest.mark.parametrize("text", ["<b>a</b>", "פרק נפלא", "🎬", "=1+1", "a\0b", "a\nb"])
def test_texts_stay_as_they_are(text: str) -> None:
    assert lines(text).read("text").texts == [text]


def test_half_a_character_becomes_a_question_mark() -> None:
    assert lines("a \ud83d b").read("text").texts == ["a ? b"]


def test_pairs_need_both_texts() -> None:
    upload = uploads.of_file("a.csv", b"one,two\na,b\nc,\n,d\ne,f\n")
    found = upload.read("one", "two")
    assert (found.numbers, found.texts, found.pairs) == ([2, 5], ["a", "e"], ["b", "f"])
    assert found.bad == [BadRow(3, "two is empty"), BadRow(4, "one is empty")]


def test_a_text_of_any_length_is_either_read_or_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_TEXT", 10)
    found = lines("x" * 10, "x" * 11).read("text")
    assert (found.numbers, found.bad) == ([1], [BadRow(2, "text has more than 10 characters")])


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_ROWS", 3)
    assert len(lines("a", "b", "c").read("text")) == 3
    with pytest.raises(InputError, match="more than 3 rows: split it"):
        lines("a", None, "b", "c").read("text")


def test_too_many_characters_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_CHARACTERS", 2_000_000)
    with pytest.raises(InputError, match="more than 2 million characters"):
        lines("x" * 900_000, "y" * 900_000, "z" * 900_000).read("text")


def test_a_file_without_a_single_text_says_what_its_first_row_lacks() -> None:
    with pytest.raises(InputError, match=r"no row that can be read\. Row 1: text is missing\."):
        lines(None, None).read("text")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"PK", r"must be one of \.csv, \.jsonl, \.ndjson, \.parquet"),
        ("reviews", b"text\na", "must be one of"),
        ("a.csv", b"", "none of its first 200 rows holds a text"),
        ("a.csv", bytes(range(256)) * 20, "none of its first 200 rows holds a text"),
        ("a.jsonl", b"not JSON", "none of its first 200 rows holds a text"),
        ("a.parquet", b"not parquet", "cannot be read as parquet"),
    ],
)
def test_what_is_no_file_of_reviews_is_said_so(name: str, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        uploads.of_file(name, content).columns()


def test_columns_are_those_that_hold_texts() -> None:
    rows = [{"id": 1, "text": "four", "tags": ["a"]}, {"id": 2, "text": "eleven", "note": "x", "odd\0": "name"}]
    upload = uploads.of_file("A.JSONL", "\n".join(map(json.dumps, rows)).encode())
    assert upload.columns() == {"text": 5.0, "note": 1.0}


@pytest.mark.parametrize(
    ("columns", "named", "taken", "found"),
    [
        ({"id": 3, "text": 80}, ["text"], None, "text"),
        ({"text": 80, "sentence": 60}, ["sentence", "text"], None, "sentence"),
        ({"id": 3, "Review": 80}, ["text", "review"], None, "Review"),
        ({"id": 3, "opinion": 80, "title": 20}, ["text", "review"], None, "opinion"),
        ({"one": 80, "two": 70, "id": 3}, [""], "one", "two"),
        ({"one": 80}, ["two"], "one", "one"),
    ],
)
def test_the_likeliest_column_is_guessed(
    columns: dict[str, float], named: list[str], taken: str | None, found: str
) -> None:
    assert list(columns)[uploads.guess(columns, named, taken)] == found


def test_pasted_lines_are_numbered_as_they_stand() -> None:
    found = uploads.of_lines("a lovely film\n\n=a dull one\n").read("text")
    assert (found.numbers, found.texts) == ([1, 3], ["a lovely film", "=a dull one"])


def test_pasted_pairs() -> None:
    found = uploads.of_lines("a\tb\nc\n", pairs=True).read("text", "second text")
    assert (found.texts, found.pairs, found.bad) == (["a"], ["b"], [BadRow(2, "no tab between two texts")])


def test_a_file_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UNPACKED", 1_000_000)
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["x" * 2_000_000]}), buffer, compression="zstd", use_dictionary=False)
    assert len(buffer.getvalue()) < 10_000
    with pytest.raises(InputError, match="unpacks to more than 1 MB"):
        uploads.of_file("reviews.parquet", buffer.getvalue())
