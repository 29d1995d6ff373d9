"""The fake providers as one HTTP server on a free port of this machine, in a thread of this process."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from tests.frameworks.providers import anthropic_api, bedrock_api, gemini_api, openai_api, responses_api
from tests.frameworks.providers.bill import Bill

START_SECONDS: Final = 20
_ROUTES: Final = (
    Route("/v1/chat/completions", openai_api.chat, methods=["POST"]),
    Route("/v1/responses", responses_api.respond, methods=["POST"]),
    Route("/v1/embeddings", openai_api.embeddings, methods=["POST"]),
    Route("/v1/messages", anthropic_api.messages, methods=["POST"]),
    Route("/{version:str}/models/{action:path}", gemini_api.generate, methods=["POST"]),
    Route("/model/{model}/converse", bedrock_api.converse, methods=["POST"]),
    Route("/model/{model}/converse-stream", bedrock_api.converse_stream, methods=["POST"]),
)


class Providers:
    """A running server: `url` is its origin, `bill` what it has billed so far."""

    def __init__(self) -> None:
        self.bill = Bill()
        app = Starlette(routes=list(_ROUTES))
        app.state.bill = self.bill
        self._server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def start(self) -> None:
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > until or not self._thread.is_alive():
                raise RuntimeError("the fake providers did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@contextmanager
def serving() -> Generator[Providers]:
    """Started providers, stopped at the end."""
    providers = Providers()
    providers.start()
    try:
        yield providers
    finally:
        providers.stop()
