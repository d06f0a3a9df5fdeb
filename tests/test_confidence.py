"""What a record says of its model's confidence, and an answer that names as many labels as it must."""

from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from core import calibration, confidence, conformal
from core.confidence import COVERAGES, Confidence
from core.errors import RunError
from core.runs import Record, Run

LABELS = ["bad", "mixed", "<b>good</b>"]


def known(least: float) -> Confidence:
    found = conformal.Coverage(0.9, 0.912, 0.893, 0.928, 0.9, 0.75, 0.94)
    return Confidence(1.4, 0.05, 0.02, dict.fromkeys(COVERAGES, least), dict.fromkeys(COVERAGES, found))


def test_a_record_tells_all_of_it(run: Run) -> None:
    found = confidence.of_record(run.record)
    validation, test = run.record.predictions("validation"), run.record.predictions("test")
    assert found.temperature == calibration.of_record(run.record)
    assert found.before == calibration.error(test)
    assert found.after == calibration.error(test, found.temperature)
    assert found.least == {share: conformal.of_record(run.record, share) for share in COVERAGES}
    assert found.found[0.9] == conformal.measure(validation, test, 0.9)


def test_a_record_without_predictions_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_bytes((run.path / "metrics.json").read_bytes())
    with pytest.raises(RunError, match="is missing"):
        confidence.of_record(Record(tmp_path))


@pytest.mark.parametrize(
    ("least", "said"),
    [
        (0.5, "mixed"),
        (0.99, "mixed"),
        (0.25, "Not sure: mixed or <b>good</b>"),
        (0.0, "Not sure: mixed, <b>good</b> or bad"),
    ],
)
def test_an_answer_names_every_label_that_is_likely_enough(least: float, said: str) -> None:
    named = confidence.named(np.array([0.1, 0.6, 0.3]), LABELS, known(least), 0.9)
    html = MarkdownIt().render(confidence.answer(named))
    assert html == f"<p>{said.replace('<', '&lt;').replace('>', '&gt;')}</p>\n"
    assert ("must name" in confidence.meaning(len(named), 0.9)) == ("Not sure" in said)
    assert "90%" in confidence.meaning(len(named), 0.9)


@pytest.mark.parametrize(("n", "said"), [(3, "a, b or c"), (4, "a, b, c or 1 other"), (6, "a, b, c or 3 others")])
def test_a_headline_names_few_labels(n: int, said: str) -> None:
    assert confidence.answer(list("abcdef"[:n])) == f"Not sure: {said}"


def test_without_a_record_the_likeliest_label_is_the_answer() -> None:
    assert confidence.named(np.array([0.4, 0.3, 0.3]), LABELS, None, 0.9) == ["bad"]


def test_sentences_hold_the_figures() -> None:
    found = known(0.5)
    assert "temperature of 1.40" in confidence.calibrated(found)
    assert "0.0500 apart before that, and 0.0200 after it" in confidence.calibrated(found)
    said = confidence.promised(found.found[0.9])
    assert "90% were to hold the true label, and 91.2% (95% interval 89.3% to 92.8%) did" in said
    assert "75.0% named one label alone, of which 94.0% were right" in said
    assert "not for each text" in said
