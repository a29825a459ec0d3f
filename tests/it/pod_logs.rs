//! What the containers of pods write on a node, and the node's Collector that reads and sends it.

use std::ffi::OsString;
use std::fs::{File, create_dir_all};
use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::parts::recipe;
use crate::process::Process;
use crate::shop::{STEPS, trace_name};

/// The folder that is `/var/log/pods` on a node, and who reads it.
pub(crate) struct PodLogs {
    folder: PathBuf,
    _collector: Process,
}

impl PodLogs {
    /// Starts a Collector that sends what is written below `folder` to `knothole`.
    pub(crate) fn start(otelcol: &OsString, folder: &Path, knothole: SocketAddr) -> Self {
        let folder = folder.join("pods");
        create_dir_all(&folder).unwrap();
        let collector = Process::start(
            "the Collector of the node",
            Command::new(otelcol)
                .arg("--config")
                .arg(recipe("collector/configs/pods.yaml"))
                .env("POD_LOGS", &folder)
                .env("KNOTHOLE_GRPC", knothole.to_string()),
        );
        Self {
            folder,
            _collector: collector,
        }
    }

    /// Has the container of `pod` write what requests with these numbers log, as containerd keeps it.
    pub(crate) fn write(&self, pod: &Value, numbers: Range<u64>, steps: &[usize]) {
        let of = |name: &str| pod["metadata"][name].as_str().unwrap();
        let name = format!("{}_{}_{}", of("namespace"), of("name"), of("uid"));
        let container = &pod["spec"]["containers"][0]["name"];
        let folder = self.folder.join(name).join(container.as_str().unwrap());
        create_dir_all(&folder).unwrap();
        let file = folder.join("0.log");
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(file)
            .unwrap();
        for number in numbers {
            for step in steps {
                let now = jiff::Timestamp::now();
                let (trace, step) = (trace_name(number), STEPS[*step]);
                writeln!(file, "{now:.9} stdout F trace={trace} {step}").unwrap();
            }
        }
    }
}
