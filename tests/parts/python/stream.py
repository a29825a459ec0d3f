"""Send batches with the OpenTelemetry SDK until told to stop, and say which were taken.

    stream.py grpc|http ENDPOINT RECORDS SERVICE

Each batch is RECORDS log records of a service of its own: SERVICE-0, SERVICE-1 and so on. Prints
`taken SERVICE-N` for each that the SDK was told is taken, `lost SERVICE-N` for the others. SIGTERM ends it.
"""

import logging
import signal
import sys
import threading
from urllib.parse import urlsplit

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from opentelemetry.sdk.resources import Resource

PAUSE = 0.05  # seconds between batches, so that one that fails at once is not tried for ever

if len(sys.argv) != 5 or sys.argv[1] not in ("grpc", "http"):
    sys.exit(__doc__)
kind, endpoint, records, service = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

if kind == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    options = {"endpoint": endpoint, "insecure": True}
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    if urlsplit(endpoint).path in ("", "/"):
        endpoint = endpoint.rstrip("/") + "/v1/logs"
    options = {"endpoint": endpoint}

taken = False


class TellingExporter(OTLPLogExporter):
    """The SDK only logs a failed export; the test has to know of it."""

    def export(self, batch):
        global taken
        result = super().export(batch)
        taken = result is LogRecordExportResult.SUCCESS and len(batch) == records
        return result


stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
logging.basicConfig(level=logging.WARNING)
exporter = TellingExporter(**options)
number = 0
while not stop.wait(PAUSE):
    name = f"{service}-{number}"
    # A queue that is full exports by itself, so it is larger than the batch.
    processor = BatchLogRecordProcessor(exporter, max_queue_size=2 * records, max_export_batch_size=2 * records)
    provider = LoggerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
    provider.add_log_record_processor(processor)
    log = provider.get_logger("part")
    for i in range(records):
        log.emit(LogRecord(severity_number=SeverityNumber.INFO, body=f"order {i} accepted in {i * 31 % 90} ms"))
    taken = False
    provider.force_flush()
    print("taken" if taken else "lost", name, flush=True)
    number += 1
exporter.shutdown()
