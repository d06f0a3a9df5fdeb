"""Choices in a page's address: what is chosen stands there, what is not chosen does not."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest


def script() -> None:
    import streamlit as st

    from core import address

    st.session_state["said"] = {
        "label": address.select("Label", ["a", "b"], "label", clears=["page"]),
        "other": address.select("Other", ["a", "b"], "other", default="b"),
        "several": address.several("Several", ["a", "b", "c"], "several"),
        "show": address.segments("Show", ["x", "y"], "show"),
        "on": address.toggle("On", "on"),
        "at": address.share("At", "at", 0.5),
        "page": address.page(4, "page"),
        "open": [tab.open for tab in address.tabs(["one", "two"], "look")],
    }
    st.button("both", on_click=lambda: address.put(label="b", at=None, show="y"))


DEFAULTS: dict[str, Any] = {
    "label": None,
    "other": "b",
    "several": [],
    "show": "x",
    "on": True,
    "at": 0.5,
    "page": 1,
    "open": [True, False],
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every AppTest looks through all installed packages for components, which takes longer than the page.
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)


def app(**query: str) -> AppTest:
    found = AppTest.from_function(script)
    for key, value in query.items():
        found.query_params[key] = value
    found.run()
    assert not found.exception
    return found


def said(found: AppTest) -> dict[str, Any]:
    return dict(found.session_state["said"])


def test_without_choices_the_address_stays_empty() -> None:
    found = app()
    assert said(found) == DEFAULTS
    assert found.query_params == {}


def test_what_the_address_names_is_chosen() -> None:
    found = app(label="b", show="y", on="off", at="0.25", page="3", look="two")
    changed = {"label": "b", "show": "y", "on": False, "at": 0.25, "page": 3, "open": [False, True]}
    assert said(found) == DEFAULTS | changed


@pytest.mark.parametrize(
    "query", [{"label": "c"}, {"show": ""}, {"at": "0"}, {"at": "inf"}, {"at": "x"}, {"page": "5"}, {"look": "three"}]
)
def test_what_cannot_be_chosen_is_not(query: dict[str, str]) -> None:
    assert said(app(**query)) == DEFAULTS


def test_a_new_choice_is_put_there_and_the_default_is_taken_out() -> None:
    found = app(page="2")
    found.slider(key="at").set_value(0.3).run()
    assert found.query_params == {"page": "2", "at": "0.3"}
    found.toggle(key="on").set_value(False).run()
    found.slider(key="at").set_value(0.5).run()
    assert found.query_params == {"page": "2", "on": "off"}
    assert said(found) == DEFAULTS | {"on": False, "page": 2}


def test_a_choice_takes_back_those_that_it_clears() -> None:
    found = app(page="2", at="0.3")
    found.selectbox(key="label").set_value("a").run()
    assert found.query_params == {"at": "0.3", "label": "a"}
    assert said(found)["page"] == 1


def test_several_things_are_chosen_for_the_reader_at_once() -> None:
    found = app(at="0.3", on="off")
    found.button[0].click().run()
    assert found.query_params == {"on": "off", "label": "b", "show": "y"}
    assert said(found) == DEFAULTS | {"on": False, "label": "b", "show": "y"}


def test_several_stay_when_something_else_is_chosen() -> None:
    found = AppTest.from_function(script)
    found.query_params["several"] = ["a", "c", "z"]
    found.run()
    assert said(found)["several"] == ["a", "c"]
    found.toggle(key="on").set_value(False).run()
    assert said(found)["several"] == ["a", "c"]
    found.pills(key="several").set_value(["c"]).run()
    assert found.query_params == {"several": "c", "on": "off"}
    found.pills(key="several").set_value([]).run()
    assert found.query_params == {"on": "off"}


def test_a_default_that_is_chosen_stays_when_the_default_becomes_another() -> None:
    found = app()
    found.selectbox(key="other").set_value("a").run()
    assert found.query_params == {"other": "a"}
    found.selectbox(key="other").set_value("b").run()
    assert found.query_params == {"other": "b"}
    assert said(found) == DEFAULTS
