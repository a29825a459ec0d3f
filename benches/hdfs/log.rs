//! The bundled HDFS log and the starter model.

use std::io::{self, BufRead as _, BufReader};
use std::sync::Arc;

use anyhow::Result;
use knothole::core::model::Bundle;

/// The service that the requests name.
pub(crate) const SERVICE: &str = "hdfs";
/// Records in a request, as a Collector sends them by default.
pub(crate) const BATCH_LEN: usize = 8_192;

const LOG: &[u8] = include_bytes!("../../datasets/hdfs/small/hdfs.log.zst");
const MODEL: &[u8] = include_bytes!("../../models/hdfs-starter.safetensors");

/// The lines as logged.
pub(crate) fn lines() -> Result<Vec<String>> {
    Ok(stream()?.collect::<Result<_, _>>()?)
}

/// The lines one after the other, so that they need not be in memory at once.
pub(crate) fn stream() -> Result<impl Iterator<Item = io::Result<String>>> {
    let plain = zstd::Decoder::new(LOG)?;
    Ok(BufReader::new(plain).lines())
}

/// The starter model, trained on another, fault-free run.
pub(crate) fn bundle() -> Result<Arc<Bundle>> {
    Ok(Arc::new(Bundle::from_bytes(MODEL)?))
}
