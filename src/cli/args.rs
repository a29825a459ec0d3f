//! What the larger commands take. Every text here is what `--help` teaches.

use std::path::PathBuf;

use clap::Args;

use crate::daemon::config::{Override, Period};

/// `knothole serve`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = SERVE_EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Settings file (YAML); without one the defaults hold
    #[arg(long, short, value_name = "FILE", env = "KNOTHOLE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
}

const SERVE_EXAMPLES: &str = "\
Useful without settings and without a model: each service is `learning` until enough of its records
were seen, then a model is trained in the background and it is `active`. Its state stays in
./knothole-data; SIGTERM stops it with nothing accepted lost, SIGHUP reads the settings again, SIGUSR1
stops all actions on clusters until somebody allows them again (`knothole help switch`).

Examples:
  knothole serve
  knothole serve --config knothole.yaml
  knothole serve --listen-api 127.0.0.1:0 --state-dir /var/lib/knothole
  knothole replay app.log --to http://127.0.0.1:4317      # in another terminal

An OpenTelemetry Collector sends to it with:
  exporters:
    otlp_grpc: { endpoint: \"127.0.0.1:4317\", tls: { insecure: true } }

Security:
  It listens on loopback only. To take logs from other hosts, put a Collector on this host; or give
  the OTLP ports tokens (receive.tenants) or client certificates (receive.tls.client_ca); or set
  listen.allow_non_loopback: true where a network policy or a proxy guards the ports. The API takes
  tokens with roles (api.tokens); without any it lets in who is on this host.

Crashes:
  A request is acknowledged when it is on disk, in the state folder's journal; after a crash or a
  power cut its records are judged as if nothing had happened, and no alert is sent twice.

Settings: a flag beats an environment variable (KNOTHOLE_LISTEN_API and so on), and that beats the
file. `knothole check-config --print-default` prints a file with all of them.

Exit codes: 0 stopped as asked, 2 wrong settings, 3 port taken, state folder in use or disk full.";

/// Settings that can be given as flags.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SettingFlags {
    /// Where to take OTLP over gRPC [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDRESS")]
    listen_otlp_grpc: Option<String>,
    /// Where to take OTLP over HTTP, protobuf and JSON [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDRESS")]
    listen_otlp_http: Option<String>,
    /// Where to serve the API, health and metrics [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen_api: Option<String>,
    /// Folder for what outlives a restart [default: ./knothole-data]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// Memory above which senders are told to wait: 512MiB, 80% or auto [default: auto]
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<String>,
    /// Threads that judge [default: one for each core]
    #[arg(long, value_name = "N")]
    shards: Option<String>,
    /// Acknowledge requests before they are on disk: a crash loses what came in the last minute
    #[arg(long)]
    ephemeral: bool,
}

impl SettingFlags {
    /// The environment's settings, and over them those of the flags and of `--log-level`.
    pub(crate) fn overrides(&self, log_level: Option<&str>) -> Vec<Override> {
        let given = [
            (
                "--listen-otlp-grpc",
                "listen.otlp_grpc",
                self.listen_otlp_grpc.as_deref(),
            ),
            (
                "--listen-otlp-http",
                "listen.otlp_http",
                self.listen_otlp_http.as_deref(),
            ),
            ("--listen-api", "listen.api", self.listen_api.as_deref()),
            ("--state-dir", "state_dir", self.state_dir.as_deref()),
            (
                "--memory-limit",
                "memory_limit",
                self.memory_limit.as_deref(),
            ),
            ("--shards", "shards", self.shards.as_deref()),
            ("--ephemeral", "ephemeral", self.ephemeral.then_some("true")),
            ("--log-level", "telemetry.log_level", log_level),
        ];
        let mut overrides = Override::from_environment(|name| std::env::var(name).ok());
        overrides.extend(
            given
                .iter()
                .filter_map(|(name, path, value)| Some(Override::flag(name, path, (*value)?))),
        );
        overrides
    }
}

/// `knothole demo`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = DEMO_EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Print the summary as one JSON object, and nothing else, on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the first three anomalies only
    #[arg(long)]
    pub(crate) brief: bool,
    /// Show which kinds of injected fault were found
    #[arg(long)]
    pub(crate) kinds: bool,
    /// Leave the daemon running afterwards, until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,
}

const DEMO_EXAMPLES: &str = "\
Starts the daemon on free ports, sends it the bundled log lines of a real HDFS cluster with
injected faults as a Collector would, and prints what it finds: what came, what was expected and
how surely, and the lines around it. Ends with precision, recall and F1 against the labels. Needs
nothing else installed and leaves nothing behind.

Examples:
  knothole demo
  knothole demo --json | jq .f1
  knothole demo --keep        # and then look at its API";

/// `knothole detect`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = DETECT_EXAMPLES)]
pub(crate) struct DetectArgs {
    /// Log files (plain, .gz, .zst or .xz); - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The model to judge by; without one the first part of the input is learned from
    #[arg(long, short, value_name = "BUNDLE")]
    pub(crate) model: Option<PathBuf>,
    /// Settings file; its sections sequence, learn and model are used
    #[arg(long, short, value_name = "FILE", env = "KNOTHOLE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print each anomaly as one JSON line
    #[arg(long)]
    pub(crate) json: bool,
    /// End with exit code 1 if there is an anomaly
    #[arg(long)]
    pub(crate) fail_on_anomaly: bool,
}

const DETECT_EXAMPLES: &str = "\
Examples:
  knothole detect today.log --model app.safetensors
  zcat old/*.gz | knothole detect - --model app.safetensors --json
  knothole detect ci.log --model app.safetensors --fail-on-anomaly || echo 'look at this run'

Exit codes: 0 done, 1 an anomaly was found and --fail-on-anomaly given, 2 wrong use.";

/// `knothole train`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = TRAIN_EXAMPLES)]
pub(crate) struct TrainArgs {
    /// Log files of normal operation (plain, .gz, .zst or .xz), oldest first; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Where to write the model
    #[arg(long, short, value_name = "BUNDLE")]
    pub(crate) output: PathBuf,
    /// Settings file; its sections sequence and model are used
    #[arg(long, short, value_name = "FILE", env = "KNOTHOLE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// A sequence that is quiet for so long has ended, such as 20s [default: that of the settings]
    #[arg(long, value_name = "TIME")]
    pub(crate) idle_timeout: Option<Period>,
    /// Seed of the training: the same files and seed give the same bundle, byte for byte
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Share of normal sequences that may raise an alarm [default: 0.002; more if there are fewer
    /// than 250 sequences, half of one]
    #[arg(long, value_name = "SHARE")]
    pub(crate) alarm_rate: Option<f64>,
    /// Print what the model is and how good it is as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const TRAIN_EXAMPLES: &str = "\
The files should be of normal operation; a few faults among many thousand sequences do no harm.
No labels are needed: where normal ends is found on sequences that are held out.

Examples:
  knothole train last-week.log.gz -o app.safetensors
  knothole train a.log b.log -o app.safetensors --seed 7
  knothole model show app.safetensors

The daemon begins with it when its settings say:
  model: { bundles: [{ service: checkout, path: app.safetensors }] }";
