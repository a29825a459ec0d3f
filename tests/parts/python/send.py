"""Send log records with the OpenTelemetry SDK, through Python's own logging.

    send.py grpc|http ENDPOINT COUNT SERVICE

ENDPOINT is http://host:port; for http the path /v1/logs is added if there is none.
Prints `sent N` and ends with 0 only if every record was taken.
"""

import logging
import sys
import warnings
from urllib.parse import urlsplit

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from opentelemetry.sdk.resources import Resource

if len(sys.argv) != 5 or sys.argv[1] not in ("grpc", "http"):
    sys.exit(__doc__)
kind, endpoint, count, service = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

if kind == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    options = {"endpoint": endpoint, "insecure": True}
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    if urlsplit(endpoint).path in ("", "/"):
        endpoint = endpoint.rstrip("/") + "/v1/logs"
    options = {"endpoint": endpoint}

sent = 0


class CountingExporter(OTLPLogExporter):
    """The SDK only logs a failed export; the test has to know of it."""

    def export(self, batch):
        global sent
        result = super().export(batch)
        if result is LogRecordExportResult.SUCCESS:
            sent += len(batch)
        return result


warnings.filterwarnings("ignore", message=".*LoggingHandler.*")
provider = LoggerProvider(resource=Resource.create({"service.name": service}))
# The processor drops what its queue cannot hold (2048 records by default).
provider.add_log_record_processor(
    BatchLogRecordProcessor(CountingExporter(**options), max_queue_size=max(2048, count))
)
log = logging.getLogger("part")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(LoggingHandler(logger_provider=provider))
for i in range(count):
    log.info("order %d accepted for customer %d in %d ms", i, i * 7919 % 1000, i * 31 % 90, extra={"i": i})
provider.force_flush()
provider.shutdown()
print("sent", sent)
sys.exit(0 if sent == count else 1)
