//! The running daemon: starts every part, and stops them in the order in which records travel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::announce::{Announcer, Road};
use super::board::Board;
use super::cataloging::{self, CatalogSetupError};
use super::clerk::Clerk;
use super::config::Settings;
use super::door::Door;
use super::keeper::{Books, JOURNAL, Keeper};
use super::memory::{self, Memory, Ration};
use super::models::{self, ModelFileError, OtherIdleTimeout};
use super::orders::Orders;
use super::router::{Router, shard_index};
use super::scribe::{self, Scribe};
use super::shard_thread::{self, Command, Reports, ShardHandle};
use super::showing::Showing;
use super::{clock, trainer};
use crate::core::engine::{self, Output, Room, Saved, Shard, Status};
use crate::core::model::Bundle;
use crate::core::record::StreamKey;
use crate::core::sequence::PatternError;
use crate::edge::api::{Api, Feed, Gate};
use crate::edge::journal::{self, Journal, JournalError, Seq};
use crate::edge::receive::{
    self, Access, Receiver, ServeError, Tls, TlsError, TokenError, serve_grpc, serve_http,
};
use crate::edge::store::{Control, ControlSettings, Part, Store, StoreError, StoredStream};
use crate::edge::{api, notify};

/// How long requests that are running may take to end at a stop.
const REQUESTS_GRACE: Duration = Duration::from_secs(2);
/// How long sinks may take to deliver what waits at a stop.
const SINKS_GRACE: Duration = Duration::from_secs(3);

/// Sees everything the shards say, on their threads; it must not wait.
pub type Watcher = Arc<dyn Fn(&Output) + Send + Sync>;

/// Where the daemon listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// OTLP over HTTP.
    pub otlp_http: SocketAddr,
    /// API, health and metrics.
    pub api: SocketAddr,
}

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
    announcer: Announcer,
    notify_context: notify::Context,
    books: Books,
    servers: JoinSet<Result<(), ServeError>>,
    keeper: JoinHandle<Option<Keeper>>,
    stop: CancellationToken,
}

