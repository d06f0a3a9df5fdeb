"""How the demo model does on real reviews that it was not made for: 2,000 of IMDb's test split.

    python -m bench.generalise imdb.parquet [--run demo]

The file has columns text, label (0 negative, 1 positive) and split; the sample is drawn with a fixed seed, half of each
label. These reviews are for measuring only: nothing is chosen by them. Writes bench/results/generalise.json.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from core import metrics, predictor, runs, wording
from core.files import write_json
from core.metrics import Outcome
from train.failure import told

SAMPLE = 2000
SEED = 2011
RESULTS = Path(__file__).parent / "results" / "generalise.json"
SHOWN = ("accuracy", "f1_macro", "roc_auc_ovr_macro", "loss", "expected_calibration_error")


def main(
    data: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="IMDb as parquet: text, label, split")],
    run: Annotated[str, typer.Option(help="recipe, or recipe/id")] = "demo",
) -> None:
    """Score a sentiment run on 2,000 IMDb test reviews."""
    found = runs.find(run)
    sample = draw(data)
    model = predictor.load(found.model)
    texts = sample["text"].str.replace("<br />", " ", regex=False).tolist()
    with tqdm(total=len(texts), unit="text") as bar:
        output = model.predict(texts, progress=lambda done, n: bar.update(done - bar.n))
    summary = metrics.summary(Outcome.of_logits(output.logits, sample["label"]), model.labels)
    table = Table("metric", "value", "95% interval", title=f"{found.name} on {len(sample):,} IMDb test reviews")
    for name in SHOWN:
        table.add_row(name, wording.figure(summary[name]["value"]), wording.interval(summary[name]))
    Console().print(table)
    truncated = float(output.truncated.mean())
    print(f"{truncated:.1%} of the texts are longer than the {model.max_tokens} tokens that are read.")
    write_json(RESULTS, {"run": found.name, "sample": SAMPLE, "seed": SEED, "truncated": truncated, "metrics": summary})


def draw(path: Path) -> pd.DataFrame:
    """The fixed sample: 1,000 reviews of each label from the test split, `text` and `label`."""
    test = pd.read_parquet(path, columns=["text", "label", "split"]).query("split == 'test'")
    return test.groupby("label").sample(SAMPLE // 2, random_state=SEED)[["text", "label"]]


if __name__ == "__main__":
    with told():
        typer.run(main)
