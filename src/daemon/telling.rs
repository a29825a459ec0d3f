//! How what is found is told: the sinks, the scribe's thread, and what both work with.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::announce::{Announcer, Road};
use super::board::Board;
use super::cataloging::Cataloging;
use super::clerk::{self, Clerk, Desktop};
use super::config::Settings;
use super::directory::Directory;
use super::hands::{Hands, Systems};
use super::remediation::Remediation;
use super::running::{StartError, Watcher};
use super::scribe::{self, Scribe};
use super::switch::Switch;
use super::{clock, trainer};
use crate::core::remedy::ledger::Task;
use crate::edge::api::{Feed, Gate};
use crate::edge::notify::{self, Signers};
use crate::edge::store::{Control, ControlSettings, Store};

/// What tells, and what of it can be exchanged while the daemon runs.
pub(super) struct Telling {
    pub(super) announcer: Announcer,
    pub(super) control: Arc<Control>,
    /// Who is let in, so who is known.
    pub(super) gate: Gate,
    /// The webhooks that may answer.
    pub(super) signers: Arc<ArcSwap<Signers>>,
    /// The kill switch.
    pub(super) switch: Arc<Switch>,
    /// Whether there is a catalog that may answer.
    catalog_is_asked: Arc<AtomicBool>,
    context: notify::Context,
    /// Held by the clerk while messages are made and sent, and here while the sinks are exchanged: a
    /// message must not be made by one set of sinks and be lost with it.
    sinks: Arc<Mutex<()>>,
}

impl Telling {
    /// Starts the sinks and the scribe; what no sink had taken when the last daemon ended goes out. With
    /// it the trainings that will be asked for.
    pub(super) async fn start(
        settings: &Settings,
        store: &Store,
        board: &Arc<Board>,
        watcher: Option<Watcher>,
    ) -> Result<(Self, mpsc::Receiver<trainer::Job>, IdleHands), StartError> {
        let gate = Gate::new(&settings.api_tokens())?;
        let systems = Systems::connect(settings, store.instance_id()).await?;
        let (scribe, inbox) = scribe::scribe();
        let switch = Arc::new(Switch::new(settings.stop_file()));
        let known_by_sinks = context(settings, store, board, (&scribe, &switch));
        let (trainer, jobs) = trainer::queue();
        let dispatcher = notify::Dispatcher::start(&settings.sinks, &known_by_sinks)?;
        let signers = Signers::load(&settings.sinks)?;
        let road = Arc::new(Road {
            dispatcher: ArcSwap::from_pointee(dispatcher),
            board: Arc::clone(board),
            feed: Feed::new(),
            trainer,
            watcher,
        });
        let control = Arc::new(store.control(ControlSettings::default())?);
        let catalog_is_asked = Arc::new(AtomicBool::new(settings.catalog.is_some()));
        let sinks = Arc::default();
        let now = clock::now();
        let (hands, tasks) = tokio::sync::mpsc::unbounded_channel();
        let actions = clerk::actions(&control)?;
        let remediation = Remediation::new(
            settings.remedies(),
            Arc::clone(&switch),
            hands,
            (actions, now),
        );
        let hands = IdleHands {
            hands: Hands::new(systems, Arc::clone(&switch)),
            tasks,
        };
        let desktop = Desktop {
            road: Arc::clone(&road),
            control: Arc::clone(&control),
            sinks: Arc::clone(&sinks),
            directory: Directory::new(gate.clone(), Arc::clone(&catalog_is_asked)),
            redactor: Arc::clone(&settings.redact.redactor),
            remediation,
        };
        let clerk = Clerk::new(settings.desk(now), desktop, now);
        // The incidents that go on are known now.
        road.stand();
        scribe::restore(&road, &control);
        scribe::spawn(inbox, clerk)?;
        let telling = Self {
            announcer: Announcer { road, scribe },
            control,
            gate,
            signers: Arc::new(ArcSwap::from_pointee(signers)),
            catalog_is_asked,
            context: known_by_sinks,
            sinks,
            switch,
        };
        Ok((telling, jobs, hands))
    }

    /// What tells the clerk what a catalog says, until `stop`.
    pub(super) fn cataloging(&self, stop: &CancellationToken) -> Cataloging {
        let is_asked = Arc::clone(&self.catalog_is_asked);
        Cataloging::new(self.announcer.scribe.clone(), stop, is_asked)
    }

    /// Tells by other settings from now on: sinks and where they may send to, rules, and how incidents
    /// are made up and whom they concern. What the sinks of before had not delivered goes to those of
    /// now.
    ///
    /// # Errors
    /// If a sink cannot be set up; then everything stays as it was.
    pub(super) async fn reload(&self, settings: &Settings) -> Result<(), notify::StartError> {
        let context = notify::Context {
            egress: settings.egress.clone(),
            ..self.context.clone()
        };
        let road = &self.announcer.road;
        let signers = Signers::load(&settings.sinks)?;
        let turn = self.sinks.lock().await;
        let before = road.dispatcher.load_full();
        let dispatcher = Arc::new(before.successor(&settings.sinks, &context)?);
        road.dispatcher.store(Arc::clone(&dispatcher));
        self.signers.store(Arc::new(signers));
        road.stand();
        let undelivered = before.close(Duration::ZERO).await;
        dispatcher.inherit(undelivered, clock::now());
        drop(turn);
        let redactor = Arc::clone(&settings.redact.redactor);
        let desk = settings.desk(clock::now());
        self.announcer
            .scribe
            .configure(desk, redactor, settings.remedies());
        Ok(())
    }
}

/// Who will carry tasks out, and what waits for them.
pub(super) struct IdleHands {
    hands: Hands,
    tasks: tokio::sync::mpsc::UnboundedReceiver<Task>,
}

impl IdleHands {
    /// From now on tasks are carried out, and `scribe` hears what became of them.
    pub(super) fn start(self, scribe: Scribe) {
        tokio::spawn(self.hands.work(self.tasks, scribe));
    }
}

fn context(
    settings: &Settings,
    store: &Store,
    board: &Board,
    (scribe, switch): (&Scribe, &Arc<Switch>),
) -> notify::Context {
    let switch = Arc::clone(switch);
    notify::Context {
        is_stopped: Arc::new(move || switch.stopped().is_some()),
        instance_id: store.instance_id().into(),
        clock: Arc::new(clock::now),
        metrics: board.notified.clone(),
        keeping: Arc::new(scribe.clone()),
        egress: settings.egress.clone(),
    }
}
