//! Labelled sets: what is found is shown to the rules each second, as a daemon would.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::marks::{Judged, add};
use super::report::{Column, Report};
use super::{Readiness, Rules, SetArgs, begun};
use crate::cli::eval::layout::nezha::Item;
use crate::cli::eval::world::{Moment, World};
use crate::core::engine::State;
use crate::core::event::Anomaly;
use crate::core::record::Resource;
use crate::core::remedy::simulate::{Simulated, Simulation, Tried};
use crate::core::remedy::standing::{Standing, Trouble};
use crate::core::train::TrainSettings;

/// Which sets, and how models are trained.
pub(super) struct Set {
    pub(super) train: PathBuf,
    pub(super) test: PathBuf,
    pub(super) training: TrainSettings,
}

impl Set {
    pub(super) fn of(args: &SetArgs) -> anyhow::Result<Self> {
        let told = "--layout needs --train DIR and --test DIR; they may be the same folder";
        let of = |folder: &Option<PathBuf>| folder.clone().context(told);
        Ok(Self {
            train: of(&args.train)?,
            test: of(&args.test)?,
            training: args.training(),
        })
    }

    pub(super) fn folders(&self) -> (&Path, &Path) {
        (&self.train, &self.test)
    }
}

/// What labels say of an action.
pub(super) type Judge<'a> = &'a dyn Fn(&Tried) -> Judged;

/// The namespace of services whose records name none.
pub(super) const NAMESPACE: &str = "assumed";

/// What is counted of all that was played.
pub(super) struct Course<'a> {
    rules: &'a Rules,
    columns: Vec<Column>,
    pub(super) faults: usize,
    pub(super) fault_free: usize,
    pub(super) anomalies: usize,
}

impl<'a> Course<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        let columns = rules.columns.iter();
        Self {
            rules,
            columns: columns
                .map(|readiness| Column::of(*readiness, Simulated::default()))
                .collect(),
            faults: 0,
            fault_free: 0,
            anomalies: 0,
        }
    }

    /// Plays a stretch in a world of its own. Without a `judge` there was no fault in it.
    pub(super) fn play(
        &mut self,
        mut world: World,
        items: &[Item],
        judge: Option<Judge<'_>>,
    ) -> anyhow::Result<()> {
        let rules = self.rules;
        let frozen = |action: &_, now| rules.frozen(action, now);
        let mut simulations: Vec<Simulation<'_>> = rules
            .columns
            .iter()
            .map(|readiness: &Readiness| begun(rules, &frozen, *readiness))
            .collect();
        let anomalies = &mut self.anomalies;
        world.show(items, &mut |moment| {
            *anomalies += moment.found.len();
            turn(&mut simulations, &moment, rules.is_authenticated);
        })?;
        for (column, simulation) in self.columns.iter_mut().zip(simulations) {
            let simulated = simulation.end();
            let judged = add(&mut column.marks, &simulated, judge);
            column.add(simulated, judged);
        }
        match judge {
            Some(_) => self.faults += 1,
            None => self.fault_free += 1,
        }
        Ok(())
    }

    /// What came of it.
    pub(super) fn report(self, played: String, unknown: Vec<String>, has_near: bool) -> Report {
        Report {
            columns: self.columns,
            unknown,
            labels: Some(super::report::Labels {
                faults: self.faults,
                fault_free: self.fault_free,
                has_near,
            }),
            ..Report::new(played, self.rules)
        }
    }
}

/// Shows a moment to all simulations that have something to do in it.
fn turn(simulations: &mut [Simulation<'_>], moment: &Moment<'_>, is_authenticated: bool) {
    let now = moment.now;
    let is_due = |it: &Simulation<'_>| it.next_deadline().is_some_and(|due| due <= now);
    if moment.found.is_empty() && !simulations.iter().any(is_due) {
        return;
    }
    let found: Vec<Arc<Anomaly>> = moment.found.iter().map(placed).collect();
    let live = moment.desk.live();
    let status = moment.shard.status();
    let judged = status.iter().filter(|it| it.state == State::Active);
    let standing = Standing {
        live: live.filter_map(|it| Trouble::at(&it, now)).collect(),
        heard: u32::try_from(judged.count()).unwrap_or(u32::MAX),
        storm_at: None,
        is_authenticated,
    };
    for simulation in simulations {
        simulation.turn(&found, standing.clone(), now);
    }
}

/// The same anomaly with what a Collector in a cluster would add to the resource of a pod's records, where
/// the set has not got it: a namespace, the Deployment of the service's name, the pod's uid. What names no
/// pod names none.
fn placed(anomaly: &Arc<Anomaly>) -> Arc<Anomaly> {
    let resource = &anomaly.resource;
    let Some(pod) = resource.get("k8s.pod.name") else {
        return Arc::clone(anomaly);
    };
    let name = &*anomaly.stream.name;
    let namespace = match &*anomaly.stream.namespace {
        "" => NAMESPACE,
        namespace => namespace,
    };
    let added = [
        ("k8s.namespace.name", namespace),
        ("k8s.deployment.name", name),
        ("k8s.pod.uid", pod),
    ];
    let own = resource.attributes();
    let all = added.into_iter().chain(own);
    let all = all.map(|(name, value)| (name.into(), value.into()));
    Arc::new(Anomaly {
        resource: Arc::new(Resource::new(all.collect())),
        ..Anomaly::clone(anomaly)
    })
}
