"""Receive webhooks, check each signature with the `standardwebhooks` package, fail some on purpose.

    webhook_receiver.py [PORT]

Listens on 127.0.0.1, on a free port if none is given, and prints the port as the first line.

    WEBHOOK_SECRET  the shared secret, `whsec_` and base64
    WEBHOOK_OUT     file to which one JSON line per request is added
    FAIL            none (default): take every request
                    first: answer 500 to the first request of each webhook-id
                    half: answer 500 to the 1st, 3rd, 5th, ... request

Answers 204 to a request it takes, 500 to one it fails on purpose, 401 to a wrong signature.
Only rightly signed requests count for FAIL. Each line has: webhook_id, accepted, signature_ok,
status, type, body, path, error.
"""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook

FAIL = os.environ.get("FAIL", "none")
if len(sys.argv) > 2 or FAIL not in ("none", "first", "half"):
    sys.exit(__doc__)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
out = open(os.environ["WEBHOOK_OUT"], "a", encoding="utf-8")
lock = threading.Lock()
seen_ids = set()
seen = 0


def fails_on_purpose(webhook_id):
    """Call with the lock held."""
    global seen
    seen += 1
    first = webhook_id not in seen_ids
    seen_ids.add(webhook_id)
    return (FAIL == "first" and first) or (FAIL == "half" and seen % 2 == 1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self):
        length = self.headers.get("Content-Length")
        if length is None:
            self.close_connection = True
            return self.answer(411)
        data = self.rfile.read(int(length))
        try:
            webhook.verify(data, dict(self.headers.items()), json_parse=False)
            error = None
        except Exception as e:  # a malformed header raises more than WebhookVerificationError
            error = f"{type(e).__name__}: {e}"
        try:
            body = json.loads(data)
        except ValueError:
            body = data.decode("utf-8", "replace")
        webhook_id = self.headers.get("webhook-id")
        with lock:
            if error is not None:
                status = 401
            else:
                status = 500 if fails_on_purpose(webhook_id) else 204
            line = {
                "webhook_id": webhook_id,
                "accepted": status == 204,
                "signature_ok": error is None,
                "status": status,
                "type": body.get("type") if isinstance(body, dict) else None,
                "body": body,
                "path": self.path,
                "error": error,
            }
            # Written before the answer, so a sender that has its answer can read the line.
            out.write(json.dumps(line) + "\n")
            out.flush()
        self.answer(status)

    def answer(self, status):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


port = int(sys.argv[1]) if len(sys.argv) == 2 else 0
server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
# shutdown() waits for serve_forever, so it must not run in the thread that serves.
for s in (signal.SIGTERM, signal.SIGINT):
    signal.signal(s, lambda *_: threading.Thread(target=server.shutdown).start())
print(server.server_address[1], flush=True)
server.serve_forever(poll_interval=0.1)
with lock:
    out.close()
os._exit(0)  # do not wait for connections that are kept alive
