//! OTLP over gRPC and HTTP → batches of records.
