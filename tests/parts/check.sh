#!/usr/bin/env bash
# Check that the parts work with each other: run this after a version was raised.
#
#     tests/parts/check.sh        (installs those that it needs first)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
pids=()
finish() {
    # Collectors A first, then what they send to.
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill "${pids[i]}" 2>/dev/null || true
        wait "${pids[i]}" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

"$here/setup.sh" collector python node rotel >"$work/parts"
cat "$work/parts"
[ "$(wc -l <"$work/parts")" -eq 4 ] || { echo "not all parts are there" >&2; exit 1; }
while IFS='=' read -r name path; do export "$name=$path"; done <"$work/parts"

free_ports() {
    python3 -c 'import socket
s = [socket.socket() for _ in range(2)]
for x in s: x.bind(("127.0.0.1", 0))
print(*(x.getsockname()[1] for x in s))'
}

# until_ok TEXT COMMAND...: try for 20 s.
until_ok() {
    local what=$1
    shift
    for _ in $(seq 200); do
        if "$@"; then return 0; fi
        sleep 0.1
    done
    echo "FAILED: $what" >&2
    tail -n 20 "$work"/*.log >&2
    return 1
}

# start NAME CONFIG [ARG...]: a Collector, waited for until it is ready.
start() {
    "$KNOTHOLE_OTELCOL" --config "$here/collector/configs/$2" "${@:3}" 2>"$work/$1.log" &
    pids+=($!)
    until_ok "$1 is not ready" grep -q 'Everything is ready' "$work/$1.log"
}

# arrived SERVICE COUNT: are just so many records of the service in B's file? `-`: without a service.
arrived() {
    python3 - "$B_OUT" "$@" <<'PY'
import json, sys
path, service, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
n = 0
for line in open(path):
    if not line.endswith("\n"):
        continue
    for r in json.loads(line)["resourceLogs"]:
        a = {x["key"]: x["value"].get("stringValue") for x in r.get("resource", {}).get("attributes", [])}
        if a.get("service.name", "-") == service:
            n += sum(len(s["logRecords"]) for s in r["scopeLogs"])
sys.exit(n != count)
PY
}

expect() {
    until_ok "$1: not $2 records" arrived "$1" "$2"
    echo "ok: $2 records of $1"
}

read -r grpc http < <(free_ports)
export B_GRPC=127.0.0.1:$grpc B_HTTP=127.0.0.1:$http B_OUT=$work/sink.jsonl
export KNOTHOLE_GRPC=$B_GRPC KNOTHOLE_HTTP=$B_HTTP LOG_FILE=$work/app.log A_STATE=$work/state
touch "$B_OUT"
start sink sink.yaml
seq -f 'INFO request %g done in 7 ms' 1000 >"$LOG_FILE"
SERVICE_NAME=tail HOST_NAME=host-1 POD_NAME=pod-1 start tail tail.yaml
expect tail 1000
grep -q '"host.name","value":{"stringValue":"host-1"}' "$B_OUT" && grep -q 'k8s.pod.name' "$B_OUT"
if grep -q 'k8s.namespace.name' "$B_OUT"; then echo "FAILED: empty attribute sent" >&2; exit 1; fi
start tail-bare tail-bare.yaml
expect - 1000
SERVICE_NAME=tail-persistent start tail-persistent tail-persistent.yaml
expect tail-persistent 1000
for encoding in proto json; do
    SERVICE_NAME=tail-$encoding A_ENCODING=$encoding A_COMPRESSION=zstd start "tail-$encoding" tail-http.yaml
    expect "tail-$encoding" 1000
done

for kind in grpc http; do
    endpoint=http://$([ $kind = grpc ] && echo "$B_GRPC" || echo "$B_HTTP")
    "$KNOTHOLE_PYTHON" "$here/python/send.py" $kind "$endpoint" 3000 py-$kind >/dev/null
    expect py-$kind 3000
done
for kind in grpc http proto; do
    endpoint=http://$([ $kind = grpc ] && echo "$B_GRPC" || echo "$B_HTTP")
    node "$here/node/send.mjs" $kind "$endpoint" 3000 node-$kind >/dev/null
    expect node-$kind 3000
done

read -r rotel_grpc rotel_http < <(free_ports)
"$KNOTHOLE_ROTEL" start --otlp-grpc-endpoint "127.0.0.1:$rotel_grpc" --otlp-http-endpoint "127.0.0.1:$rotel_http" \
    --exporter otlp --otlp-exporter-endpoint "http://$B_GRPC" >"$work/rotel.log" 2>&1 &
pids+=($!)
until_ok "rotel is not ready" grep -q 'Starting Rotel' "$work/rotel.log"
"$KNOTHOLE_PYTHON" "$here/python/send.py" grpc "http://127.0.0.1:$rotel_grpc" 3000 rotel >/dev/null
expect rotel 3000

export WEBHOOK_SECRET=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= WEBHOOK_OUT=$work/hooks.jsonl
FAIL=first "$KNOTHOLE_PYTHON" "$here/python/webhook_receiver.py" >"$work/port" &
pids+=($!)
until_ok "webhook_receiver is not ready" test -s "$work/port"
PORT=$(cat "$work/port") "$KNOTHOLE_PYTHON" - <<'PY'
import datetime, json, os, urllib.error, urllib.request
from standardwebhooks.webhooks import Webhook

def post(secret, webhook_id):
    body = json.dumps({"type": "check.done", "data": {"n": 1}})
    now = datetime.datetime.now(datetime.timezone.utc)
    request = urllib.request.Request(f"http://127.0.0.1:{os.environ['PORT']}/hook", body.encode(), {
        "webhook-id": webhook_id, "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, now, body)})
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as e:
        return e.code

good, bad = os.environ["WEBHOOK_SECRET"], "whsec_d3Jvbmc="
got = [post(good, "a"), post(bad, "a"), post(good, "a"), post(good, "b")]
assert got == [500, 401, 204, 500], got
lines = [json.loads(x) for x in open(os.environ["WEBHOOK_OUT"])]
assert [x["accepted"] for x in lines] == [False, False, True, False], lines
assert [x["signature_ok"] for x in lines] == [True, False, True, True], lines
assert lines[2]["type"] == "check.done" and lines[2]["body"]["data"] == {"n": 1}, lines
PY
kill "${pids[-1]}"
wait "${pids[-1]}"
echo "ok: webhooks, signed rightly and wrongly"
