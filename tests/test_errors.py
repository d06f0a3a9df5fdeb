"""The exception tree as its module draws it."""

import inspect
import re

from core import errors
from core.errors import VerdictError


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = {}
    parents = [Exception.__name__]
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"((?:│   |    )?(?:├── |└── )?)(\w+) {2,}\S", line):
            depth = len(found[1]) // 4
            parents[depth + 1 :] = [found[2]]
            drawn[found[2]] = parents[depth]
    real = {name: cls.__base__.__name__ for name, cls in inspect.getmembers(errors, inspect.isclass) if cls.__base__}
    assert drawn == real


def test_every_error_can_be_shown_as_it_is() -> None:
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass)]
    assert all(issubclass(cls, VerdictError) and cls.__doc__ for cls in classes)
    assert all(str(cls("what happened")) == "what happened" for cls in classes)
