"""The command line: `python -m train --help`."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.status import Status
from rich.table import Column, Table
from rich.text import Text
from tqdm import tqdm

from core import evidence, runs, views, wording
from core import recipe as recipes
from core.backends import AUTO, BACKENDS
from core.errors import VerdictError
from core.recipe import Recipe
from train import failure

RECIPES = Path(__file__).parent / "recipes"
RUN_COLUMNS = ("Full name", "State", "Test accuracy", "95% interval", "TF-IDF")
"""What `runs` shows: as much as fits beside a whole name in 80 columns, which are also what a pipe gets."""

app = typer.Typer(
    help="Fine-tune a review classifier, publish it to the Hugging Face Hub, and prove it is what was measured.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(markup=False, emoji=False)  # names, labels and paths may hold anything

RecipeName = Annotated[str, typer.Argument(help="a recipe's name (see `recipes`) or a TOML file", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="change a setting: key=value, as training.epochs=1; can be repeated")
]


@app.command()
def fit(
    recipe: Annotated[str | None, typer.Argument(help="a recipe's name (see `recipes`) or a TOML file")] = None,
    encoder: Annotated[str | None, typer.Option(help="minilm, a Hub id (user/name@commit) or a folder")] = None,
    data: Annotated[str | None, typer.Option(help="train on this parquet, CSV or JSON lines file instead")] = None,
    limit: Annotated[int | None, typer.Option(help="use only so many rows of each split")] = None,
    set_: Overrides = None,
    seeds: Annotated[
        int, typer.Option(help="train so many times, with the recipe's seed and those after it", min=1)
    ] = 1,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="go on with an interrupted run: recipe/id")] = None,
) -> None:
    """Train a recipe, measure the result on its test split, and leave a run.

    Example: python -m train fit demo --set training.epochs=2

    Example: python -m train fit imdb --encoder minilm --data reviews.csv --set data.text=review

    A run that was interrupted goes on where it was: python -m train fit --resume demo/20260101-120000-abcd
    """
    if (recipe is None) == (resume is None):
        raise typer.BadParameter("name either a recipe to train, or with --resume a run to go on with.")
    given = {"encoder": encoder, "data.file": data, "data.limit": limit}
    overrides = [f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None] + (set_ or [])
    if resume:
        if overrides or seeds > 1:
            raise typer.BadParameter("a run is resumed as it was begun: --resume takes no other settings.")
        found = runs.find(resume)
        from train.fit import resume as resume_run

        _print_trained(resume_run(found))
        return
    chosen = load_recipe(str(recipe), overrides)  # a mistake in it is told before torch is imported
    from train.seeds import fit_seeds, table

    trained = fit_seeds(chosen, seeds)
    for run in trained:
        _print_trained(run)
    if seeds > 1:
        console.print(_table(table(trained)))


@app.command()
def reproduce(run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")]) -> None:
    """Train a run again from what it recorded, and say what differs.

    The exit status is 0 when model and predictions are the same to the byte.
    """
    from train.reproduce import reproduce as reproduce_run

    found = reproduce_run(runs.find(run))
    console.print(_bold("", found.run.name, f": {found.sentence}"), soft_wrap=True)
    if found.differences:
        rows = [(name, str(one), str(other)) for name, (one, other) in found.differences.items()]
        console.print(_table(pd.DataFrame(rows, columns=["What differs", run, found.run.name])))
    if not found.same:
        raise typer.Exit(1)


@app.command("recipes")
def list_recipes() -> None:
    """List the recipes that come with the project."""
    found = [recipes.load(path) for path in sorted(RECIPES.glob("*.toml"))]
    rows = [(each.name, each.title, each.encoder, ", ".join(each.labels)) for each in found]
    console.print(_table(pd.DataFrame(rows, columns=["Recipe", "What it trains", "Encoder", "Labels"])))


@app.command("runs")
def list_runs() -> None:
    """List the runs, newest first, with their test scores."""
    found = runs.every()
    if not found:
        console.print(f"No runs under {runs.root()} yet. Train one: python -m train fit demo", soft_wrap=True)
        return
    console.print(_table(views.runs_table(found)[list(RUN_COLUMNS)]))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run", metavar="RUN")],
    second: Annotated[str, typer.Argument(help="the run that it is compared with", metavar="RUN")],
) -> None:
    """Compare two runs over the test examples they share: verdict, exact McNemar test and paired bootstrap, in words.

    Example: python -m train compare imdb-cased imdb-loop
    """
    from core import paired, predictions, verdict
    from train.results import apart

    named = {"First": runs.find(first), "Second": runs.find(second)}
    one, other = (run.record for run in named.values())
    stored = one.predictions(), other.predictions()
    concluded = verdict.between(one, other)
    found = concluded.evidence or paired.compare(*predictions.shared(*stored, one.labels, other.labels), one.labels)
    for place, run in named.items():
        console.print(_bold(f"{place}: ", run.name), soft_wrap=True)
    differing = "; ".join(
        f"{key} {mine} and {theirs}" for key, (mine, theirs) in apart(one.recipe, other.recipe).items()
    )
    console.print(f"Their recipes differ: {differing}." if differing else "Their recipes are the same.", soft_wrap=True)
    console.print(_bold("", concluded.kind, f": {concluded.sentence}"), soft_wrap=True)
    _print_evidence(asdict(found), tuple(named))
    console.print(
        "A difference is second minus first.", *evidence.conclusions(found, *map(len, stored)), sep="\n", soft_wrap=True
    )


@app.command()
def results(
    output: Annotated[Path, typer.Option("--output", "-o", help="the Markdown page to write")] = Path(
        "docs/results.md"
    ),
) -> None:
    """Write the page of results from the runs: our figures beside those that others report, baselines and cost.

    What it needs of each run is kept in a folder beside the page, and read from there where the run is not at hand.
    """
    from train.results import write

    try:
        write(output, [recipes.load(path) for path in sorted(RECIPES.glob("*.toml"), key=lambda path: path.stem)])
    except OSError as error:
        raise VerdictError(f"{output} cannot be written: {error}. -o names another file.") from None
    console.print(_bold("Results are in ", str(output)), soft_wrap=True)


@app.command()
def publish(
    run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")],
    repo: Annotated[str, typer.Option(help="user/name on the Hub; made if it is not there")],
    private: Annotated[bool, typer.Option(help="make a new repo private")] = False,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="sign it with the private key in this PEM file")
    ] = None,
) -> None:
    """Upload a run to the Hub in one commit: model, card, evaluation and a manifest of hashes.

    Needs HF_TOKEN (or `hf auth login`) with the right to write.
    """
    from train.publish import publish as publish_run

    commit = publish_run(runs.find(run), repo, private=private, key=sign)
    console.print(_bold("Published as ", f"{repo}@{commit}"), soft_wrap=True)
    console.print(f"Next: python -m train verify {repo}@{commit}", soft_wrap=True)


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")],
) -> None:
    """Write a run's model as ONNX, in float32 and in eight bits, for backends that are faster than PyTorch.

    Each backend reads the whole test split, and what became of decisions and scores is kept beside the files. They are
    published with the run. Where a model is loaded, the fastest backend is used that decides as PyTorch does there.
    """
    from train.export import export as export_run

    found = runs.find(run)
    with _bar("text") as bar:
        stated = export_run(found, lambda backend, done, n: _show(bar, backend, done, n))
    rows = [
        (
            name,
            f"{each['changed']:,} of {each['n']:,}",
            f"{each['largest']:.4f}",
            wording.figure(each["accuracy"]["value"]),
        )
        for name, each in stated["test"].items()
    ]
    columns = ["Backend", "Decisions changed", "Largest change of a probability", "Test accuracy"]
    console.print(_table(pd.DataFrame(rows, columns=columns)))
    console.print(f"Next: python -m train publish {found.name} --repo user/name", soft_wrap=True)


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON lines, however large")],
    model: Annotated[str, typer.Option(help="what reads them: user/name@revision, or a run", metavar="REPO@REV")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the parquet file to write")],
    text: Annotated[str, typer.Option(help="column of the texts; guessed if not named")] = "",
    pair: Annotated[str, typer.Option(help="column of the second texts, for a model of pairs")] = "",
    backend: Annotated[
        str,
        typer.Option(help=f"what executes the model: {', '.join([AUTO, *BACKENDS])}; auto is the fastest that passes"),
    ] = AUTO,
) -> None:
    """Classify every row of a file: label, confidence and probabilities, or why a row was left out.

    An interrupted job goes on where it was when it is started again. Example: python -m train score in.csv
    -o out.parquet --model user/name@main
    """
    from train.score import PROBLEM, find
    from train.score import score as score_file

    with _bar("row") as bar:
        found = score_file(
            file, find(model), output, text=text, pair=pair, backend=backend,
            progress=lambda done, n: _show(bar, "Reading", done, n),
        )  # fmt: skip
    console.print(_bold("Answers are in ", str(output)), soft_wrap=True)
    left = f"{found.left_out:,} were left out (column “{PROBLEM}” says why), the others" if found.left_out else "They"
    console.print(f"{found.n:,} rows. {left} were read by {wording.BACKENDS[found.backend]}.", soft_wrap=True)


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="user/name or user/name@revision", metavar="REPO[@REV]")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="folder for verification.json and comparison.md")
    ] = None,
) -> None:
    """Download a publication afresh, hash every file, recompute its metrics, run it over its test split, and conclude.

    The exit status is 0 for `identical` and `drift`, 1 for anything else.
    """
    from core.files import write_json, write_text
    from core.verdict import Kind
    from core.verify import verify as verify_publication

    with console.status("Verifying") as status:
        found = verify_publication(name, _teller(status))
    _print_verification(found)
    if output:
        write_json(output / "verification.json", found)
        write_text(output / "comparison.md", evidence.report(found))
    if not Kind(found["verdict"]["kind"]).good:
        raise typer.Exit(1)


@app.command("revisions")
def list_revisions(
    repo: Annotated[str, typer.Argument(help="user/name on the Hub")],
) -> None:
    """List a repo's newest commits with their tags and test scores.

    Any two can be compared: python -m train compare REPO@REV REPO@REV
    """
    from core import revisions

    console.print(_table(revisions.table(revisions.of(repo))))


@app.command()
def promote(
    repo: Annotated[str, typer.Argument(help="user/name on the Hub")],
    revision: Annotated[str, typer.Argument(help="the commit, branch or tag that is to be promoted")],
    to: Annotated[str, typer.Option(help="the tag that it gets")] = "production",
    margin: Annotated[float, typer.Option(help="accuracy that it may lose at most", min=0.0, max=1.0)] = 0.02,
) -> None:
    """Give a tag to a revision that verifies and is not worse than the one that has the tag.

    Not worse: the 95% interval of the difference in accuracy, on the same examples, ends above minus the margin.
    Needs HF_TOKEN with the right to write. Example: python -m train promote user/name main --to production
    """
    from train.promote import promote as promote_revision

    with console.status("Verifying") as status:
        done = promote_revision(repo, revision, to, margin, _teller(status))
    console.print(_bold("", f"{done.repo}@{done.commit}", f" is {done.tag} now. {done.reason}"), soft_wrap=True)


@app.command()
def localhub(
    root: Annotated[Path, typer.Option(help="folder for its repos and tokens")] = Path(".localhub"),
    port: Annotated[int, typer.Option(help="port on 127.0.0.1", min=0, max=65535)] = 8600,
) -> None:
    """Serve a small Hub on this machine, to publish to without an account; Ctrl-C stops it."""
    from train import localhub as server

    try:
        server.run(root, port)
    except (OSError, RuntimeError) as error:
        raise VerdictError(f"The local Hub cannot serve {root} on port {port}: {error}") from None


@app.command()
def demo(
    port: Annotated[int, typer.Option(envvar="PORT", help="port of the app", min=1, max=65535)] = 8501,
    recipe: Annotated[str, typer.Option(help="recipe to show")] = "demo",
) -> None:
    """Do the main job: train (once), publish to a local Hub, verify, and open the app. Ctrl-C ends all of it."""
    from train.demo.run import run as run_demo

    run_demo(load_recipe(recipe, []), port)


def load_recipe(name: str, overrides: list[str]) -> Recipe:
    """A recipe that comes with the project, or a TOML file."""
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    return recipes.load(path, overrides)


def _print_trained(run: runs.Run) -> None:
    accuracy = run.record.metrics["splits"]["test"]["accuracy"]
    tfidf = run.record.data["baselines"]["tfidf"]["accuracy"]["value"]
    console.print(
        _bold("Run ", run.name, f": test accuracy {wording.figure(accuracy['value'])} ({wording.interval(accuracy)}),"),
        f"TF-IDF {wording.figure(tfidf)}.",
        soft_wrap=True,
    )
    console.print(f"Next: python -m train publish {run.name} --repo user/name", soft_wrap=True)


def _bar(unit: str) -> "tqdm[Any]":
    """Tells the rate and the time left."""
    return tqdm(unit=unit, unit_scale=True, dynamic_ncols=True)


def _show(bar: "tqdm[Any]", doing: str, done: int, n: int) -> None:
    if bar.desc != f"{doing}: ":
        bar.reset()
        bar.set_description(doing)
    bar.total = n
    bar.update(done - bar.n)


def _teller(status: Status) -> Callable[[float, str], None]:
    """Tells what is being done: in the status, which a terminal alone shows, and elsewhere each step once."""
    told: set[str] = set()

    def tell(share: float, doing: str) -> None:
        status.update(f"{doing} ({share:.0%})")
        step = doing.split()[0]
        if not console.is_terminal and step not in told:
            told.add(step)
            console.print(doing, soft_wrap=True)

    return tell


def _table(frame: pd.DataFrame) -> Table:
    """A table that shortens no cell; the first column, a name to be copied, stays in one line where it can."""
    first, *others = frame.columns
    fits = max(map(len, frame[first]), default=0) <= 50  # a longer one would leave the other columns no room
    table = Table(Column(first, no_wrap=fits, overflow="fold"), *(Column(name, overflow="fold") for name in others))
    for row in frame.itertuples(index=False):
        table.add_row(*map(str, row))
    return table


def _bold(before: str, words: str, after: str = "") -> Text:
    return Text.assemble(before, (words, "bold"), after)


def _print_verification(found: dict[str, Any]) -> None:
    verdict = found["verdict"]
    console.print(_bold("", verdict["kind"], f": {verdict['sentence']}"), soft_wrap=True)
    console.print(f"{found['repo']}@{found['commit']}, compared with {found['compared_with']}", soft_wrap=True)
    console.print(found["signature"], soft_wrap=True)
    if verdict["metrics"]:
        _print_evidence(verdict, ("Local", "Hub"))
        console.print(evidence.paragraph(verdict), soft_wrap=True)
    bad = [each for each in found["files"] if each["problem"]]
    console.print(f"{len(found['files'])} files hashed, {len(bad)} not as published.")
    for each in bad:
        console.print(f"  {each['path']}: {each['problem']}", soft_wrap=True)


def _print_evidence(verdict: dict[str, Any], sides: Sequence[str]) -> None:
    """The metrics of both sides, and what flipped."""
    console.print(_table(views.comparison(verdict, sides)))
    if len(flips := views.flips(verdict, sides)):
        console.print(_table(flips))


def main() -> None:
    """Run the command line; a VerdictError is shown as a message, not as a traceback."""
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
    )
    logging.getLogger("verdict").setLevel(logging.INFO)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # a new head has no weights yet, which is no warning here
    with failure.told():
        app()


if __name__ == "__main__":
    main()
