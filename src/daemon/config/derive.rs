//! Settings → what each room asks for. The rooms do not know the file.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use super::settings::{ServiceBundle, Settings};
use crate::core::desk::DeskSettings;
use crate::core::engine;
use crate::core::parse;
use crate::core::record::{StreamKey, Timestamp};
use crate::core::sequence::{DEFAULT_BODY_IDS, KeyFinder, PatternError};
use crate::core::train::TrainSettings;
use crate::edge::receive::{self, ConnectionLimits, ConvertSettings, TenantSettings, TlsSettings};
use crate::edge::store::Limits;
use crate::edge::telemetry::TelemetrySettings;

impl Settings {
    /// Threads that judge: as set, else one for each core.
    pub fn shard_count(&self) -> NonZeroUsize {
        let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.shards.unwrap_or_else(cores)
    }

    /// What every shard runs by.
    ///
    /// # Errors
    /// A pattern of `sequence.body_ids` does not compile; checked settings have none such.
    pub fn engine(&self) -> Result<engine::Settings, PatternError> {
        let own = self.sequence.body_ids.as_deref();
        let keys = match own {
            Some(patterns) => KeyFinder::new(patterns.iter().map(String::as_str))?,
            None => KeyFinder::new(DEFAULT_BODY_IDS)?,
        };
        let learn = engine::Learn {
            sequences_min: self.learn.sequences_min.get(),
            records_min: self.learn.records_min,
            new_template_chance_max: self.learn.new_template_chance_max,
            retrain_every: self.learn.retrain_every.get(),
            warm_up: self.learn.warm_up.get(),
            ..engine::Learn::default()
        };
        Ok(engine::Settings {
            idle_timeout: self.sequence.idle_timeout.get(),
            reorder_delay: self.sequence.reorder_delay.get(),
            open_max: self.sequence.open_max.get(),
            streams_max: self.streams_max.get(),
            hand: Arc::clone(&self.templates.hand),
            redactor: Arc::clone(&self.redact.redactor),
            mining: parse::Limits {
                templates_max: self.templates.per_service_max.get(),
                births_per_minute_max: Some(self.templates.births_per_minute_max),
                key_seed: RandomState::new().hash_one(()),
                ..parse::Limits::default()
            },
            learn,
            silences: Arc::new(self.silences(Timestamp::ZERO)),
            alarms: self.alarms(),
            ..engine::Settings::new(keys)
        })
    }

    fn alarms(&self) -> engine::Alarms {
        match (self.detect.alarm_rate, self.detect.alerts_per_day) {
            (_, Some(alerts)) => engine::Alarms::PerDay(alerts),
            (rate, None) => engine::Alarms::Rate(rate),
        }
    }

    /// How incidents are made up and whom they concern; silences that do not say since when they are
    /// there are there since `now`.
    pub fn desk(&self, now: Timestamp) -> DeskSettings {
        DeskSettings {
            warm_up: self.learn.warm_up.get(),
            incidents: self.incident_settings(),
            silences: self.silences(now),
            teams: self.teams(),
            ..DeskSettings::default()
        }
    }

    /// What models are trained by.
    pub fn training(&self) -> TrainSettings {
        TrainSettings {
            seed: self.model.seed,
            alarm_rate: self.detect.alarm_rate,
            ..TrainSettings::default()
        }
    }

    /// What the receiver of the process `instance_id` runs by.
    pub fn receiver(&self, instance_id: &str) -> receive::Settings {
        receive::Settings {
            request_bytes_max: self.receive.request_bytes_max.as_len(),
            inflight_bytes_max: self.receive.inflight_bytes_max.as_len(),
            connections: ConnectionLimits {
                connections_max: self.receive.connections_max.get(),
                per_address_max: self.receive.connections_per_address_max.get(),
                ..ConnectionLimits::default()
            },
            convert: ConvertSettings {
                sequence_attribute: self.sequence.attribute.clone(),
                body_len_max: self.receive.body_len_max.as_len(),
                ..ConvertSettings::of_instance(instance_id)
            },
            ..receive::Settings::of_instance(instance_id)
        }
    }

