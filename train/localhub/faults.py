"""A Hub that misbehaves: faults that tests and benchmarks put around the application, and nothing else can.

    faults = Faults()
    with serving(root, faults=faults) as hub:
        faults.on("GET /demo/model/resolve/", cut_off("reset"), times=1)

A fault is a function of (app, scope, receive, send) that stands in for the application.
"""

import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Act = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]


@dataclass
class _Fault:
    route: re.Pattern[str]
    act: Act
    left: float


@dataclass
class Faults:
    """The faults to come, and the requests so far."""

    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """each as `METHOD path`, with its headers"""
    app: ASGIApp | None = None
    """the application that these faults were put around"""
    _coming: list[_Fault] = field(default_factory=list)

    def on(self, route: str, act: Act, times: float = float("inf")) -> None:
        """Let the next `times` requests meet `act` whose `METHOD path` begins as the regular expression `route`."""
        self._coming.append(_Fault(re.compile(route), act, times))

    def off(self) -> None:
        """No more faults; forget the requests too."""
        self._coming.clear()
        self.requests.clear()

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application with these faults."""
        self.app = app

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            request = f"{scope['method']} {scope['raw_path'].decode('ascii')}"
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            self.requests.append((request, headers))
            await (self._next(request) or _no_fault)(app, scope, receive, send)

        return faulty

    def _next(self, request: str) -> Act | None:
        for fault in self._coming:
            if fault.left > 0 and fault.route.match(request):
                fault.left -= 1
                return fault.act
        return None


async def _no_fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def answer(status: int, **headers: str) -> Act:
    """Another status, with no work done; `X_Error_Code="GatedRepo"` is a header of that name."""

    async def act(_app: ASGIApp, _scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": [*sent, (b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    return act


async def silence(_app: ASGIApp, _scope: Scope, receive: Receive, _send: Send) -> None:
    """Nothing at all, until the client goes away."""
    await _gone(receive)


async def break_upload(_app: ASGIApp, _scope: Scope, receive: Receive, send: Send) -> None:
    """A reset as soon as the first piece of the body is there."""
    await receive()
    await _reset(receive, send)


async def lose_answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """All is done as asked, and the connection is reset before the answer."""

    async def swallow(_message: Message) -> None:
        pass

    await app(scope, receive, swallow)
    await _reset(receive, send)


def cut_off(how: Literal["reset", "end", "silence"]) -> Act:
    """Half of the body, then a reset, an end like any other, or nothing more."""

    async def act(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await _answered(app, scope, receive)
        await send(start)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        if how == "reset":
            await _reset(receive, send)
        elif how == "end":
            _transport(send).close()
        await _gone(receive)

    return act


async def shorten(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """A body that is one byte short, and a Content-Length that says so."""
    start, body = await _answered(app, scope, receive)
    if not body:  # of a HEAD, which is honest
        return await _send(send, start, body)
    await _send(send, start, body[:-1], {b"content-length": str(len(body) - 1).encode()})


async def corrupt(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """One bit of the answer's body is not what it was."""
    start, body = await _answered(app, scope, receive)
    await _send(send, start, _flipped(body))


async def corrupt_upload(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """One bit of the request's body is not what it was; a letter of base64, where that is what it is."""

    async def damaged() -> Message:
        message = await receive()
        return {**message, "body": _flipped(message.get("body", b""))}

    await app(scope, damaged, send)


def stale(commits: dict[str, str]) -> Act:
    """The answer for an older commit: new -> old, in whatever the path names; for `main`, too."""

    async def act(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("ascii")
        for new, old in commits.items():
            path = path.replace(new, old)
        if re.fullmatch(r"/api/models/[^/]+/[^/]+", path):
            path += f"/revision/{next(iter(commits.values()))}"
        await app({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    return act


def redirect(endpoint: str) -> Act:
    """What a Hub says that has its files elsewhere: what it knows of them, and where to get them."""

    async def act(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        start, _ = await _answered(app, scope, receive)
        query = scope["query_string"]
        to = endpoint.encode() + scope["raw_path"] + (b"?" + query if query else b"")
        await _send(send, {**start, "status": 307}, b"", {b"location": to, b"content-length": b"0"})

    return act


async def _answered(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """The application's whole answer: its start, and its body."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _send(send: Send, start: Message, body: bytes, headers: dict[bytes, bytes] | None = None) -> None:
    stated = {name.lower(): value for name, value in start["headers"]} | (headers or {})
    await send({**start, "headers": list(stated.items())})
    await send({"type": "http.response.body", "body": body})


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def _transport(send: Send) -> Any:
    return send.__self__.transport  # type: ignore[attr-defined]  # the server's cycle: ASGI itself ends no connection


async def _reset(receive: Receive, send: Send) -> None:
    """Break the connection as a crash does: with RST, not with an end in good order."""
    transport = _transport(send)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Wait until the connection has ended."""
    while (await receive())["type"] != "http.disconnect":
        pass


@contextmanager
def nobody_accepts() -> Iterator[str]:
    """The address of a server that is there and takes no connection: each attempt waits until it times out."""
    with socket.socket() as server, socket.socket() as filler:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        filler.setblocking(False)
        filler.connect_ex(server.getsockname())  # what the queue has room for
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