struct Listeners {
    otlp_grpc: TcpListener,
    otlp_http: TcpListener,
    api: TcpListener,
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
        let store = Arc::new(store);
        let memory = Arc::new(Memory::default());
        let board = Board::new(settings.shard_count().get(), Arc::clone(&memory));
        let board = Arc::new(board);
        let (telling, jobs) = Telling::start(settings, &store, &board, watcher)?;
        let Telling {
            announcer,
            notify_context,
            control,
        } = telling;
        let stopping = Arc::new(AtomicBool::new(false));
        let ration = Ration::of(settings);
        let (shards, upto) = spawn_shards(settings, &store, &announcer, (&stopping, ration.room))?;
        let redactor = Arc::clone(&settings.redact.redactor);
        let queue_max = ration.queue_bytes_max;
        let router = Arc::new(Router::new(
            shards.clone(),
            queue_max,
            (&board, announcer.scribe.clone()),
            redactor,
        ));
        let tools = trainer::Tools {
            router: Arc::clone(&router),
            store: Arc::clone(&store),
            settings: settings.training(),
            stop: Arc::clone(&stopping),
        };
        trainer::spawn(jobs, tools)?;
        let stop = CancellationToken::new();
        tokio::spawn(memory::watch(memory, ration.limit, stop.clone()));
        let books = Books::new(store, control, &announcer.scribe);
        let door = open_door(settings, &books, Arc::clone(&router), Seq::new(upto))?;
        let keeper =
            Keeper::new(shards.clone(), books.clone(), Arc::clone(&door)).run(stop.clone());
        let keeper = tokio::spawn(keeper);
        let receiver = receiver(settings, &ration, &books, (&door, &board))?;
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(receiver.clone().follow_files()),
        );
        let addresses = listeners.addresses()?;
        let replay = door.catch_up(receiver.reopen(), Arc::clone(&stopping))?;
        let api = api_of(settings, &books.control, &router, &announcer)?;
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(api.gate.clone().follow_files()),
        );
        cataloging::start(settings, &announcer.scribe, &stop)?;
        let servers = listeners.serve(receiver, api, &stop);
        board.set_ready(true);
        Ok(Self {
            addresses,
            board,
            router,
            door,
            replay,
            shards,
            room: ration.room,
            stopping,
            announcer,
            notify_context,
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
        let (shards, scribe) = (self.shards.clone(), self.announcer.scribe.clone());
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

    /// Takes new settings: sinks, rules, and how streams are learned and judged. What needs a
    /// restart (addresses, folder, shards, bounds of what is received) stays as it is.
    ///
    /// # Errors
    /// If a sink cannot be set up or a pattern does not compile; then everything stays as it was.
    pub async fn reload(&self, settings: &Settings) -> Result<(), StartError> {
        let engine = engine_settings(settings, self.room)?;
        let road = &self.announcer.road;
        let before = road.dispatcher.load_full();
        let dispatcher = before.successor(&settings.sinks, &self.notify_context)?;
        let dispatcher = Arc::new(dispatcher);
        road.dispatcher.store(Arc::clone(&dispatcher));
        road.stand();
        road.rules.store(Arc::new(settings.rules()));
        self.router.redact_by(Arc::clone(&engine.redactor));
        let redactor = Arc::clone(&settings.redact.redactor);
        let desk = settings.desk(clock::now());
        self.announcer.scribe.configure(desk, redactor);
        for shard in &self.shards {
            shard.send(Command::Reconfigure(Box::new(engine.clone())));
        }
        let undelivered = before.close(Duration::ZERO).await;
        dispatcher.inherit(undelivered, clock::now());
        Ok(())
    }

    async fn flush_scribe(&self) {
        let scribe = self.announcer.scribe.clone();
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
        let dispatcher = self.announcer.road.dispatcher.load();
        let undelivered = dispatcher.close(SINKS_GRACE).await;
        // What was delivered in the meantime is not to be sent again.
        let scribe = self.announcer.scribe.clone();
        let _ = tokio::task::spawn_blocking(move || scribe.end()).await;
        if !undelivered.is_empty() {
            let left = undelivered.len();
            tracing::info!(left, "Undelivered events are kept for the next start.");
        }
        written
    }
}

/// How what is found is told.
struct Telling {
    announcer: Announcer,
    notify_context: notify::Context,
    control: Arc<Control>,
}

impl Telling {
    /// Starts the sinks and the scribe; what no sink had taken when the last daemon ended goes out. With
    /// it the trainings that will be asked for.
    fn start(
        settings: &Settings,
        store: &Store,
        board: &Arc<Board>,
        watcher: Option<Watcher>,
    ) -> Result<(Self, mpsc::Receiver<trainer::Job>), StartError> {
        let (scribe, inbox) = scribe::scribe();
        let notify_context = notify_context(settings, store, board, &scribe);
        let (trainer, jobs) = trainer::queue();
        let dispatcher = notify::Dispatcher::start(&settings.sinks, &notify_context)?;
        let road = Arc::new(Road {
            dispatcher: ArcSwap::from_pointee(dispatcher),
            rules: ArcSwap::from_pointee(settings.rules()),
            board: Arc::clone(board),
            feed: Feed::new(),
            trainer,
            watcher,
        });
        let control = Arc::new(store.control(ControlSettings::default())?);
        let clerk = Clerk::new(
            settings.desk(clock::now()),
            Arc::clone(&settings.redact.redactor),
            (Arc::clone(&road), Arc::clone(&control)),
            clock::now(),
        );
        // The incidents that go on are known now.
        road.stand();
        scribe::restore(&road, &control);
        scribe::spawn(inbox, clerk)?;
        let telling = Self {
            announcer: Announcer { road, scribe },
            notify_context,
            control,
        };
        Ok((telling, jobs))
    }
}

/// What the api shows and does.
fn api_of(
    settings: &Settings,
    control: &Arc<Control>,
    router: &Arc<Router>,
    announcer: &Announcer,
) -> Result<Api, StartError> {
    Ok(Api {
        view: Arc::new(Showing {
            board: Arc::clone(&announcer.road.board),
            control: Arc::clone(control),
            router: Arc::clone(router),
        }),
        desk: Arc::new(Orders {
            scribe: announcer.scribe.clone(),
        }),
        gate: Gate::new(&settings.api_tokens())?,
        feed: announcer.road.feed.clone(),
        clock: clock::now,
    })
}

impl Listeners {
    async fn bind(settings: &Settings) -> Result<Self, StartError> {
        let listen = &settings.listen;
        Ok(Self {
            otlp_grpc: bind("OTLP/gRPC", listen.otlp_grpc).await?,
            otlp_http: bind("OTLP/HTTP", listen.otlp_http).await?,
            api: bind("the API", listen.api).await?,
        })
    }

    fn addresses(&self) -> Result<Addresses, StartError> {
        Ok(Addresses {
            otlp_grpc: self.otlp_grpc.local_addr()?,
            otlp_http: self.otlp_http.local_addr()?,
            api: self.api.local_addr()?,
        })
    }

    fn serve(
        self,
        receiver: Receiver<Door>,
        api: Api,
        stop: &CancellationToken,
    ) -> JoinSet<Result<(), ServeError>> {
        let mut servers = JoinSet::new();
        servers.spawn(serve_grpc(self.otlp_grpc, receiver.clone(), stop.clone()));
        servers.spawn(serve_http(self.otlp_http, receiver, stop.clone()));
        let (listener, stop) = (self.api, stop.clone());
        servers.spawn(async move { Ok(api::serve(listener, api, stop).await?) });
        servers
    }
}

/// Opens the way in, behind which the streams have everything up to `upto` by their snapshots.
fn open_door(
    settings: &Settings,
    books: &Books,
    router: Arc<Router>,
    upto: Seq,
) -> Result<Arc<Door>, StartError> {
    let watermark = Seq::new(books.control.watermark(JOURNAL)?.unwrap_or(0));
    let journal = match settings.ephemeral {
        true => None,
        // No number is given twice, also where the journal was deleted.
        false => Some(open_journal(settings, &books.store, watermark.max(upto))?),
    };
    let scribe = books.scribe.clone();
    Ok(Arc::new(Door::new(router, journal, watermark, scribe)))
}

/// Opens the journal of the state folder and tells what was found in it.
fn open_journal(
    settings: &Settings,
    store: &Store,
    after: Seq,
) -> Result<Arc<Journal>, JournalError> {
    let bounds = journal::Settings {
        bytes_max: settings.journal.bytes_max.as_bytes(),
        repeat_window: settings.journal.repeats_within.get(),
        after,
        ..journal::Settings::default()
    };
    let (journal, found) = Journal::open(&store.journal_folder(), bounds)?;
    for lost in &found.lost {
        let (first, last) = (lost.start().get(), lost.end().get());
        tracing::error!(
            first,
            last,
            kept = ?found.broken,
            "Requests that were acknowledged are damaged on disk and are not judged."
        );
    }
    tracing::info!(
        entries = found.entries,
        bytes = found.bytes,
        torn_bytes = found.torn_bytes,
        "The journal was opened."
    );
    Ok(Arc::new(journal))
}

fn receiver(
    settings: &Settings,
    ration: &Ration,
    books: &Books,
    (door, board): (&Arc<Door>, &Board),
) -> Result<Receiver<Door>, StartError> {
    let bounds = receive::Settings {
        inflight_bytes_max: ration.inflight_bytes_max,
        ..settings.receiver(books.store.instance_id())
    };
    let guards = (
        Access::new(&settings.tenants())?,
        settings.tls().map(Tls::new).transpose()?,
    );
    Ok(Receiver::new(
        Arc::clone(door),
        bounds,
        board.received.clone(),
        guards,
    ))
}

fn engine_settings(settings: &Settings, room: Room) -> Result<engine::Settings, PatternError> {
    Ok(engine::Settings {
        room,
        ..settings.engine()?
    })
}

async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartError::Listen {
        what,
        address,
        source,
    })
}

