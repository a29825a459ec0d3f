#!/usr/bin/env python3
"""A hook that restarts a Deployment when knothole leaves it to a hook, and says what became of it.

knothole sends events to a webhook sink (events: [action]); this answers with signed reports to
`POST /v1/actions/{id}/report`: accepted, then succeeded or failed. It touches nothing unless `accepted` was answered
with 200, and knothole sees by itself whether it helped.
Only the Python standard library. Every setting is an environment variable:

    KNOTHOLE_WEBHOOK_SECRET   whsec_…, as in the settings of the sink
    KNOTHOLE_API              http://127.0.0.1:8080
    HOOK_NAMESPACES           the namespaces it may touch, with commas
    KUBE_SERVER, KUBE_CA_FILE, KUBE_TOKEN_FILE   where the cluster is; in a pod these are found
    HOOK_PORT                 8085; 0 takes a free one, which is printed

It needs one right: patch deployments.apps in those namespaces.
"""

import base64
import calendar
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
    """Tells knothole how far the action is; whether it took that. The signature is over the body and not over the
    address, so the body names the action, too."""
    body = json.dumps({"action": action, "status": status, "note": note}).encode()
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
        with urllib.request.urlopen(request, timeout=10) as answer:
            was_taken = answer.status == 200
            said = note if was_taken else f"not taken: {answer.status}"
    except (urllib.error.URLError, OSError) as error:
        was_taken, said = False, f"not taken: {error}"
    print(f"{action}: {status}: {said}", flush=True)
    return was_taken


def is_order(event):
    """Whether this event leaves the action to a hook. In the other cases knothole acts itself, or a person has not
    approved it yet."""
    action = event["data"]
    if action["mode"] == "suggest":
        return event["type"] == "knothole.action.proposed" and action["action"] in ("restart_workload", "webhook")
    return event["type"] == "knothole.action.approved" and action["action"] == "webhook"


def is_in_time(action):
    """Times are RFC 3339 in UTC; fractions of a second do not matter here."""
    until = time.strptime(action["expires_at"][:19], "%Y-%m-%dT%H:%M:%S")
    return time.time() < calendar.timegm(until)


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


class Events(BaseHTTPRequestHandler):
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
        if event["type"].startswith("knothole.action.") and is_order(event):
            self.carry_out(event["data"])

    def carry_out(self, action):
        target = action["target"]
        workload = target["workload"] or {}
        allowed = setting("HOOK_NAMESPACES").split(",")
        is_mine = (
            workload.get("kind") == "Deployment"
            and target["namespace"] in allowed
            and is_in_time(action)
        )
        with self.lock:
            if not is_mine or action["id"] in self.taken:
                return
            self.taken.add(action["id"])
        name = workload["name"]
        # Without a yes it is somebody else's by now, over, or not known whether it still stands.
        if not report(action["id"], "accepted", f"restarting Deployment {name}"):
            return
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
    server = ThreadingHTTPServer(("127.0.0.1", int(setting("HOOK_PORT", "8085"))), Events)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()
