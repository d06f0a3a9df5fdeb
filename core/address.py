"""What is chosen on a page lives in its address alone: any view can be shared by its link, and back undoes a choice.

Widgets that Streamlit itself binds to the address stop `st.switch_page`, and the browser's back passes over them. So
these take their value from the address before they are drawn, and put a new one there; what is chosen by default is
not in it. What somebody made up in an address counts as not chosen.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

Option = TypeVar("Option", bound=str)

OFF = "off"
"""What an address says of a switch."""


def chosen(key: str, options: Sequence[str]) -> str | None:
    """Which of the options the address names, if it does."""
    asked = st.query_params.get(key)
    return asked if asked in options else None


def put(**choices: object) -> None:
    """Choose for the reader, in one step of the browser's history; None takes a choice back. Only within a callback."""
    written = {key: st.query_params.get_all(key) for key in st.query_params}
    for key, value in choices.items():
        written[key] = [] if value is None else [str(each) for each in (value if isinstance(value, list) else [value])]
    st.query_params.from_dict({key: values for key, values in written.items() if values})


def select(
    label: str,
    options: Sequence[str],
    key: str,
    *,
    default: str | None = None,
    clears: Sequence[str] = (),
    where: Any = st,
    **more: Any,
) -> str | None:
    """A select box; without a `default` nothing needs to be chosen. A new choice takes back those that it `clears`.

    A default that is chosen stands in the address, too: the newest revision is another tomorrow.
    """
    st.session_state[key] = chosen(key, options) or default
    index, keep = None if default is None else 0, _keep(key, None, clears)
    found: str | None = where.selectbox(label, options, index=index, key=key, on_change=keep, **more)
    return found


def several(label: str, options: Sequence[str], key: str, **more: Any) -> list[str]:
    """Any of a few options side by side.

    No multiselect: what is chosen there is white on the accent colour, which nobody can read in the dark theme.
    """
    st.session_state[key] = [value for value in st.query_params.get_all(key) if value in options]
    return list(st.pills(label, options, selection_mode="multi", key=key, on_change=_keep(key, [], ()), **more))


def segments(label: str, options: Sequence[Option], key: str, *, clears: Sequence[str] = (), **more: Any) -> Option:
    """One of a few options side by side; without a choice the first."""
    st.session_state[key] = chosen(key, options) or options[0]
    keep = _keep(key, options[0], clears)
    found: Option = st.segmented_control(label, options, required=True, key=key, on_change=keep, **more)
    return found


def tabs(names: Sequence[str], key: str) -> Sequence[Any]:
    """Tabs of which only the one whose `open` is true needs to be drawn; without a choice the first."""
    st.session_state[key] = chosen(key, names) or names[0]
    return st.tabs(list(names), key=key, on_change=_keep(key, names[0], ()))


def toggle(label: str, key: str, *, clears: Sequence[str] = (), where: Any = st, **more: Any) -> bool:
    """A switch that is on until it is switched off."""
    st.session_state[key] = st.query_params.get(key) != OFF
    return bool(where.toggle(label, key=key, on_change=_keep(key, True, clears), **more))


def share(label: str, key: str, default: float, *, clears: Sequence[str] = (), **more: Any) -> float:
    """A slider from 0.01 to 0.99."""
    st.session_state[key] = _number(st.query_params.get(key), default, 0.01, 0.99)
    keep = _keep(key, default, clears)
    return float(st.slider(label, min_value=0.01, max_value=0.99, step=0.01, key=key, on_change=keep, **more))


def page(pages: int, key: str) -> int:
    """Which of the pages of a list is read, counted from 1."""
    st.session_state[key] = int(_number(st.query_params.get(key), 1, 1, pages))
    return int(st.pagination(pages, key=key, on_change=_keep(key, 1, ())))


def _keep(key: str, default: object, clears: Sequence[str]) -> Callable[[], None]:
    """What puts a widget's new value into the address."""

    def keep() -> None:
        value = st.session_state[key]
        written = OFF if value is False else value
        put(**{key: None if value == default else written, **dict.fromkeys(clears)})

    return keep


def _number(text: str | None, default: float, low: float, high: float) -> float:
    try:
        value = round(float(text or default), 2)
    except ValueError:
        return default
    return value if math.isfinite(value) and low <= value <= high else default
