//! The core as `serve` puts it together, told by OTLP requests and by what time it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::layout::nezha::Item;
use super::training::train_with_bar;
use crate::core::desk::{Desk, DeskSettings, Told};
use crate::core::engine::{self, Learn, Output, Saved, Shard, Templates};
use crate::core::event::{Anomaly, Incident, Stage};
use crate::core::incident::SavedPart;
use crate::core::model::Bundle;
use crate::core::record::{StreamKey, Timestamp};
use crate::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};
use crate::core::topology::LinkSource;
use crate::core::train::{TrainSettings, train};
use crate::edge::receive::{self, Reopen};

/// The core is told what time it is this often.
const TICK: Duration = Duration::from_secs(1);
/// Traces that are open at the end of a run, and incidents that are settling, are waited for.
const SETTLED: Duration = Duration::from_secs(60);
/// Between two stretches nothing comes for so long.
const PAUSE: Duration = Duration::from_secs(300);

/// The core as `serve` puts it together. Without models unless it was taught some.
pub(in crate::cli) struct World {
    open: Reopen,
    shard: Shard,
    desk: Desk,
    now: Timestamp,
}

/// What a world knows, as a daemon would find it in its state folder.
pub(in crate::cli) struct Learned {
    streams: BTreeMap<StreamKey, Saved>,
    books: Vec<SavedPart>,
    evidence: SavedPart,
    /// The models of services that had enough to train on.
    pub(in crate::cli) models: BTreeMap<StreamKey, Arc<Bundle>>,
    /// Services that had not.
    pub(in crate::cli) without_model: usize,
}

/// A moment of a world, before what came of it is told.
pub(in crate::cli) struct Moment<'a> {
    /// What was found since the last one.
    pub(in crate::cli) found: &'a [Arc<Anomaly>],
    pub(in crate::cli) desk: &'a Desk,
    pub(in crate::cli) shard: &'a Shard,
    pub(in crate::cli) now: Timestamp,
}

