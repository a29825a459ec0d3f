// Send batches with the OpenTelemetry SDK until told to stop, and say which were taken.
//
//     node stream.mjs grpc|http|proto ENDPOINT RECORDS SERVICE
//
// Each batch is RECORDS log records of a service of its own: SERVICE-0, SERVICE-1 and so on. Prints
// `taken SERVICE-N` for each that the SDK was told is taken, `lost SERVICE-N` for the others. SIGTERM ends it.
// ENDPOINT, the ways and KNOTHOLE_NODE_DIR as in send.mjs.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const dir = process.env.KNOTHOLE_NODE_DIR;
const require = createRequire(dir ? join(dir, 'package.json') : import.meta.url);

const [kind, endpoint, recordsText, service] = process.argv.slice(2);
const records = Number(recordsText);
if (!['grpc', 'http', 'proto'].includes(kind) || !endpoint || !Number.isInteger(records) || !service) {
  console.error('usage: node stream.mjs grpc|http|proto ENDPOINT RECORDS SERVICE');
  process.exit(2);
}
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${kind}`);

const url = new URL(endpoint);
if (kind !== 'grpc' && url.pathname === '/') url.pathname = '/v1/logs';
// Milliseconds between batches, so that one that fails at once is not tried for ever.
const pause = 50;

// The SDK only logs a failed export; the test has to know of it.
let taken = false;
class TellingExporter extends OTLPLogExporter {
  export(batch, done) {
    super.export(batch, (result) => {
      taken = result.code === 0 && batch.length === records;
      if (result.code !== 0) console.error('export failed:', result.error?.message);
      done(result);
    });
  }
}

let stopped = false;
process.on('SIGTERM', () => (stopped = true));
const exporter = new TellingExporter({ url: kind === 'grpc' ? endpoint : url.href });
for (let number = 0; !stopped; number++) {
  const name = `${service}-${number}`;
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': name }),
    // A queue that is full exports by itself, so it is larger than the batch.
    processors: [new BatchLogRecordProcessor({ exporter, maxQueueSize: 2 * records, maxExportBatchSize: 2 * records })],
  });
  const log = provider.getLogger('part');
  for (let i = 0; i < records; i++) {
    log.emit({ severityNumber: SeverityNumber.INFO, body: `order ${i} accepted in ${(i * 31) % 90} ms` });
  }
  taken = false;
  await provider.forceFlush().catch((e) => console.error('flush failed:', e.message));
  console.log(taken ? 'taken' : 'lost', name);
  await setTimeout(pause);
}
process.exit(0);
