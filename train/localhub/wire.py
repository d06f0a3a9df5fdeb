"""How the Hub's client writes and reads addresses, dates, flags, JSON bodies and lists in pages."""

import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import Invalid

Item = TypeVar("Item")


def endpoint(request: Request) -> str:
    """The address by which the client reaches this server."""
    return str(request.base_url).rstrip("/")


def timestamp(seconds: int) -> str:
    """Unix seconds in the one format that the client parses."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def is_true(value: str | None) -> bool:
    """Whether a query or form parameter says yes."""
    return value is not None and value.lower() in ("true", "1")


def with_json(handler: Callable[[Request, dict[str, Any]], Response]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that hands the request's JSON object (else Invalid) to a handler, which may block."""

    async def read_and_handle(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError) as error:
            raise Invalid(f"The body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise Invalid("The body must be a JSON object")
        return await run_in_threadpool(handler, request, body)

    return read_and_handle


def field(body: dict[str, Any], name: str, kind: type[Item]) -> Item:
    """A field that a JSON body must have (else Invalid); `kind` is str, int, list or dict."""
    value = body.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Invalid(f"The body needs a field {name!r} of type {kind.__name__}")
    return value


def page(
    request: Request, path: str, items: Iterable[Item], size: int, render: Callable[[list[Item]], list[Any]]
) -> JSONResponse:
    """The page of `items` that ?cursor asks for, with a link to the next one for the client to follow.

    `path` is the list's URL path, naming a commit rather than a branch where there is a choice, so that the pages
    fit together even when someone commits in between. `render` makes JSON of the at most `size` items of the page.
    """
    cursor = request.query_params.get("cursor", "0")
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        raise Invalid(f"Invalid cursor: {cursor!r}")
    start = int(cursor)
    found = list(islice(items, start, start + size + 1))
    response = JSONResponse(render(found[:size]))
    if len(found) > size:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        query.append(("cursor", str(start + size)))
        response.headers["Link"] = f'<{endpoint(request)}{path}?{urlencode(query)}>; rel="next"'
    return response