/// Gets each moment.
pub(in crate::cli) type See<'a> = &'a mut dyn FnMut(Moment<'_>);

/// Who depends on whom, as a catalog says it.
pub(in crate::cli) type Links = [(StreamKey, StreamKey)];

/// Whether everything is learned from and nothing told.
#[derive(Clone, Copy)]
enum Warm {
    Up,
    Enough,
}

impl World {
    fn new(warm: Warm) -> anyhow::Result<Self> {
        let warm_up = match warm {
            Warm::Up => Duration::MAX,
            Warm::Enough => Duration::ZERO,
        };
        let settings = engine::Settings::new(KeyFinder::new(DEFAULT_BODY_IDS)?);
        let learn = Learn {
            sequences_min: usize::MAX,
            warm_up,
            ..settings.learn.clone()
        };
        Ok(Self {
            open: Reopen::of_anybody(receive::Settings::of_instance("eval")),
            shard: Shard::new(engine::Settings { learn, ..settings }),
            desk: Desk::new(desk_settings(warm_up)),
            now: Timestamp::ZERO,
        })
    }

    /// What there is to know after all of `metrics` and then `stretches`, one after the other.
    ///
    /// # Errors
    /// When something cannot be decoded or kept.
    pub(in crate::cli) fn learn<'a>(
        stretches: impl Iterator<Item = &'a Vec<Item>>,
        metrics: &'a [Item],
    ) -> anyhow::Result<Learned> {
        Self::warmed_up(stretches, metrics)?.learned()
    }

    /// The same, with a model for each service that has enough to train on.
    ///
    /// # Errors
    /// When something cannot be decoded or kept.
    pub(in crate::cli) fn learn_and_train<'a>(
        stretches: impl Iterator<Item = &'a Vec<Item>>,
        metrics: &'a [Item],
        settings: &TrainSettings,
    ) -> anyhow::Result<Learned> {
        let mut world = Self::warmed_up(stretches, metrics)?;
        let (models, without_model) = world.trained(settings);
        Ok(Learned {
            models,
            without_model,
            ..world.learned()?
        })
    }

    fn warmed_up<'a>(
        stretches: impl Iterator<Item = &'a Vec<Item>>,
        metrics: &'a [Item],
    ) -> anyhow::Result<Self> {
        let mut world = Self::new(Warm::Up)?;
        for stretch in [metrics].into_iter().chain(stretches.map(Vec::as_slice)) {
            world.play(stretch)?;
            world.pass(PAUSE, &mut |_| ());
        }
        Ok(world)
    }

    /// Models by service, and how many services have too little to train on.
    fn trained(&mut self, settings: &TrainSettings) -> (BTreeMap<StreamKey, Arc<Bundle>>, usize) {
        // What is open still has ended by then.
        self.pass(PAUSE, &mut |_| ());
        let mut models = BTreeMap::new();
        let mut without = 0;
        for status in self.shard.status() {
            let corpus = self.shard.corpus(&status.stream).unwrap_or_default();
            let name = status.stream.to_string();
            match train_with_bar(train, &corpus, settings, &name) {
                Ok(bundle) => {
                    models.insert(status.stream, Arc::new(bundle));
                }
                Err(_) => without += 1,
            }
        }
        (models, without)
    }

    fn learned(mut self) -> anyhow::Result<Learned> {
        let streams = self.shard.status().into_iter().map(|it| it.stream);
        let snapshots = self.shard.snapshots(&streams.collect());
        let streams = snapshots.into_iter().map(|snapshot| {
            let templates = match snapshot.templates {
                Templates::Whole(bytes) | Templates::Changes(bytes) => vec![bytes],
                Templates::Unchanged => Vec::new(),
            };
            let rest = Some(snapshot.rest);
            (snapshot.stream, Saved { templates, rest })
        });
        Ok(Learned {
            streams: streams.collect(),
            books: self.desk.saved()?,
            evidence: self.desk.saved_evidence()?,
            models: BTreeMap::new(),
            without_model: 0,
        })
    }

    /// A world that knows this, as after a restart.
    ///
    /// # Errors
    /// When it cannot be taken up.
    pub(in crate::cli) fn of(learned: &Learned) -> anyhow::Result<Self> {
        let mut world = Self::new(Warm::Enough)?;
        for (stream, saved) in &learned.streams {
            let shard = &mut world.shard;
            let model = learned.models.get(stream).cloned();
            shard.restore(stream, saved, model, Timestamp::ZERO)?;
        }
        world.desk = Desk::restored(desk_settings(Duration::ZERO), &learned.books)?;
        world.desk.restore_evidence(&learned.evidence)?;
        Ok(world)
    }

    /// Plays `items` and gives the incidents that were opened, each with what is known of it in the end.
    ///
    /// # Errors
    /// When something cannot be decoded.
    pub(in crate::cli) fn play(&mut self, items: &[Item]) -> anyhow::Result<Vec<Incident>> {
        self.show(items, &mut |_| ())
    }

    /// The same, and `see` gets every moment of it.
    ///
    /// # Errors
    /// When something cannot be decoded.
    pub(in crate::cli) fn show(
        &mut self,
        items: &[Item],
        see: See<'_>,
    ) -> anyhow::Result<Vec<Incident>> {
        let mut opened: BTreeSet<Box<str>> = BTreeSet::new();
        if let Some(first) = items.first() {
            self.now = first.at;
        }
        for item in items {
            let due = item.at.since(self.now);
            if due >= TICK {
                opened.extend(self.pass(due, see));
            }
            self.take(item)?;
        }
        opened.extend(self.pass(SETTLED, see));
        let ids = opened.iter();
        Ok(ids
            .filter_map(|id| self.desk.explained(id, self.now))
            .collect())
    }

    /// Tells it who depends on whom.
    pub(in crate::cli) fn link(&mut self, links: &Links) {
        for (caller, callee) in links {
            let topology = self.desk.topology_mut();
            topology.link(caller, callee, Timestamp::ZERO, LinkSource::Catalog);
        }
    }

    fn take(&mut self, item: &Item) -> anyhow::Result<()> {
        let decoded = self.open.open(&item.request).map_err(anyhow::Error::msg)?;
        for spans in &decoded.spans {
            self.desk.spans(spans, item.at);
        }
        for metric in &decoded.metrics {
            self.desk.metric(metric, item.at);
        }
        for batch in decoded.batches {
            self.shard.push(batch, item.at);
        }
        Ok(())
    }

    /// Lets time pass and gives the incidents that were opened meanwhile.
    fn pass(&mut self, time: Duration, see: See<'_>) -> Vec<Box<str>> {
        let end = self.now.plus(time);
        let mut opened = Vec::new();
        while self.now < end {
            self.now = self.now.plus(TICK).min(end);
            let now = self.now;
            self.shard.tick(now);
            let mut found = Vec::new();
            for output in self.shard.take_outputs() {
                match output {
                    Output::Anomaly(anomaly) => {
                        self.desk.anomaly(&anomaly, now);
                        found.push(anomaly);
                    }
                    Output::Sign(sign) => self.desk.sign(sign, now),
                    Output::Trail(trail) => self.desk.trail(&trail, now),
                    Output::State { .. } | Output::TrainingDue { .. } | Output::Unjudged { .. } => {
                    }
                }
            }
            self.desk.advance(now);
            see(Moment {
                found: &found,
                desk: &self.desk,
                shard: &self.shard,
                now,
            });
            opened.extend(
                self.desk
                    .take(now)
                    .into_iter()
                    .filter_map(|told| match told {
                        Told::Incident { event, .. } if event.stage == Stage::Opened => {
                            Some(event.incident.id.clone())
                        }
                        _ => None,
                    }),
            );
        }
        opened
    }
}

fn desk_settings(warm_up: Duration) -> DeskSettings {
    DeskSettings {
        warm_up,
        ..DeskSettings::default()
    }
}
