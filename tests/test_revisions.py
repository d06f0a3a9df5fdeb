"""The revisions of a repo, and which of them may have a tag."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from core import hub, recipe, revisions
from core.errors import HubError, NotOnHub, NotPromoted
from core.files import PROJECT
from core.runs import Run
from tests import small_repo
from train.__main__ import app
from train.fit import fit
from train.promote import promote
from train.publish import publish

REPO = "demo/many"


def quiet(share: float, doing: str) -> None:
    """Nobody looks at the progress."""


@pytest.fixture(scope="module")
def commits(run: Run, tiny: Path) -> dict[str, str]:
    """A repo's history: a good model, one that hardly learned, the good one again, and something else."""
    poor = fit(recipe.load(tiny, ["training.epochs=1", "training.learning_rate=1e-6"]))
    found = {"good": publish(run, REPO), "poor": publish(poor, REPO), "again": publish(run, REPO)}
    return found | {"else": hub.publish(REPO, {"config.json": b"{}"}, "Something else")}


@pytest.fixture(autouse=True)
def no_tags(commits: dict[str, str]) -> None:
    for name in hub.tags(REPO):
        hub.api().delete_tag(REPO, tag=name)


def test_revisions_have_their_scores_and_tags(commits: dict[str, str], run: Run) -> None:
    hub.tag(REPO, commits["good"], "v1")
    hub.tag(REPO, commits["good"], "a")
    found = {each.commit: each for each in revisions.of(REPO)}
    assert [commit for commit in found if commit in commits.values()] == list(reversed(commits.values()))
    good, other = found[commits["good"]], found[commits["else"]]
    assert (good.tags, good.problem, good.name) == (("a", "v1"), "", f"{REPO}@{commits['good']}")
    assert good.scores == run.record.metrics["splits"]["test"]
    assert (other.tags, other.scores) == ((), None)
    assert "no evaluation" in other.problem


def test_the_table_and_the_curve_show_them(commits: dict[str, str]) -> None:
    hub.tag(REPO, commits["poor"], "v1")
    found = revisions.of(REPO)
    shown = revisions.table(found).set_index("Commit")
    assert shown.loc[commits["poor"][:7], "Tags"] == "v1"
    assert shown.loc[commits["good"][:7], "Tags"] == "not promoted"
    assert shown.loc[commits["else"][:7], "Test accuracy"] == "–"
    line = revisions.over_time(found)
    assert list(line["commit"]) == [commits[name][:7] for name in ("good", "poor", "again")]
    assert line["when"].is_monotonic_increasing
    assert (line["low"] <= line["value"]).all()


def test_metrics_of_another_shape_are_no_scores() -> None:
    repo = "demo/odd-metrics"
    small_repo.publish(repo, {"evaluation/metrics.json": b'{"schema": 1, "splits": []}', "config.json": b"{}"})
    newest = revisions.of(repo)[0]
    assert newest.scores is None
    assert "does not hold what Verdict writes" in newest.problem


def test_a_repo_that_is_not_there_is_said() -> None:
    with pytest.raises(NotOnHub, match="There is no demo/nowhere"):
        revisions.of("demo/nowhere")


def test_a_tag_moves_and_comes_back_when_that_fails(commits: dict[str, str]) -> None:
    hub.tag(REPO, commits["poor"], "v1")
    hub.tag(REPO, commits["good"], "v1")
    hub.tag(REPO, commits["good"], "v1")
    assert hub.tags(REPO) == {"v1": commits["good"]}
    with pytest.raises(HubError):
        hub.tag(REPO, "f" * 40, "v1")
    assert hub.tags(REPO) == {"v1": commits["good"]}


def test_the_first_to_verify_gets_the_tag(commits: dict[str, str]) -> None:
    done = promote(REPO, commits["poor"][:40], "production", 0.02, quiet)
    assert (done.commit, done.before) == (commits["poor"], None)
    assert hub.tags(REPO) == {"production": commits["poor"]}


def test_a_better_or_an_equal_one_takes_the_tag_over(commits: dict[str, str]) -> None:
    # So few examples show little: that the good one is not much worse than the poor one, they do.
    for name, before, margin in (("poor", None, 0.02), ("good", "poor", 0.5), ("again", "good", 0.02)):
        done = promote(REPO, commits[name], "production", margin, quiet)
        assert done.before == (commits[before] if before else None)
        assert hub.tags(REPO) == {"production": commits[name]}
    assert "difference in accuracy" in done.reason
    assert "0 (0 to 0, margin 0.0200)" in done.reason


def test_a_worse_one_does_not(commits: dict[str, str]) -> None:
    hub.tag(REPO, commits["good"], "production")
    with pytest.raises(NotPromoted, match=r"may be worse than the tag's holder: .*margin 0\.0200"):
        promote(REPO, commits["poor"], "production", 0.02, quiet)
    assert hub.tags(REPO) == {"production": commits["good"]}
    promote(REPO, commits["poor"], "production", 1.0, quiet)  # a margin that nothing exceeds
    assert hub.tags(REPO) == {"production": commits["poor"]}


def test_what_does_not_verify_does_not_either(commits: dict[str, str]) -> None:
    with pytest.raises(NotPromoted, match="does not verify"):
        promote(REPO, commits["else"], "production", 0.02, quiet)
    assert hub.tags(REPO) == {}


def test_the_page_shows_revisions_and_compares_two(
    commits: dict[str, str], no_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    st.cache_data.clear()
    monkeypatch.setenv("VERDICT_MODELS", f"{REPO}@{commits['good']}")
    hub.tag(REPO, commits["good"], "v1")
    app = AppTest.from_file(str(PROJECT / "pages" / "Revisions.py"), default_timeout=60)
    app.run()
    assert not app.exception
    assert not app.error or "different" in app.error[0].value.lower()
    listed = app.dataframe[0].value
    assert list(listed["Commit"])[:4] == [commits[name][:7] for name in ("else", "again", "poor", "good")]
    assert (app.selectbox(key="earlier").value, app.selectbox(key="later").value) == (commits["poor"], commits["again"])
    app.selectbox(key="earlier").set_value(commits["good"]).run()
    assert app.success[0].value.startswith("**Identical.**")


def test_the_commands_say_what_they_did(commits: dict[str, str]) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["promote", REPO, commits["good"], "--to", "v2"])
    assert done.exit_code == 0
    assert f"{REPO}@{commits['good']} is v2 now." in done.output.replace("\n", "")
    listed = runner.invoke(app, ["revisions", REPO])
    assert listed.exit_code == 0
    assert commits["good"][:7] in listed.output
