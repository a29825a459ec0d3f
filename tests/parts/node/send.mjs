// Send log records with the OpenTelemetry SDK.
//
//     node send.mjs grpc|http|proto ENDPOINT COUNT SERVICE
//
// grpc: OTLP/gRPC; http: OTLP/HTTP with JSON; proto: OTLP/HTTP with protobuf.
// ENDPOINT is http://host:port; for http and proto the path /v1/logs is added if there is none.
// KNOTHOLE_NODE_DIR is the folder that setup.sh installed; without it ./node_modules is used.
// Prints `sent N` and ends with 0 only if every record was taken.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const dir = process.env.KNOTHOLE_NODE_DIR;
const require = createRequire(dir ? join(dir, 'package.json') : import.meta.url);

const [kind, endpoint, countText, service] = process.argv.slice(2);
const count = Number(countText);
if (!['grpc', 'http', 'proto'].includes(kind) || !endpoint || !Number.isInteger(count) || !service) {
  console.error('usage: node send.mjs grpc|http|proto ENDPOINT COUNT SERVICE');
  process.exit(2);
}
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${kind}`);

const url = new URL(endpoint);
if (kind !== 'grpc' && url.pathname === '/') url.pathname = '/v1/logs';

// The SDK only logs a failed export; the test has to know of it.
let sent = 0;
class CountingExporter extends OTLPLogExporter {
  export(batch, done) {
    super.export(batch, (result) => {
      if (result.code === 0) sent += batch.length;
      else console.error('export failed:', result.error?.message);
      done(result);
    });
  }
}

const exporter = new CountingExporter({ url: kind === 'grpc' ? endpoint : url.href });
const provider = new LoggerProvider({
  resource: resourceFromAttributes({ 'service.name': service }),
  // The processor drops what its queue cannot hold (2048 records by default).
  processors: [new BatchLogRecordProcessor({ exporter, maxQueueSize: Math.max(2048, count) })],
});
const log = provider.getLogger('part');
for (let i = 0; i < count; i++) {
  log.emit({
    severityNumber: SeverityNumber.INFO,
    severityText: 'INFO',
    body: `order ${i} accepted for customer ${(i * 7919) % 1000} in ${(i * 31) % 90} ms`,
    attributes: { i },
  });
}
await provider.forceFlush().catch((e) => console.error('flush failed:', e.message));
await provider.shutdown().catch((e) => console.error('shutdown failed:', e.message));
console.log('sent', sent);
process.exitCode = sent === count ? 0 : 1;
