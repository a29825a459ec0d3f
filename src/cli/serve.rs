//! `knothole serve`: the daemon, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::args::ServeArgs;
use super::failure::{Failure, OrFailure as _, Outcome, with_causes};
use super::terminal::{printable, say};
use crate::core::engine::{Output, State};
use crate::daemon::config::{ConfigError, Settings, load};
use crate::daemon::{Daemon, StartError, Watcher};
use crate::edge::store::Store;
use crate::edge::telemetry;

pub(crate) fn run(args: &ServeArgs, log_level: Option<&str>) -> Result<Outcome, Failure> {
    let settings = settings(args, log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.or_environment()?;
    let ended = runtime.block_on(serve(args, log_level, settings));
    // A sink whose reader sleeps may hold a thread for ever.
    runtime.shutdown_timeout(RUNTIME_GRACE);
    ended
}

async fn serve(
    args: &ServeArgs,
    log_level: Option<&str>,
    settings: Settings,
) -> Result<Outcome, Failure> {
    // Before anything is announced, so that no signal is missed.
    let mut signals = Signals::listen()?;
    let stops = signal(SignalKind::user_defined1()).or_environment()?;
    let store = Store::open(&settings.state_dir, settings.store_limits()).or_environment()?;
    let telemetry = telemetry::init(&settings.own_telemetry(), store.instance_id()).or_use()?;
    let started = Daemon::start(&settings, store, Some(state_teller())).await;
    let mut daemon = started.map_err(blame)?;
    telemetry.observe(daemon.exposition());
    // Nothing that is going on, such as settings that are read again, may keep this waiting.
    tokio::spawn(stop_actions_on(stops, daemon.actions_stopper()));
    announce(&daemon, &settings);
    let broken = loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Reload => reload(&daemon, args, (&settings, log_level)).await,
                Signal::Stop => break None,
            },
            reason = daemon.broken() => break Some(reason),
        }
    };
    say("stopping");
    let stopped = daemon.stop().await;
    if tokio::time::timeout(TELEMETRY_GRACE, telemetry.shutdown())
        .await
        .is_err()
    {
        say("the telemetry endpoint does not answer; the last of our own telemetry is lost");
    }
    stopped.or_environment()?;
    match broken {
        None => Ok(Outcome::Done),
        Some(reason) => Err(anyhow::anyhow!("cannot go on: {reason}")).or_environment(),
    }
}

/// How long the last of our own telemetry may take at a stop.
const TELEMETRY_GRACE: Duration = Duration::from_secs(2);
/// How long threads that write somewhere may take to end at a stop.
const RUNTIME_GRACE: Duration = Duration::from_millis(500);

fn settings(args: &ServeArgs, log_level: Option<&str>) -> Result<Settings, Failure> {
    load(args.config.as_deref(), &args.settings.overrides(log_level)).map_err(config_failure)
}

/// Problems of a settings file are told as `check-config` tells them.
pub(super) fn config_failure(error: ConfigError) -> Failure {
    match error {
        ConfigError::Problems(problems) => {
            say(&format!("{problems}"));
            Failure::Told
        }
        other => Failure::Use(other.into()),
    }
}

fn blame(error: StartError) -> Failure {
    match error {
        StartError::Listen { .. }
        | StartError::Store(_)
        | StartError::Journal(_)
        | StartError::Thread(_) => Failure::Environment(error.into()),
        StartError::Pattern(_)
        | StartError::Sink(_)
        | StartError::Model(_)
        | StartError::Tls(_)
        | StartError::ApiToken(_)
        | StartError::Catalog(_)
        | StartError::Cluster(_)
        | StartError::System { .. }
        | StartError::Token(_) => Failure::Use(error.into()),
    }
}

fn announce(daemon: &Daemon, settings: &Settings) {
    let addresses = daemon.addresses();
    say(&format!(
        "ready      OTLP gRPC {}, HTTP {}, API http://{}, state in {}",
        addresses.otlp_grpc,
        addresses.otlp_http,
        addresses.api,
        settings.state_dir.display(),
    ));
    if let Some(why) = daemon.actions_stopped() {
        let why = printable(&why, WHY_LEN_MAX);
        say(&format!(
            "stopped    nothing is done to any cluster: {why}; `knothole switch` tells more"
        ));
    }
    if settings.ephemeral {
        say(
            "ephemeral  requests are acknowledged before they are on disk; a crash loses what came in the last minute",
        );
    }
    if !settings.listen.allow_non_loopback {
        say(
            "listening on loopback only; to take logs from other hosts see `knothole help serve`, \
             section Security",
        );
    }
}

/// Says each change of a service's state once.
fn state_teller() -> Watcher {
    Arc::new(|output| {
        if let Output::State { stream, state } = output {
            let stream = printable(&stream.to_string(), SERVICE_LEN_MAX);
            say(&format!("{stream}  {state}{}", meaning(*state)));
        }
    })
}

/// Characters of the reason for which actions are stopped that are shown.
const WHY_LEN_MAX: usize = 200;
/// Characters of a service's name that are shown; senders choose it.
const SERVICE_LEN_MAX: usize = 60;

fn meaning(state: State) -> &'static str {
    match state {
        State::Learning => "   nothing is told of it yet; /v1/services says how far it is",
        State::Training => "   enough was seen; a model is being trained",
        State::Active => "     judged from now on",
    }
}

async fn reload(
    daemon: &Daemon,
    args: &ServeArgs,
    (started, log_level): (&Settings, Option<&str>),
) {
    let settings = match settings(args, log_level) {
        Ok(settings) => settings,
        Err(Failure::Told) => return say("the settings stay as they were"),
        Err(Failure::Use(error) | Failure::Environment(error)) => {
            return say(&format!(
                "the settings stay as they were: {}",
                with_causes(&error)
            ));
        }
        Err(Failure::Output(error)) => {
            return say(&format!("the settings stay as they were: {error}"));
        }
    };
    if let Err(error) = daemon.reload(&settings).await {
        return say(&format!("the settings stay as they were: {error}"));
    }
    match started.needing_restart(&settings).join(", ") {
        none if none.is_empty() => say("settings read again"),
        left => say(&format!(
            "settings read again, all but these, which take a restart: {left}"
        )),
    }
}

/// Stops all actions whenever the signal comes.
async fn stop_actions_on(mut signal: tokio::signal::unix::Signal, stop: impl Fn(&str)) {
    while signal.recv().await.is_some() {
        stop("SIGUSR1");
        say("all actions are stopped; `knothole switch` shows it");
    }
}

enum Signal {
    Reload,
    Stop,
}

struct Signals {
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        Ok(Self {
            hangup: signal(SignalKind::hangup()).or_environment()?,
            interrupt: signal(SignalKind::interrupt()).or_environment()?,
            terminate: signal(SignalKind::terminate()).or_environment()?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Stop,
        }
    }
}
