"""A process that answers its probes and does nothing else: `python tiny_service.py <name> [--lag N]`, port from the environment."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Probes(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"ready":true}'
        if self.path == "/metrics":
            body = b'tailrace_consumer_lag_records{partition="0",topic="raw"} 2.0\n'
            body += b'tailrace_consumer_lag_records{partition="1",topic="raw"} 3.0\n'
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        pass


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "broken" in sys.argv:
        sys.exit("ERROR: this one is broken on purpose")
    HTTPServer(("127.0.0.1", int(os.environ["TAILRACE_PROBE_PORT"])), Probes).serve_forever()
