//! HTTP for people and machines: health, metrics, services, anomalies.
