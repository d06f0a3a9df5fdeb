"""The application: which request goes where."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from . import download, listing, manage, tree, upload
from .access import Hub
from .errors import HubError, answer
from .wire import with_json

API = "/api/{kind}/{namespace}/{name}"
PAGES = ("/datasets/{namespace}/{name}", "/{namespace}/{name}")  # where a repo lives outside the API


class PathAsSent:
    """Middleware that lets routes match the path before it is decoded, so that `a%2Fb` is one part of it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            scope = {**scope, "path": scope["raw_path"].decode("ascii")}
        await self.app(scope, receive, send)


def build_app(hub: Hub) -> Starlette:
    """The application that serves a hub; faults and the like can be put around it as middleware."""
    app = Starlette(
        routes=[*_account_routes(), *_repo_routes(), *_file_routes()],
        # Only loopback names: a page of another site, opened in a browser here, can't reach this server by its own.
        middleware=[Middleware(TrustedHostMiddleware, ["127.0.0.1", "localhost"]), Middleware(PathAsSent)],
        exception_handlers={HubError: answer, HTTPException: answer, ClientDisconnect: _nobody_listens},
    )
    app.state.hub = hub
    return app


def _account_routes() -> list[Route]:
    return [
        Route("/api/whoami-v2", manage.whoami),
        Route("/api/validate-yaml", with_json(manage.validate_yaml), methods=["POST"]),
        Route("/api/repos/create", with_json(manage.create_repo), methods=["POST"]),
        Route("/api/repos/delete", with_json(manage.delete_repo), methods=["DELETE"]),
        Route("/api/{kind}", listing.repo_list),
    ]


def _repo_routes() -> list[Route]:
    return [
        Route(f"{API}/revision/{{revision}}", listing.repo_info),
        Route(f"{API}/tree/{{revision}}", tree.tree),
        Route(f"{API}/tree/{{revision}}/{{path:path}}", tree.tree),
        Route(f"{API}/paths-info/{{revision}}", tree.paths_info, methods=["POST"]),
        Route(f"{API}/commits/{{revision}}", tree.commits),
        Route(f"{API}/refs", tree.refs),
        Route(f"{API}/settings", with_json(manage.change_settings), methods=["PUT"]),
        Route(f"{API}/auth-check", manage.check_read),
        Route(f"{API}/auth-check/write", manage.check_write),
        Route(f"{API}/branch/{{ref}}", with_json(manage.create_branch), methods=["POST"]),
        Route(f"{API}/branch/{{ref}}", manage.delete_branch, methods=["DELETE"]),
        Route(f"{API}/tag/{{ref}}", with_json(manage.create_tag), methods=["POST"]),
        Route(f"{API}/tag/{{ref}}", manage.delete_tag, methods=["DELETE"]),
        Route(f"{API}/preupload/{{revision}}", with_json(upload.preupload), methods=["POST"]),
        Route(f"{API}/commit/{{revision}}", upload.commit, methods=["POST"]),
        Route(API, listing.repo_info),
        Route("/api/{kind}/{name}", listing.repo_info),  # a repo of no namespace, of which there are none here
    ]


def _file_routes() -> list[Route]:
    routes = []
    for prefix in PAGES:
        objects = prefix + ".git/info/lfs/objects"
        routes += [
            Route(f"{objects}/batch", with_json(upload.batch), methods=["POST"]),
            Route(f"{objects}/verify", with_json(upload.verify), methods=["POST"]),
            Route(f"{objects}/{{oid}}", upload.put_object, methods=["PUT"]),
            Route(f"{prefix}/resolve/{{revision}}/{{path:path}}", download.resolve),
        ]
    return [*routes, Route("/{name}/resolve/{revision}/{path:path}", download.resolve)]


async def _nobody_listens(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # the client went away in the middle of its request