fn notify_context(
    settings: &Settings,
    store: &Store,
    board: &Board,
    scribe: &Scribe,
) -> notify::Context {
    notify::Context {
        instance_id: store.instance_id().into(),
        clock: Arc::new(clock::now),
        metrics: board.notified.clone(),
        keeping: Arc::new(scribe.clone()),
        egress: settings.egress.clone(),
    }
}

/// Makes the shards, each with the streams that are its own from the state folder; with them the
/// number of the latest entry of the journal that any of them has.
fn spawn_shards(
    settings: &Settings,
    store: &Store,
    announcer: &Announcer,
    (stopping, room): (&Arc<AtomicBool>, Room),
) -> Result<(Vec<ShardHandle>, u64), StartError> {
    let engine = engine_settings(settings, room)?;
    let count = settings.shard_count().get();
    let mut shards: Vec<Shard> = (0..count).map(|_| Shard::new(engine.clone())).collect();
    let mut known = Vec::new();
    for stored in store.streams() {
        if let Some(shard) = shards.get_mut(shard_index(&stored.key, count)) {
            known.extend(restore(shard, stored, store));
        }
    }
    for (stream, bundle) in configured_models(settings)? {
        if let Some(shard) = shards.get_mut(shard_index(&stream, count))
            && !known.contains(&stream)
        {
            shard.install(&stream, bundle, clock::now());
        }
    }
    shards
        .iter()
        .for_each(|shard| warn_of_other_idle_timeouts(shard, engine.idle_timeout));
    let board = &announcer.road.board;
    board
        .received
        .restore(shards.iter().map(|shard| shard.ledger().pending).sum());
    let upto = shards.iter().map(Shard::upto).max().unwrap_or(0);
    let shards = shards.into_iter().enumerate().map(|(index, shard)| {
        let reports = Reports {
            announcer: announcer.clone(),
            board: Arc::clone(board),
            queued: Arc::clone(&board.queued),
            stopping: Arc::clone(stopping),
        };
        shard_thread::spawn(index, shard, reports)
    });
    Ok((shards.collect::<Result<_, _>>()?, upto))
}

