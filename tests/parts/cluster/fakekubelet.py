#!/usr/bin/env python3
"""A scheduler and kubelets that only pretend: nodes fake-0, fake-1, ... whose pods run nothing.

    fakekubelet.py SERVER CA_FILE TOKEN_FILE [NODES]

Pods are bound, Running and Ready within moments, and gone when they are to be. Prints `ready PORT` when its
nodes are there. Annotations of a pod steer it, and count also when they change:

    parts/ready: never       it is not Ready (any other value: it is)
    parts/delay: "3"         it is not Running until 3 seconds after it was made
    parts/restarts: "7"      how often its containers are said to have been restarted

POST /hold/NAMESPACE to PORT: from the answer on nothing happens to the pods there; /release/NAMESPACE ends that.
Only the standard library is used.
"""
import datetime
import http.server
import itertools
import json
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request

server, ca, token_file = sys.argv[1:4]
nodes = [f"fake-{i}" for i in range(int(sys.argv[4]) if len(sys.argv) > 4 else 1)]
tls = ssl.create_default_context(cafile=ca)
with open(token_file) as file:
    token = file.read().strip()
addresses = (f"10.244.{i // 250}.{i % 250 + 2}" for i in itertools.count())
turns = itertools.count()
held = set()
# Whoever has it may change pods.
hand = threading.Lock()
STRATEGIC = "application/strategic-merge-patch+json"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def call(method, path, body=None, kind="application/json", timeout=30):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, method=method, data=data)
    request.add_header("Authorization", "Bearer " + token)
    request.add_header("Content-Type", kind)
    return urllib.request.urlopen(request, context=tls, timeout=timeout)


def change(method, path, body, kind="application/json"):
    try:
        with call(method, path, body, kind) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        # The ordinary races, which the pod's next event settles.
        if error.code not in (404, 409):
            print(method, path, error.code, error.read()[:300], file=sys.stderr, flush=True)


def node_for(spec):
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    # In this way a DaemonSet's pod names its node.
    for term in required.get("nodeSelectorTerms", []):
        for field in term.get("matchFields", []):
            if field["key"] == "metadata.name":
                return field["values"][0]
    return nodes[next(turns) % len(nodes)]


def conditions(before, ready):
    since = {c["type"]: (c["status"], c.get("lastTransitionTime")) for c in before}
    wanted = {"PodScheduled": "True", "Initialized": "True", "ContainersReady": ready, "Ready": ready}
    for kind, status in wanted.items():
        was, moment = since.get(kind, (None, None))
        moment = moment if was == status and moment else now()
        yield {"type": kind, "status": status, "lastTransitionTime": moment}


def status_of(pod, ready, restarts):
    """What the pod's status is to be; None if it is that already."""
    spec, status = pod["spec"], pod.get("status", {})
    before = {c["name"]: c for c in status.get("containerStatuses", [])}
    as_wanted = all(
        (c := before.get(container["name"])) and c["ready"] == ready and c["restartCount"] == restarts
        for container in spec["containers"])
    if status.get("phase") == "Running" and as_wanted:
        return None
    ip = status.get("podIP") or next(addresses)

    def container_status(container):
        was = before.get(container["name"])
        goes_on = was and was["restartCount"] == restarts
        state = was["state"] if goes_on else {"running": {"startedAt": now()}}
        return {"name": container["name"], "image": container["image"], "imageID": "", "started": True,
                "restartCount": restarts, "ready": ready, "state": state}

    return {"phase": "Running", "startTime": status.get("startTime") or now(), "hostIP": "127.0.0.1",
            "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": list(conditions(status.get("conditions", []), str(ready))),
            "containerStatuses": [container_status(container) for container in spec["containers"]]}


def handle(pod):
    """Takes the pod one step on. Gives back for how many seconds it is to wait before that."""
    meta, spec = pod["metadata"], pod["spec"]
    if meta["namespace"] in held:
        return 0
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
    notes = meta.get("annotations") or {}
    if not spec.get("nodeName"):
        if not meta.get("deletionTimestamp"):
            change("POST", path + "/binding", {
                "apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"], "uid": meta["uid"]},
                "target": {"apiVersion": "v1", "kind": "Node", "name": node_for(spec)}})
    elif spec["nodeName"] not in nodes:
        pass
    elif meta.get("deletionTimestamp"):
        change("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
                                "preconditions": {"uid": meta["uid"]}})
    elif pod.get("status", {}).get("phase", "Pending") in ("Pending", "Running"):
        made = datetime.datetime.fromisoformat(meta["creationTimestamp"].replace("Z", "+00:00"))
        wait = float(notes.get("parts/delay", 0)) - (time.time() - made.timestamp())
        if wait > 0:
            return wait
        status = status_of(pod, notes.get("parts/ready") != "never", int(notes.get("parts/restarts", 0)))
        if status:
            # What was seen may be old; then this is refused, and what is new comes by itself.
            seen = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
            change("PATCH", path + "/status", {"metadata": seen, "status": status}, STRATEGIC)
    return 0


class Control(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        _, order, namespace = self.path.split("/")
        with hand:
            if order == "hold":
                held.add(namespace)
            else:
                held.discard(namespace)
                with call("GET", f"/api/v1/namespaces/{namespace}/pods") as answer:
                    pods = json.load(answer)["items"]
                for pod in pods:
                    handle(pod)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def make(node):
    room = {"cpu": "8", "memory": "32Gi", "pods": "200"}
    condition = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "fake",
                 "lastHeartbeatTime": now(), "lastTransitionTime": now()}
    change("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {
        "name": node, "labels": {"kubernetes.io/hostname": node}}})
    change("PATCH", f"/api/v1/nodes/{node}/status", {
        "status": {"capacity": room, "allocatable": room, "conditions": [condition]}}, STRATEGIC)
    change("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": None}}, "application/merge-patch+json")


def handle_next(pod):
    with hand:
        return handle(pod)


def look():
    """List, then watch until the watch ends or a pod waits for its moment."""
    with call("GET", "/api/v1/pods") as answer:
        listed = json.load(answer)
    waits = [wait for wait in map(handle_next, listed["items"]) if wait]
    if waits:
        time.sleep(max(0.02, min(0.2, *waits)))
        return
    version = listed["metadata"]["resourceVersion"]
    path = f"/api/v1/pods?watch=1&timeoutSeconds=60&resourceVersion={version}"
    with call("GET", path, timeout=70) as answer:
        for line in answer:
            event = json.loads(line)
            if event["type"] == "ERROR":
                return
            if event["type"] != "DELETED" and handle_next(event["object"]):
                return


for name in nodes:
    make(name)
control = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Control)
threading.Thread(target=control.serve_forever, daemon=True).start()
print("ready", control.server_port, flush=True)
while True:
    try:
        look()
    except (OSError, ValueError) as error:
        print("again:", repr(error)[:200], file=sys.stderr, flush=True)
        time.sleep(0.3)
