"""The command line: what it teaches, what it refuses, and how it ends."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core import hub, metrics, runs
from core.runs import Run
from train import __main__ as cli
from train.__main__ import RECIPES

Outcome = tuple[int, str, str]
Cli = Callable[..., Outcome]

COMMANDS = [
    "fit", "reproduce", "recipes", "runs", "export", "score", "publish", "verify", "revisions", "promote", "compare",
    "results", "localhub", "demo",
]  # fmt: skip


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`python -m train …` in this process: exit status, output, errors."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("COLUMNS", "200")  # for the help
    monkeypatch.setattr(cli.console, "_width", 200)

    def go(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["train", *words])
        capsys.readouterr()
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, _plain(out), _plain(err)

    return go


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_the_module_runs_as_a_program(no_runs: Path) -> None:
    command = [sys.executable, "-m", "train", "fit", "no-such-recipe"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=RECIPES.parents[1])
    assert found.returncode == 1
    assert found.stderr.startswith("Error: There is no recipe ")
    assert "Traceback" not in found.stderr + found.stdout


def test_help_lists_every_command(call: Cli) -> None:
    status, out, _ = call("--help")
    assert status == 0
    assert [name for name in COMMANDS if not re.search(rf"^\W*{name}\b.*\w", out, re.MULTILINE)] == []
    commands = [each.name or each.callback.__name__ for each in cli.app.registered_commands if each.callback]
    assert sorted(commands) == sorted(COMMANDS)


# What a newcomer finds in a command's help beside the list of its options.
TEACHES = {
    "fit": "python -m train fit demo",
    "reproduce": "same to the byte",
    "compare": "McNemar",
    "results": "others report",
    "recipes": "recipes that come with the project",
    "runs": "newest first",
    "export": "ONNX",
    "score": "goes on where it was",
    "publish": "HF_TOKEN",
    "verify": "exit status",
    "revisions": "tags and test scores",
    "promote": "not worse",
    "localhub": "without an account",
    "demo": "Ctrl-C",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_teaches(call: Cli, command: str) -> None:
    status, out, _ = call(command, "--help")
    assert status == 0
    assert TEACHES[command] in " ".join(out.split())
    options = re.findall(r"^[│ *]*--(\w+).*", out, re.MULTILINE)
    assert "help" in options
    assert all(re.search(rf"--{name}\b.*[a-z]{{3,}} [a-z]+", out) for name in options)


def test_no_command_shows_the_help(call: Cli) -> None:
    status, out, err = call()
    assert status == 2
    assert "Usage" in out + err


def test_the_shipped_recipes_are_listed(call: Cli) -> None:
    status, out, _ = call("recipes")
    assert status == 0
    assert all(path.stem in out for path in RECIPES.glob("*.toml"))


def test_without_runs_the_first_step_is_named(call: Cli, no_runs: Path) -> None:
    status, out, _ = call("runs")
    assert status == 0
    assert "No runs under" in out
    assert "python -m train fit demo" in out


def test_runs_are_listed_with_their_scores(call: Cli, run: Run) -> None:
    status, out, _ = call("runs")
    assert status == 0
    assert run.name in out
    assert f"{run.record.metrics['splits']['test']['accuracy']['value']:.3f}" in out


def test_a_runs_name_is_whole_in_a_narrow_terminal(call: Cli, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # 80 columns are also what a pipe gets; a name that is cut cannot be copied into the next command.
    monkeypatch.setattr(cli.console, "_width", 80)
    assert run.name in call("runs")[1]


FIVE_MISTAKES = """
title = "Wrong"
labels = ["one"]
encoder = "minilm"
engine = "magic"
[data]
file = "x.csv"
txt = "review"
[training]
epochs = 0
learning_rate = "fast"
"""


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    path = tmp_path / "wrong.toml"
    path.write_text(FIVE_MISTAKES)
    return str(path)


def test_five_mistakes_are_told_at_once(call: Cli, wrong: str) -> None:
    status, _, err = call("fit", wrong)
    assert status == 1
    assert "has 5 problems" in err
    for key in ("labels", "engine", "data.txt", "training.epochs", "training.learning_rate"):
        assert f"  - {key}: " in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "nope"], "There is no recipe"),
        (["fit", "nope.toml"], "There is no recipe nope.toml"),
        (["fit", "demo", "--set", "training.epoch=1"], "did you mean epochs?"),
        (["fit", "demo", "--set", "training.epochs"], "write it as key=value"),
        (["fit", "demo", "--set", "data.file=gone.csv"], "There is no data file gone.csv"),
        (["publish", "nope", "--repo", "demo/x"], "There is no run nope"),
        (["publish", "nope/id", "--repo", "demo/x"], "There is no run nope/id"),
        (["verify", "demo/nowhere"], "There is no demo/nowhere on http://"),
        (["verify", "not a name"], "is no name of a model"),
        (["verify", f"a/b/c@{'0' * 40}"], "is no name of a model"),
        (["demo", "--recipe", "nope"], "There is no recipe"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(call: Cli, no_runs: Path, words: list[str], said: str) -> None:
    status, out, err = call(*words)
    assert status == 1
    assert err.startswith("Error: ")
    assert said in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    "words",
    [
        ["fit"],
        ["fit", "demo", "--resume", "demo/x"],
        ["fit", "--resume", "demo/x", "--limit", "3"],
        ["publish", "x"],
        ["verify"],
        ["nope"],
        ["runs", "--nope"],
        ["demo", "--port", "x"],
    ],
)
def test_a_wrong_call_shows_the_usage(call: Cli, words: list[str]) -> None:
    status, _, err = call(*words)
    assert status == 2
    assert "Usage" in err


def test_markup_in_a_message_is_shown_as_it_is(call: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Square brackets mean colours to the library that prints.
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path / "[red]old[/red]" / "[/b]"))
    status, out, _ = call("runs")
    assert status == 0
    assert "/[red]old[/red]/[/b]" in out.replace("\n", "")
    status, _, err = call("fit", "[/b].toml")
    assert status == 1
    assert "[/b].toml" in err


def test_labels_with_markup_are_listed_as_they_are(call: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (RECIPES / "demo.toml").read_text(encoding="utf-8")
    (tmp_path / "odd.toml").write_text(text.replace('"negative"', '"[/b]"'), encoding="utf-8")
    monkeypatch.setattr(cli, "RECIPES", tmp_path)
    status, out, _ = call("recipes")
    assert status == 0
    assert "[/b]" in out


@pytest.mark.parametrize("command", ["localhub", "demo"])
def test_a_port_that_is_taken_is_told(call: Cli, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, err = call(command, "--port", str(taken.getsockname()[1]))
    assert status == 1
    assert err.startswith("Error: ")


def test_a_hub_that_is_served_already_is_told(call: Cli) -> None:
    status, _, err = call("localhub", "--root", os.environ["VERDICT_TEST_HUB"], "--port", "0")
    assert status == 1
    assert err.startswith("Error: ")
    assert "already" in err


@pytest.fixture
def local(run: Run, no_runs: Path) -> Run:
    """The tiny run on a machine of its own, not published yet."""
    target = no_runs / "tiny" / run.path.name
    return Run(Path(shutil.copytree(run.path, target, ignore=shutil.ignore_patterns("publications.jsonl"))))


def test_publishing_and_verifying_end_well(call: Cli, local: Run, tmp_path: Path) -> None:
    status, out, _ = call("publish", "tiny", "--repo", "demo/by-cli")
    commit = local.publications[-1]["commit"]
    assert status == 0
    assert f"python -m train verify demo/by-cli@{commit}" in out
    status, out, _ = call("verify", f"demo/by-cli@{commit}", "--output", str(tmp_path / "out"))
    assert status == 0
    assert "identical: " in out
    assert f"compared with {local.name}" in out
    stored = json.loads((tmp_path / "out" / "verification.json").read_text())
    assert (stored["verdict"]["kind"], stored["commit"]) == ("identical", commit)
    assert (tmp_path / "out" / "comparison.md").read_text().startswith(f"# demo/by-cli@{commit}")


def test_verifying_what_was_tampered_with_ends_with_one(call: Cli, published: str, no_runs: Path) -> None:
    found = hub.fetch(*published.split("@"))
    files: dict[str, Path | bytes] = {
        path.relative_to(found.folder).as_posix(): path for path in found.folder.rglob("*") if path.is_file()
    }
    files.pop(".gitattributes", None)
    commit = hub.publish("demo/tampered-by-cli", {**files, "README.md": b"# Better than it is"}, "Tamper")
    status, out, _ = call("verify", f"demo/tampered-by-cli@{commit}")
    assert status == 1
    assert "unverifiable: " in out
    assert "1 not as published" in out
    assert "README.md: differs from the manifest" in out


def test_a_token_is_never_printed(call: Cli, local: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    status, out, err = call("publish", "tiny", "--repo", "demo/refused-by-cli")
    assert status == 1
    assert "HF_TOKEN is missing, wrong, or lacks the right" in err
    assert "secretsecret" not in out + err


def test_fit_leaves_a_run_and_names_the_next_step(
    call: Cli, tiny: Path, no_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 5)
    status, out, _ = call("fit", str(tiny), "--set", "training.epochs=1", "--set", "data.limit=24")
    (made,) = runs.every()
    assert status == 0
    assert made.complete
    assert made.record.recipe.training.epochs == 1
    assert f"Run {made.name}: test accuracy" in out
    assert f"python -m train publish {made.name} --repo user/name" in out


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("encoder=no/such/encoder", "no/such/encoder"),
        ("encoder=demo/no-such-encoder", "demo/no-such-encoder"),
        ("training.max_tokens=4096", "max_tokens"),
        ('labels=["negative", "other"]', "positive"),
        ("data.limit=1", "label"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_told_at_once(
    call: Cli, tiny: Path, no_runs: Path, override: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 2)  # it is soon over, should it be trained nevertheless
    status, out, err = call("fit", str(tiny), "--set", "training.epochs=1", "--set", override)
    assert status == 1
    assert err.startswith("Error: ")
    assert said in err
    assert "Traceback" not in out + err
    assert runs.every() == []


def test_a_run_is_trained_again_and_compared(call: Cli, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 5)
    status, out, _ = call("reproduce", run.name)
    assert status == 0
    assert "the same to the byte, weights and predictions" in out
    assert "What differs" not in out


def test_what_differs_in_a_reproduction_is_said(
    call: Cli, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 5)
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))
    shutil.copytree(run.path, tmp_path / run.name)
    recipe_file = tmp_path / run.name / "recipe.toml"
    recipe_file.write_text(
        recipe_file.read_text().replace("epochs = 8", "epochs = 1")
    )  # as if it had been tampered with
    status, out, _ = call("reproduce", run.name)
    assert status == 1
    assert "not the same bytes" in out
    assert "weights" in out


def test_the_demo_chooses_its_hub_before_the_hubs_client_does() -> None:
    """The client reads HF_ENDPOINT when it is imported: too early, and the demo would publish to the real Hub."""
    code = "import sys; import train.__main__, train.demo.run; print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_demo_uses_a_finished_run_again(run: Run, tiny: Path, no_runs: Path) -> None:
    from core import recipe
    from train.demo.run import _finished

    shutil.copytree(run.path, no_runs / run.name)
    found = _finished(recipe.load(tiny))
    assert found
    assert found.name == run.name
    assert _finished(recipe.load(tiny, ["seed=1"])) is None


def test_a_slow_machine_is_shown_less_of_a_recipe_until_all_of_it_is_trained(
    run: Run, tiny: Path, no_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import recipe
    from train import precision
    from train.demo.run import _finished, _for_this_machine, shortened

    whole = recipe.load(tiny)
    for found, expected in (("bf16", whole), ("fp32", shortened(whole))):
        monkeypatch.setattr(precision, "choose", lambda _, found=found: found)
        assert _for_this_machine(whole) == expected
    assert whole != shortened(whole) == shortened(shortened(whole))
    assert shortened(recipe.load(tiny, ['data.train=["train", "more"]'])).data.train == ("train",)
    shutil.copytree(run.path, no_runs / run.name)
    assert _finished(whole)
    assert _finished(shortened(whole)) is None
