//! `knothole demo`: the main job in one command, on real log lines that come with the program.

mod bundled;
mod score;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::DemoArgs;
use super::failure::{Failure, OrFailure as _, Outcome};
use super::scratch::Scratch;
use super::sender::{Sender, Source};
use super::story;
use super::terminal::{grouped, out, say};
use crate::core::engine::Output;
use crate::core::event::Anomaly;
use crate::core::model::Bundle;
use crate::core::record::StreamKey;
use crate::daemon::config::{Settings, from_text};
use crate::daemon::{Daemon, Watcher, models};
use crate::edge::store::Store;
use bundled::Label;
use score::Score;

/// What the service of the demo is called.
const SERVICE: &str = "hdfs";
/// Lines in a request, as a Collector sends them by default.
const BATCH_LEN: usize = 8_192;
/// Anomalies that `--brief` tells.
const BRIEF_LEN: usize = 3;
/// How often it is looked whether everything sent has been taken up.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How long threads that are still busy may take to end.
const RUNTIME_GRACE: Duration = Duration::from_millis(500);

/// The settings of the demo: free ports, and sequences that end after a minute of silence, since
/// the whole log is two minutes long.
const SETTINGS: &str = "\
listen: { otlp_grpc: '127.0.0.1:0', otlp_http: '127.0.0.1:0', api: '127.0.0.1:0' }
sequence: { idle_timeout: 20s, reorder_delay: 200ms }
sinks: []
";

/// What the printing thread is told.
enum Told {
    Anomaly(Arc<Anomaly>),
    End,
}

pub(crate) fn run(args: &DemoArgs) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.or_environment()?;
    let ended = runtime.block_on(demo(args));
    runtime.shutdown_timeout(RUNTIME_GRACE);
    ended
}

async fn demo(args: &DemoArgs) -> Result<Outcome, Failure> {
    let folder = Scratch::of("demo")?;
    let settings = settings(&folder)?;
    let store = Store::open(&settings.state_dir, settings.store_limits()).or_environment()?;
    let (tell, told) = mpsc::channel();
    let daemon = Daemon::start(&settings, store, Some(watcher(tell.clone())));
    let daemon = daemon.await.or_environment()?;
    let bundle = models::from_bytes(bundled::MODEL)
        .map_err(|error| anyhow::anyhow!("cannot use the model of the demo: {error}"));
    let bundle = Arc::new(bundle.or_environment()?);
    let (lines, labels) = (bundled::lines()?, bundled::labels());
    introduce(&daemon, &bundle, lines.len(), &labels);
    daemon.install(StreamKey::named(SERVICE), bundle);

    let limit = if args.json {
        0
    } else if args.brief {
        BRIEF_LEN
    } else {
        usize::MAX
    };
    let printer = std::thread::spawn(move || print(&told, limit));
    let began = Instant::now();
    let records = send(&daemon, lines).await?;
    daemon.finish().await;
    let seconds = began.elapsed().as_secs_f64();
    // Every anomaly was told before `finish` returned, so this comes last.
    let _ = tell.send(Told::End);
    let found = printer.join().unwrap_or_else(|_| Ok(Vec::new()))?;
    let run = Run {
        records,
        seconds,
        peak_memory_bytes: daemon.memory_peak(),
    };
    run.tell(args, &Score::of(&labels, &found), found.len())?;
    if args.keep {
        say(&format!(
            "still running: http://{}/   Ctrl-C ends it",
            daemon.addresses().api
        ));
        tokio::signal::ctrl_c().await.or_environment()?;
    }
    daemon.stop().await.or_environment()?;
    Ok(Outcome::Done)
}

fn settings(folder: &Scratch) -> Result<Settings, Failure> {
    let settings = from_text("demo", SETTINGS, &[])
        .map_err(|problems| anyhow::anyhow!("{problems}"))
        .or_use()?;
    Ok(Settings {
        state_dir: folder.path().to_owned(),
        // The folder is gone at the end.
        ephemeral: true,
        ..settings
    })
}

fn watcher(tell: mpsc::Sender<Told>) -> Watcher {
    Arc::new(move |output| {
        if let Output::Anomaly(anomaly) = output {
            // The printer outlives the daemon's work.
            let _ = tell.send(Told::Anomaly(Arc::clone(anomaly)));
        }
    })
}

