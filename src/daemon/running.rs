//! The running daemon: starts every part, and stops them in the order in which records travel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::api::api_of;
use super::board::Board;
use super::cataloging::{self, CatalogSetupError, Cataloging};
use super::config::Settings;
use super::door::Door;
use super::keeper::{Books, Keeper};
use super::listeners::{Addresses, Listeners};
use super::memory::{self, Memory, Ration};
use super::models::ModelFileError;
use super::router::Router;
use super::shard_thread::{Command, ShardHandle};
use super::telling::Telling;
use super::{intake, shards, trainer};
use crate::core::engine::{Output, Room, Status};
use crate::core::model::Bundle;
use crate::core::record::StreamKey;
use crate::core::sequence::PatternError;
use crate::edge::api::{self, Caller, Gate, Order, Role};
use crate::edge::journal::{JournalError, Seq};
use crate::edge::kube::KubeError;
use crate::edge::notify;
use crate::edge::outgoing::SetupError;
use crate::edge::receive::{Receiver, ServeError, TlsError, TokenError};
use crate::edge::store::{Store, StoreError};

/// How long requests that are running may take to end at a stop.
const REQUESTS_GRACE: Duration = Duration::from_secs(2);
/// How long sinks may take to deliver what waits at a stop.
const SINKS_GRACE: Duration = Duration::from_secs(3);

/// Sees everything the shards say, on their threads; it must not wait.
pub type Watcher = Arc<dyn Fn(&Output) + Send + Sync>;