    /// Who may send.
    pub fn tenants(&self) -> Vec<TenantSettings> {
        let tenants = self.receive.tenants.iter().map(|tenant| TenantSettings {
            name: tenant.name.clone(),
            token_file: tenant.token_file.clone(),
            resource: tenant.resource.clone().into_iter().collect(),
        });
        tenants.collect()
    }

    /// The certificates of the OTLP ports.
    pub fn tls(&self) -> Option<TlsSettings> {
        let files = self.receive.tls.as_ref()?;
        Some(TlsSettings {
            cert_file: files.cert.clone(),
            key_file: files.key.clone(),
            client_ca_file: files.client_ca.clone(),
        })
    }

    /// The bounds of the state folder. It has room for every stream that the shards follow.
    pub fn store_limits(&self) -> Limits {
        Limits {
            bytes_max: self.state_bytes_max.as_bytes(),
            streams_max: self.streams_max.saturating_mul(self.shard_count()),
        }
    }

    /// What knothole tells about itself, and whom.
    pub fn own_telemetry(&self) -> TelemetrySettings {
        TelemetrySettings {
            level: self.telemetry.log_level.clone(),
            endpoint: self.telemetry.endpoint.clone(),
            ..TelemetrySettings::default()
        }
    }
}

impl ServiceBundle {
    /// The stream that `service` names: `name`, `namespace/name` or `environment/namespace/name`.
    pub fn stream(&self) -> StreamKey {
        let mut parts = self.service.rsplitn(3, '/');
        let mut part = || parts.next().unwrap_or_default().into();
        let (name, namespace, environment) = (part(), part(), part());
        StreamKey {
            environment,
            namespace,
            name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::{ActionKind, AnomalyKind};
    use crate::core::remedy::rule::Rule;
    use crate::daemon::config::from_text;

    #[test]
    fn the_defaults_are_those_of_the_rooms() {
        let settings = Settings::default();
        let keys = KeyFinder::new(DEFAULT_BODY_IDS).unwrap();
        let (mut ours, theirs) = (settings.engine().unwrap(), engine::Settings::new(keys));
        assert_ne!(ours.mining.key_seed, 0, "a sender must not know it");
        ours.mining.key_seed = theirs.mining.key_seed;
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        assert_eq!(settings.training(), TrainSettings::default());
        let (ours, theirs) = (
            settings.receiver("id"),
            receive::Settings::of_instance("id"),
        );
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        assert_eq!(settings.own_telemetry(), TelemetrySettings::default());
    }

    #[test]
    fn what_is_set_reaches_its_room() {
        let text = "sequence: {attribute: order.id, body_ids: ['job-\\d+'], open_max: 7}\n\
                    learn: {sequences_min: 3, retrain_every: 2h}\nstreams_max: 5\nshards: 2\n\
                    detect: {alarm_rate: 0.2}\nmodel: {seed: 9}\nreceive: {body_len_max: 1KiB}\n\
                    actions: [{name: r, action: scale, max: 3, kinds: [sequence], services: [prod/a]}]\n";
        let settings = from_text("x", text, &[]).unwrap();
        let engine = settings.engine().unwrap();
        assert_eq!(engine.keys.body_ids("a job-12 b"), ["job-12"]);
        assert_eq!((engine.open_max, engine.streams_max), (7, 5));
        assert_eq!(engine.learn.sequences_min, 3);
        assert_eq!(engine.learn.retrain_every.as_secs(), 7_200);
        assert_eq!(
            (settings.training().seed, settings.training().alarm_rate),
            (9, Some(0.2))
        );
        let rules = settings.rules();
        assert_eq!(
            (rules[0].remedy.kind(), rules[0].kinds.as_slice()),
            (ActionKind::Scale, &[AnomalyKind::Sequence][..])
        );
        assert_eq!(
            (rules[0].ttl, rules[0].services[0].as_ref()),
            (Rule::TTL_DEFAULT, "prod/a")
        );
        let receiver = settings.receiver("id");
        assert_eq!(receiver.convert.body_len_max, 1_024);
        assert_eq!(
            receiver.convert.sequence_attribute.as_deref(),
            Some("order.id")
        );
        assert_eq!(settings.store_limits().streams_max.get(), 10);
    }
}