fn introduce(daemon: &Daemon, bundle: &Bundle, lines: usize, labels: &BTreeMap<Box<str>, Label>) {
    let addresses = daemon.addresses();
    let faulty = labels.values().filter(|label| label.is_faulty()).count();
    let trained_on = bundle.manifest().trained_on;
    say(&format!(
        "knothole {}   OTLP gRPC {}   API http://{}\n\
         model    {}, trained on {} fault-free sequences of another run, {} templates\n\
         sending  {} real HDFS log lines ({} blocks, {faulty} with an injected fault) to its own \
         OTLP port\n",
        env!("CARGO_PKG_VERSION"),
        addresses.otlp_grpc,
        addresses.api,
        bundle.version(),
        grouped(trained_on.sequences),
        bundle.manifest().templates.len(),
        grouped(lines as u64),
        grouped(labels.len() as u64),
    ));
}

/// Sends all lines over OTLP and waits until the shards have them; how many were taken.
async fn send(daemon: &Daemon, lines: Vec<String>) -> Result<u64, Failure> {
    let endpoint = format!("http://{}", daemon.addresses().otlp_grpc);
    let mut sender = Sender::connect(&endpoint).await.or_environment()?;
    let source = Source {
        resource: vec![("service.name".to_owned(), SERVICE.to_owned())],
        file_name: Some("hdfs.log".to_owned()),
    };
    let mut lines = lines.into_iter();
    loop {
        let batch: Vec<String> = lines.by_ref().take(BATCH_LEN).collect();
        if batch.is_empty() {
            break;
        }
        sender.send(&source, batch).await.or_environment()?;
    }
    while daemon.queued() > 0 {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(sender.sent().accepted)
}

/// Prints the first `limit` anomalies as they come and gives all of them back at the end.
fn print(told: &Receiver<Told>, limit: usize) -> Result<Vec<Arc<Anomaly>>, Failure> {
    let mut found = Vec::new();
    while let Ok(Told::Anomaly(anomaly)) = told.recv() {
        if found.len() < limit {
            let mut out = out();
            // A reader that left does not stop the demo from ending in order.
            match story::tell(&anomaly, &mut out).and_then(|()| out.flush()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
                _ => {}
            }
        }
        found.push(anomaly);
    }
    Ok(found)
}

/// How the run went.
struct Run {
    records: u64,
    seconds: f64,
    peak_memory_bytes: u64,
}

impl Run {
    fn tell(&self, args: &DemoArgs, score: &Score, anomalies: usize) -> Result<(), Failure> {
        let mut out = out();
        let per_second = self.records as f64 / self.seconds.max(1e-9);
        if args.json {
            let summary = json!({
                "records": self.records,
                "records_per_second": per_second.round(),
                "peak_memory_bytes": self.peak_memory_bytes,
                "anomalies": anomalies,
                "precision": score.precision(),
                "recall": score.recall(),
                "f1": score.f1(),
            });
            writeln!(out, "{summary}")?;
            out.flush()?;
            return Ok(());
        }
        if args.brief && anomalies > BRIEF_LEN {
            writeln!(out, "… {} more (knothole demo)\n", anomalies - BRIEF_LEN)?;
        }
        writeln!(
            out,
            "          precision  recall  F1      {} records in {:.1} s, {}/s, peak {} MB",
            grouped(self.records),
            self.seconds,
            grouped(per_second as u64),
            self.peak_memory_bytes / 1_000_000,
        )?;
        writeln!(
            out,
            "          {:.3}      {:.3}   {:.3}   {} anomalies: {} faulty blocks found, {} missed, \
             {} normal ones accused{}",
            score.precision(),
            score.recall(),
            score.f1(),
            anomalies,
            score.hits,
            score.missed,
            score.false_alarms,
            match score.unlabelled {
                0 => String::new(),
                count => format!("; {count} on blocks or places without a label"),
            },
        )?;
        if args.kinds {
            score.tell_kinds(&mut out)?;
        } else {
            writeln!(
                out,
                "          by kind of fault: knothole demo --brief --kinds"
            )?;
        }
        writeln!(out, "next      point a Collector at it: knothole serve")?;
        out.flush()?;
        Ok(())
    }
}
