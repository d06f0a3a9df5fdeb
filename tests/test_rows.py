"""Files of reviews row by row: what cannot be read says why, and the next row is read."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import rows
from core.errors import InputError
from core.files import PROJECT

WANTED = ["text"]


def read(kind: str, content: bytes | str, columns: list[str] | None = WANTED) -> dict[int, object]:
    """By number: the text, or why there is none."""
    found = rows.FORMATS[kind].read(io.BytesIO(content.encode() if isinstance(content, str) else content), columns)
    return {number: row if isinstance(row, str) else row.get("text") for number, row in found}


def parquet(**columns: pa.Array) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


CSV = {
    "plain": ("text,n\na,1\nb,2\n", {2: "a", 3: "b"}),
    "more columns, cells of several lines": ('n,text\n1,"a\nb"\n2,"c, ""d"""\n', {2: "a\nb", 3: 'c, "d"'}),
    "semicolons and a mark": ("\ufefftext;n\na, b;1\n", {2: "a, b"}),
    "tabs": ("text\tn\na; b, c\t1\n", {2: "a; b, c"}),
    "old ends of lines": ("text,n\r\na,1\r\n\r\n", {2: "a"}),
    "empty lines": ("text,n\na,1\n\nb,2\n\n\n", {2: "a", 3: "empty line", 4: "b"}),
    "too few": ("text,n\na\nb,2\n", {2: "1 cell where the heading has 2", 3: "b"}),
    "too many": ("text,n\na,b,c\nb,2\n", {2: "3 cells where the heading has 2", 3: "b"}),
    "never closed": ('n,text\n1,"a\n2,b\n3,c\n', {2: "quotation marks that do not match", 3: "b", 4: "c"}),
    "closed too early": ('text\n"a"b"\nc\n', {2: "quotation marks that do not match", 3: "c"}),
    "backslashes": ('text\n"say \\"a\\""\nc\n', {2: "quotation marks that do not match", 3: "c"}),
    "what looks like numbers": ("text\n007\nNA\n", {2: "007", 3: "NA"}),
    "NUL": ("text\na\0b\n", {2: "a\0b"}),
    "signs that end no line": ("text\na\u2028b\n", {2: "a\u2028b"}),
    "another spelling of the column": ("Text\na\n", {2: None}),
    "nothing": ("", {}),
}


@pytest.mark.parametrize("name", CSV)
def test_csv(name: str) -> None:
    content, found = CSV[name]
    assert read(".csv", content) == found


def test_a_row_that_is_not_utf8_is_reported_and_the_next_is_read() -> None:
    assert read(".csv", b"text,n\ncaf\xe9,1\ncaf\xc3\xa9,2\n") == {2: "bytes that are not UTF-8", 3: "café"}
    assert read(".jsonl", b'{"text": "caf\xe9"}\n{"text": "b"}\n') == {1: "bytes that are not UTF-8", 2: "b"}


def test_other_columns_may_hold_any_bytes() -> None:
    assert read(".csv", b"text,n\na,\xe9\n") == {2: "a"}


def test_utf16_as_spreadsheets_save_it() -> None:
    assert read(".csv", "text\tn\r\né\t1\r\n".encode("utf-16")) == {2: "é"}


def test_columns_of_csv_have_different_names() -> None:
    ((_, row),) = rows.FORMATS[".csv"].read(io.BytesIO(b"a,a,,a\n1,2,3,4\n"), None)
    assert row == {"a": "1", "a (column 2)": "2", "column 3": "3", "a (column 4)": "4"}


def test_a_heading_that_is_broken_is_said_so() -> None:
    with pytest.raises(InputError, match="The first row, which names the columns"):
        read(".csv", '"text\n')


def test_an_unclosed_quotation_mark_costs_no_more_than_its_row() -> None:
    lines = [f"{n},text {n}" for n in range(5000)]
    lines[1000] = '1000,"text'
    lines[2000] = '"2000,text'
    found = read(".csv", "\n".join(["n,text", *lines]))
    bad = {number for number, text in found.items() if text == "quotation marks that do not match"}
    assert bad == {1002, 2002}
    assert len(found) == 5000
    assert found[5001] == "text 4999"


JSON = {
    "an object": ('{"text": "a"}', "a"),
    "more than is wanted": ('{"n": [1], "text": "a"}\r', "a"),
    "no such key": ('{"n": 1}', None),
    "null": ('{"text": null}', None),
    "a number": ('{"text": 5}', 5),
    "a list": ('["text"]', "no JSON object"),
    "cut short": ('{"text": "a', "not JSON"),
    "a huge number": ('{"text": ' + "9" * 5000 + "}", "not JSON"),
    "nested deeply": ("[" * 100_000, "not JSON"),
    "signs that end no line": ('{"text": "a\u2028\x85b"}', "a\u2028\x85b"),
    "nothing": ("  ", "empty line"),
}


@pytest.mark.parametrize("name", JSON)
def test_json_lines(name: str) -> None:
    line, found = JSON[name]
    assert read(".jsonl", f'{line}\n{{"text": "next"}}\n\n') == {1: found, 2: "next"}


def test_parquet_keeps_nulls_and_numbers_its_rows_across_groups() -> None:
    buffer = io.BytesIO()
    texts = pa.array([None if n == 7 else f"text {n}" for n in range(2500)])
    pq.write_table(pa.table({"text": texts, "n": range(2500)}), buffer, row_group_size=900)
    found = read(".parquet", buffer.getvalue())
    assert list(found) == list(range(1, 2501))
    assert found[8] is None
    assert found[2500] == "text 2499"


def test_of_parquet_all_that_is_text_can_be_had() -> None:
    content = parquet(
        n=pa.array([1]), l=pa.array([["a"]]), text=pa.array(["a"]), large=pa.array(["b"], pa.large_string())
    )
    assert list(rows.FORMATS[".parquet"].read(io.BytesIO(content), None)) == [(1, {"text": "a", "large": "b"})]


def test_a_long_text_that_parquet_stores_once_is_in_memory_once() -> None:
    content = parquet(text=pa.array(["x" * 1_000_000] * 600))
    assert len(content) < 100_000
    found = read(".parquet", content)
    assert len(found) == 600
    assert len({id(text) for text in found.values()}) == 1


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\x89PNG\r\n", b"text\na\n"])
def test_what_is_no_parquet_is_said_so(content: bytes) -> None:
    with pytest.raises(InputError, match="cannot be read as parquet"):
        read(".parquet", content)


def test_a_parquet_file_cut_short_is_said_so() -> None:
    content = parquet(text=pa.array([f"text {n}" for n in range(1000)]))
    with pytest.raises(InputError, match="cannot be read as parquet"):
        read(".parquet", content[: len(content) // 2])


def test_lines_are_reviews_but_for_empty_ones() -> None:
    assert read("lines", "a\n\n  b, c \r\n\n") == {1: "a", 3: "b, c"}


def test_pairs_stand_on_a_line_with_a_tab_between_them() -> None:
    found = list(rows.FORMATS["pairs"].read(io.BytesIO(b"a\tb c\n\nd\n"), None))
    assert found == [(1, {"text": "a", "second text": "b c"}), (3, "no tab between two texts")]


def test_the_demo_corpus_is_read_whole() -> None:
    path = PROJECT / "train" / "demo" / "reviews.jsonl"
    texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert list(read(".jsonl", path.read_bytes()).values()) == texts
