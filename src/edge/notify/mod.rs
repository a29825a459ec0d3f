//! Events → sinks: OTLP, signed webhooks, JSON lines.
