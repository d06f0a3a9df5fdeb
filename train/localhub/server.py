"""Running a local hub: blocking for the command line, or in a background thread for tests and scripts."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from .access import Hub, load_tokens
from .app import build_app
from .faults import Faults
from .store import opened

HOST = "127.0.0.1"  # its tokens are shown and its traffic is plain, so it is never to be seen from outside
STOP_SECONDS = 5  # for requests under way when the server is stopped


@dataclass(frozen=True)
class LocalHub:
    """A running local hub, for `HfApi(endpoint=hub.endpoint, token=hub.write_token)`."""

    endpoint: str
    write_token: str = field(repr=False)
    read_token: str = field(repr=False)
    root: Path


@contextmanager
def serving(root: Path, port: int = 0, *, faults: Faults | None = None) -> Iterator[LocalHub]:
    """Serve the repos under `root`, made if need be, until the block ends; port 0 takes a free one.

    `faults` are what tests let happen. Raises OSError if the port is taken, RuntimeError if the root is being served
    already.
    """
    with _listening(port) as listener, opened(root) as store:
        tokens = load_tokens(store)
        app: ASGIApp = build_app(Hub(store, tokens))
        with _running(faults.around(app) if faults else app, listener) as endpoint:
            yield LocalHub(endpoint, tokens.write, tokens.read, root)


@contextmanager
def serving_elsewhere(faults: Faults) -> Iterator[tuple[str, Faults]]:
    """The same repos at another address, as a Hub's store of files is; and what is asked for there."""
    assert faults.app, "to be called while these faults are being served"
    seen = Faults()
    with _listening(0) as listener, _running(seen.around(faults.app), listener) as endpoint:
        yield endpoint, seen


def _listening(port: int) -> socket.socket:
    """Open a listening socket, before the server's thread starts so that its port is known."""
    # asyncio turns Nagle's delay of 40 ms a response off only where the protocol is given, which create_server doesn't.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def _running(app: ASGIApp, listener: socket.socket) -> Iterator[str]:
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        proxy_headers=False,
        log_config=None,  # leaves the program's own logging as it is; requests are not logged
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="localhub", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def run(root: Path, port: int) -> None:
    """Serve until SIGINT or SIGTERM, and say on stdout how to use it. To be called from the main thread."""
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with serving(root, port) as hub:
            print(f"Local hub: {hub.endpoint} (repos in {root})")
            print(f"export HF_ENDPOINT={hub.endpoint} HF_TOKEN={hub.write_token} HF_HUB_DISABLE_XET=1", flush=True)
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