/// Why the daemon could not start or reload.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error("cannot listen on {address} for {what}: {source}; is another one running there?")]
    Listen {
        /// What was to listen there.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The state folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A pattern for identifiers.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A sink.
    #[error(transparent)]
    Sink(#[from] notify::StartError),
    /// A model of the settings.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogSetupError),
    /// The cluster that is acted on.
    #[error("remediation.kubernetes: {0}")]
    Cluster(#[from] KubeError),
    /// The policy that is asked, or what actions are carried out with besides the cluster.
    #[error("remediation.{system}: {source}")]
    System {
        /// Its setting.
        system: &'static str,
        /// Why.
        source: SetupError,
    },
    /// A token of the API.
    #[error(transparent)]
    ApiToken(#[from] api::TokenError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// A daemon that runs until it is stopped.
pub struct Daemon {
    addresses: Addresses,
    board: Arc<Board>,
    router: Arc<Router>,
    door: Arc<Door>,
    /// Hands over what was acknowledged before this start, as long as there is any.
    replay: Option<std::thread::JoinHandle<()>>,
    shards: Vec<ShardHandle>,
    /// Of each of them.
    room: Room,
    stopping: Arc<AtomicBool>,
    telling: Telling,
    cataloging: Cataloging,
    books: Books,
    servers: JoinSet<Result<(), ServeError>>,
    keeper: JoinHandle<Option<Keeper>>,
    stop: CancellationToken,
}

impl Daemon {
    /// Starts a daemon on an opened state folder; records are accepted when this returns.
    ///
    /// # Errors
    /// If an address is taken, or a sink or a model of the settings cannot be set up.
    pub async fn start(
        settings: &Settings,
        store: Store,
        watcher: Option<Watcher>,
    ) -> Result<Self, StartError> {
        // TLS of the sinks; a second start in one process finds it done.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listeners = Listeners::bind(settings).await?;
        let addresses = listeners.addresses()?;
        let catalog = cataloging::catalog_of(settings)?;
        let store = Arc::new(store);
        let memory = Arc::new(Memory::default());
        let board = Board::new(settings.shard_count().get(), Arc::clone(&memory));
        let board = Arc::new(board);
        let (telling, jobs, idle) = Telling::start(settings, &store, &board, watcher).await?;
        let scribe = &telling.announcer.scribe;
        let ration = Ration::of(settings);
        let stopping = Arc::new(AtomicBool::new(false));
        let room = (&stopping, ration.room);
        let (shards, upto) = shards::spawn_shards(settings, &store, &telling.announcer, room)?;
        let router = Router::new(
            shards.clone(),
            ration.queue_bytes_max,
            (&board, scribe.clone()),
            Arc::clone(&settings.redact.redactor),
        );
        let router = Arc::new(router);
        let tools = trainer::Tools {
            router: Arc::clone(&router),
            store: Arc::clone(&store),
            settings: settings.training(),
            stop: Arc::clone(&stopping),
        };
        trainer::spawn(jobs, tools)?;
        let stop = CancellationToken::new();
        tokio::spawn(memory::watch(memory, ration.limit, stop.clone()));
        let books = Books::new(store, Arc::clone(&telling.control), scribe);
        let door = intake::open_door(settings, &books, Arc::clone(&router), Seq::new(upto))?;
        let keeper = Keeper::new(shards.clone(), books.clone(), Arc::clone(&door));
        let keeper = tokio::spawn(keeper.run(stop.clone()));
        let receiver = intake::receiver(settings, &ration, &books, (&door, &board))?;
        let replay = door.catch_up(receiver.reopen(), Arc::clone(&stopping))?;
        let cataloging = telling.cataloging(&stop);
        cataloging.ask(catalog);
        follow_files(&receiver, &telling.gate, &stop);
        let servers = listeners.serve(receiver, api_of(&telling, &router), &stop);
        board.set_ready(true);
        // Not earlier: who stops all actions is heard from now on.
        idle.start(telling.announcer.scribe.clone());
        Ok(Self {
            addresses,
            board,
            router,
            door,
            replay,
            shards,
            room: ration.room,
            stopping,
            telling,
            cataloging,
            books,
            servers,
            keeper,
            stop,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// All streams, by key.
    pub fn status(&self) -> Vec<Status> {
        self.board.status()
    }

    /// Records taken in that no shard has taken up yet.
    pub fn queued(&self) -> u64 {
        self.board.queued.load(Ordering::Acquire)
    }

    /// Most memory held at once, in bytes.
    pub fn memory_peak(&self) -> u64 {
        self.board.memory.peak()
    }

    /// The metrics as OpenMetrics text, for our own telemetry.
    pub fn exposition(&self) -> Arc<dyn Fn() -> String + Send + Sync> {
        let board = Arc::clone(&self.board);
        Arc::new(move || api::View::metrics(board.as_ref()))
    }

    /// Uses `bundle` for a stream from now on.
    pub fn install(&self, stream: StreamKey, bundle: Arc<Bundle>) {
        if let Some(shard) = self.router.shard_of(&stream) {
            shard.send(Command::Install { stream, bundle });
        }
    }

    /// Judges everything that was accepted before this call, without waiting for records that
    /// might still come, as at the end of a file.
    pub async fn finish(&self) {
        let (shards, scribe) = (self.shards.clone(), self.telling.announcer.scribe.clone());
        let ended = tokio::task::spawn_blocking(move || {
            for shard in shards {
                let (reply, answer) = mpsc::channel();
                shard.send(Command::Finish(reply));
                // A shard that is gone has nothing left to judge.
                let _ = answer.recv();
            }
            scribe.flush();
        });
        let _ = ended.await;
    }

    /// Takes new settings: sinks and where they may send to, rules, silences, windows, teams and how
    /// incidents are made up, who may use the API, the catalog, and how streams are learned and judged.
    /// What needs a restart ([`Settings::needing_restart`]) stays as it is.
    ///
    /// # Errors
    /// If a sink, a token or the catalog cannot be set up or a pattern does not compile; then everything
    /// stays as it was.
    pub async fn reload(&self, settings: &Settings) -> Result<(), StartError> {
        let engine = shards::engine_settings(settings, self.room)?;
        let gate = Gate::new(&settings.api_tokens())?;
        let catalog = cataloging::catalog_of(settings)?;
        self.telling.reload(settings).await?;
        self.telling.gate.take_over(&gate);
        self.cataloging.ask(catalog);
        self.router.redact_by(Arc::clone(&engine.redactor));
        for shard in &self.shards {
            shard.send(Command::Reconfigure(Box::new(engine.clone())));
        }
        Ok(())
    }

    /// Why nothing is done to any cluster; `None` where actions are allowed.
    pub fn actions_stopped(&self) -> Option<Box<str>> {
        self.telling.switch.stopped()
    }

    /// What stops all actions, from the very moment of the call and until somebody allows them again. To
    /// be called within a tokio runtime.
    pub fn actions_stopper(&self) -> impl Fn(&str) + Send + 'static {
        let switch = Arc::clone(&self.telling.switch);
        let scribe = self.telling.announcer.scribe.clone();
        move |why| {
            switch.is_ordered();
            match switch.stop(why) {
                Ok(()) => tracing::warn!(why, "All actions are stopped."),
                Err(error) => {
                    let file = switch.file().display();
                    tracing::warn!(why, %error, %file, "All actions are stopped until this process ends; the file that would keep them stopped cannot be written.");
                }
            }
            let order = Order::Stop { why: why.into() };
            let by = Caller {
                name: "signal".into(),
                role: Role::Approver,
                address: None,
            };
            let scribe = scribe.clone();
            // For the audit. They are stopped whether or not it can be written.
            tokio::task::spawn_blocking(move || scribe.order(order, by));
        }
    }

    async fn flush_scribe(&self) {
        let scribe = self.telling.announcer.scribe.clone();
        // It can only fail where the runtime ends, and then nobody waits.
        let _ = tokio::task::spawn_blocking(move || scribe.flush()).await;
    }

    /// Waits until a listener gives up, which it should never do; why it did.
    pub async fn broken(&mut self) -> String {
        match self.servers.join_next().await {
            Some(Ok(Ok(()))) | None => "a listener ended".to_owned(),
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(error)) => error.to_string(),
        }
    }

    /// Stops: takes nothing more in, ends running requests, puts what was accepted into the state
    /// folder, and gives the sinks a moment. Well below ten seconds.
    ///
    /// # Errors
    /// If the state could not be written whole.
    pub async fn stop(mut self) -> Result<(), StoreError> {
        self.board.set_ready(false);
        self.stopping.store(true, Ordering::Relaxed);
        self.stop.cancel();
        let ended = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(REQUESTS_GRACE, ended).await.is_err() {
            tracing::warn!(
                "Some requests did not end in time; their senders will send them again."
            );
        }
        self.door.close();
        self.servers.shutdown().await;
        if let Some(replay) = self.replay.take() {
            // One that broke off has told why; what it did not hand over is still in the journal.
            let _ = tokio::task::spawn_blocking(move || replay.join()).await;
        }
        // A snapshot of the minute that is being written must not come after the last one.
        let shards = std::mem::take(&mut self.shards);
        let keeper = match (&mut self.keeper).await {
            Ok(Some(keeper)) => keeper,
            Ok(None) | Err(_) => Keeper::new(shards, self.books.clone(), Arc::clone(&self.door)),
        };
        let written = save_last(keeper).await;
        self.flush_scribe().await;
        let dispatcher = self.telling.announcer.road.dispatcher.load();
        let undelivered = dispatcher.close(SINKS_GRACE).await;
        // What was delivered in the meantime is not to be sent again.
        let scribe = self.telling.announcer.scribe.clone();
        let _ = tokio::task::spawn_blocking(move || scribe.end()).await;
        if !undelivered.is_empty() {
            let left = undelivered.len();
            tracing::info!(left, "Undelivered events are kept for the next start.");
        }
        written
    }
}

/// Reads certificates and tokens again whenever their files change, until `stop`.
fn follow_files(receiver: &Receiver<Door>, gate: &Gate, stop: &CancellationToken) {
    let (files, tokens) = (receiver.clone().follow_files(), gate.clone().follow_files());
    tokio::spawn(stop.clone().run_until_cancelled_owned(files));
    tokio::spawn(stop.clone().run_until_cancelled_owned(tokens));
}

/// Writes the state for the last time, and ends the shards.
async fn save_last(mut keeper: Keeper) -> Result<(), StoreError> {
    let written = tokio::task::spawn_blocking(move || keeper.save(Command::Stop));
    written.await.unwrap_or(Ok(()))
}
