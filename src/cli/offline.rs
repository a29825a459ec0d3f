//! Log files through the core without a daemon: the same stages, timed by the records.

use std::path::PathBuf;
use std::sync::Arc;

use super::failure::{Failure, OrFailure as _};
use super::lines::Lines;
use crate::core::engine::{Output, Pace, Settings, Shard};
use crate::core::record::{Batch, Record, Resource, StreamKey, Timestamp};

/// Lines given to the core at once.
const BATCH_LEN: usize = 4_096;

/// The one stream that all files of a command are.
pub(crate) fn stream() -> StreamKey {
    StreamKey::named("files")
}

/// A shard whose clock is the time in the records.
pub(crate) fn shard(settings: Settings) -> Shard {
    Shard::new(Settings {
        pace: Pace::Replay,
        ..settings
    })
}

/// Gets the shard and what it said.
type See<'a> = dyn FnMut(&mut Shard, Vec<Output>) -> Result<(), Failure> + 'a;

/// Reads all of `files` into `shard`; `see` gets the outputs after each batch.
pub(crate) fn feed(
    shard: &mut Shard,
    files: &[PathBuf],
    see: &mut See<'_>,
) -> Result<u64, Failure> {
    let mut read = 0;
    for file in files {
        let mut lines = Lines::open(file).or_use()?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let resource = Resource::new(vec![("service.instance.id".into(), name.into())]);
        let resource = Arc::new(resource);
        loop {
            let mut batch = Batch::new(stream(), Arc::clone(&resource));
            read_into(&mut batch, &mut lines)?;
            if batch.is_empty() {
                break;
            }
            read += batch.len() as u64;
            shard.push(batch, Timestamp::ZERO);
            let outputs = shard.take_outputs();
            see(shard, outputs)?;
        }
    }
    shard.finish(Timestamp::ZERO);
    let outputs = shard.take_outputs();
    see(shard, outputs)?;
    Ok(read)
}

fn read_into(batch: &mut Batch, lines: &mut Lines) -> Result<(), Failure> {
    while batch.len() < BATCH_LEN {
        let Some(line) = lines.next_record().or_use()? else {
            break;
        };
        if !line.is_empty() {
            batch.push(Record {
                body: line,
                ..Record::default()
            });
        }
    }
    Ok(())
}