/// Takes up a stream from the state folder; its key if a model judges it. What cannot be read is
/// set aside with a warning, and the stream begins anew.
fn restore(shard: &mut Shard, stored: StoredStream, store: &Store) -> Option<StreamKey> {
    let StoredStream {
        key,
        templates,
        snapshot: rest,
        model,
    } = stored;
    let bundle = model.and_then(|bytes| match models::from_bytes(&bytes) {
        Ok(bundle) => Some(Arc::new(bundle)),
        Err(error) => {
            store.set_aside(&key, Part::Model, &error.to_string());
            None
        }
    });
    let has_model = bundle.is_some();
    let now = clock::now();
    let saved = Saved { templates, rest };
    match shard.restore(&key, &saved, bundle.clone(), now) {
        Ok(lost) => {
            if let Some(error) = lost.templates {
                tracing::warn!(stream = %key, %error, "The latest changes of a service's templates cannot be read; they are learned again.");
            }
            if let Some(error) = lost.rest {
                store.set_aside(&key, Part::Snapshot, &error.to_string());
            }
        }
        Err(error) => {
            let has = [!saved.templates.is_empty(), saved.rest.is_some()];
            let parts = [Part::Templates, Part::Snapshot].into_iter().zip(has);
            for (part, _) in parts.filter(|(_, is_there)| *is_there) {
                store.set_aside(&key, part, &error.to_string());
            }
            if let Some(bundle) = bundle {
                shard.install(&key, bundle, now);
            }
        }
    }
    has_model.then_some(key)
}

/// Warns of each model that judges sequences cut otherwise than those it was trained on.
fn warn_of_other_idle_timeouts(shard: &Shard, set: Duration) {
    for Status { stream, model, .. } in shard.status() {
        let differs = model.and_then(|model| OtherIdleTimeout::of(&model.trained_on, set));
        if let Some(OtherIdleTimeout { trained, set }) = differs {
            tracing::warn!(
                %stream, %trained, %set,
                "The model of a service was trained with another sequence.idle_timeout than is set: \
                 counts differ, and normal sequences may be told as anomalies. Set it to what the \
                 model was trained with, or train a model with what is set."
            );
        }
    }
}

fn configured_models(settings: &Settings) -> Result<Vec<(StreamKey, Arc<Bundle>)>, StartError> {
    let read = |configured: &super::config::ServiceBundle| {
        let bundle = models::read(&configured.path)?;
        Ok((configured.stream(), Arc::new(bundle)))
    };
    settings.model.bundles.iter().map(read).collect()
}

/// Writes the state for the last time, and ends the shards.
async fn save_last(mut keeper: Keeper) -> Result<(), StoreError> {
    let written = tokio::task::spawn_blocking(move || keeper.save(Command::Stop));
    written.await.unwrap_or(Ok(()))
}
