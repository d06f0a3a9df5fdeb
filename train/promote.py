"""A tag goes to a revision that verifies and is not worse than the one that has it.

"Not worse" is a test of non-inferiority: the 95% interval of the difference in accuracy, on the same examples, must end
above minus the margin (G. Piaggio et al., Reporting of Noninferiority and Equivalence Randomized Trials, JAMA 2012).
"""

from dataclasses import dataclass

from core import hub, integrity, verdict
from core.errors import NotPromoted
from core.verdict import Kind
from core.verify import Progress, verify
from core.wording import figure, interval

MARGIN = 0.02


@dataclass(frozen=True)
class Promotion:
    """What was done, and why it could be."""

    repo: str
    commit: str
    tag: str
    before: str | None
    """the commit that had the tag; None for a new tag"""
    reason: str


def promote(repo: str, revision: str, tag: str, margin: float, progress: Progress) -> Promotion:
    """Give `tag` to the revision. Raises NotPromoted when it does not verify or may be worse by more than `margin`."""
    _, commit = hub.resolve(f"{repo}@{revision}")
    holder = hub.tags(repo).get(tag)
    found = verify(f"{repo}@{commit}", progress)["verdict"]
    if not Kind(found["kind"]).good:
        raise NotPromoted(
            f"{repo}@{commit[:7]} does not verify, so it gets no tag. {found['kind']}: {found['sentence']}"
        )
    reason = _not_worse(repo, holder, commit, margin) if holder else "It verifies, and no revision had the tag."
    hub.tag(repo, commit, tag)
    return Promotion(repo, commit, tag, holder, reason)


def _not_worse(repo: str, holder: str, commit: str, margin: float) -> str:
    """Why the commit may replace the tag's holder. Raises NotPromoted where it may not."""
    before, after = (integrity.fetch(repo, each, "evaluation").record for each in (holder, commit))
    found = verdict.between(before, after)
    if found.evidence is None:
        raise NotPromoted(f"It cannot be compared with {holder[:7]}, which has the tag. {found.sentence}")
    accuracy = found.evidence.of("accuracy")
    low = accuracy.difference if accuracy.low is None else accuracy.low
    told = (
        f"the difference in accuracy to {holder[:7]} is {figure(accuracy.difference)} "
        f"({interval({'low': accuracy.low, 'high': accuracy.high})}, margin {figure(margin)})"
    )
    if low < -margin:
        raise NotPromoted(
            f"It may be worse than the tag's holder: {told}. More test examples would tell, or a wider margin."
        )
    return f"It verifies, and is not worse than the tag's holder: {told}."
