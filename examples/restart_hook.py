#!/usr/bin/env python3
"""A hook that restarts a Deployment when knothole proposes it, and says what became of it.

knothole sends `knothole.action.proposed` to a webhook sink (events: [action]); this answers with signed reports
to `POST /v1/actions/{id}/report`: accepted, then succeeded or failed. knothole sees by itself whether it helped.
Only the Python standard library. Every setting is an environment variable:

    KNOTHOLE_WEBHOOK_SECRET   whsec_…, as in the settings of the sink
    KNOTHOLE_API              http://127.0.0.1:8080
    HOOK_NAMESPACES           the namespaces it may touch, with commas
    KUBE_SERVER, KUBE_CA_FILE, KUBE_TOKEN_FILE   where the cluster is; in a pod these are found
    HOOK_PORT                 8085; 0 takes a free one, which is printed

It needs one right: patch deployments.apps in those namespaces.
"""

import base64
import hashlib
import hmac
import json
import os
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

TOLERANCE_S = 300
BODY_MAX = 64 * 1024
POD = "/var/run/secrets/kubernetes.io/serviceaccount"


def setting(name, default=None):
    value = os.environ.get(name, default)
    if value is None:
        sys.exit(f"{name} is not set; see the top of {sys.argv[0]}")
    return value


def key():
    return base64.b64decode(setting("KNOTHOLE_WEBHOOK_SECRET").removeprefix("whsec_"))


def signature(identity, timestamp, body):
    """Standard Webhooks: base64 of HMAC-SHA256 over id.timestamp.body."""
    signed = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key(), signed, hashlib.sha256).digest()).decode()


def is_signed(headers, body):
    identity, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return False
    wanted = signature(identity, timestamp, body)
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(wanted, one) for one in given)


def report(action, status, note):
    """Tells knothole how far the action is. What it does not take is only printed: it sees for itself."""
    body = json.dumps({"status": status, "note": note}).encode()
    identity, timestamp = f"{action}-{status}", str(int(time.time()))
    request = urllib.request.Request(
        f"{setting('KNOTHOLE_API')}/v1/actions/{quote(action)}/report",
        data=body,
        headers={
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(identity, timestamp, body),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            print(f"{action}: {status}: {note}", flush=True)
    except (urllib.error.URLError, OSError) as error:
        print(f"{action}: {status} was not taken: {error}", flush=True)


def restart(action, namespace, name):
    """The same as `kubectl rollout restart`, with the id of the action beside it."""
    annotations = {
        "kubectl.kubernetes.io/restartedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "knothole.dev/action-id": action,
    }
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    with open(setting("KUBE_TOKEN_FILE", f"{POD}/token")) as file:
        token = file.read().strip()
    server = setting("KUBE_SERVER", "https://kubernetes.default.svc")
    path = f"/apis/apps/v1/namespaces/{quote(namespace)}/deployments/{quote(name)}"
    request = urllib.request.Request(
        server + path,
        method="PATCH",
        data=json.dumps(patch).encode(),
        headers={
            "authorization": f"Bearer {token}",
            "content-type": "application/strategic-merge-patch+json",
        },
    )
    trust = ssl.create_default_context(cafile=setting("KUBE_CA_FILE", f"{POD}/ca.crt"))
    with urllib.request.urlopen(request, timeout=10, context=trust):
        pass


class Proposals(BaseHTTPRequestHandler):
    # An action is carried out once, however often it is sent.
    taken = set()
    lock = threading.Lock()

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        if length > BODY_MAX:
            return self.answer(413)
        body = self.rfile.read(length)
        if not is_signed(self.headers, body):
            return self.answer(401)
        event = json.loads(body)
        self.answer(204)
        if event["type"] == "knothole.action.proposed":
            self.carry_out(event["data"])

    def carry_out(self, action):
        target = action["target"]
        workload = target["workload"] or {}
        allowed = setting("HOOK_NAMESPACES").split(",")
        is_mine = (
            action["action"] == "restart_workload"
            and action["mode"] == "suggest"
            and workload.get("kind") == "Deployment"
            and target["namespace"] in allowed
        )
        with self.lock:
            if not is_mine or action["id"] in self.taken:
                return
            self.taken.add(action["id"])
        name = workload["name"]
        report(action["id"], "accepted", f"restarting Deployment {name}")
        try:
            restart(action["id"], target["namespace"], name)
        except (urllib.error.URLError, OSError) as error:
            return report(action["id"], "failed", str(error))
        report(action["id"], "succeeded", f"Deployment {name} restarts")

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(setting("HOOK_PORT", "8085"))), Proposals)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()
