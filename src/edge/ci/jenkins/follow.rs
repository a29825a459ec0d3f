//! Following: what becomes of a job that Jenkins has queued.

use serde::Deserialize;

use super::start::Started;
use super::wire::{Build, Jenkins, Reading, Unread};
use crate::core::event::Request;
use crate::core::remedy::facts::{Answer, Refused};
use crate::edge::outgoing::{Gate, told};

/// An item of the queue.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    cancelled: bool,
    /// Why it waits.
    why: Option<String>,
    executable: Option<Executable>,
}

/// The build that an item became.
#[derive(Debug, Deserialize)]
struct Executable {
    number: u64,
}

/// How far a job is.
#[derive(Debug)]
enum Stage {
    /// It waits; why.
    Waiting(String),
    /// It is being built, or begins to be.
    Building(u64),
    /// It has ended.
    Over(Answer),
}

impl Jenkins {
    /// Sends `request` once, unless `gate` forbids it, and follows the job for [`wait`](super::JenkinsSettings::wait).
    pub async fn send(&self, request: &Request, gate: Gate<'_>) -> Answer {
        match self.start(request, gate).await {
            Started::Queued(item) => self.follow(request, item).await,
            Started::Over(answer) => answer,
        }
    }

    /// Follows the job that `request` started, and which Jenkins has queued as `item`, until it ends, for
    /// [`wait`](super::JenkinsSettings::wait) at most. It took place, unless somebody took it out of the queue; what is
    /// said is how its build ended, or how far it was seen to be.
    pub(super) async fn follow(&self, request: &Request, item: u64) -> Answer {
        let Some(reading) = Reading::of(request) else {
            let why = "this is no request that Jenkins is sent";
            return Answer::Refused(Refused::Never, why.into());
        };
        let mut stage = Stage::Waiting("what becomes of it could not be read".to_owned());
        let following = async {
            loop {
                tokio::time::sleep(self.poll).await;
                // What cannot be read now may be later.
                if let Ok(next) = self.next(&reading, item, &stage).await {
                    stage = next;
                }
                if matches!(stage, Stage::Over(_)) {
                    return;
                }
            }
        };
        // What was seen last is as good as can be.
        let _ = tokio::time::timeout(self.wait, following).await;
        let said = match stage {
            Stage::Over(answer) => return answer,
            Stage::Waiting(why) => format!("Jenkins has queued it as item {item}: {why}"),
            Stage::Building(number) => format!("Jenkins is building it as build {number}"),
        };
        Answer::Done(said.into())
    }

    async fn next(&self, reading: &Reading<'_>, item: u64, stage: &Stage) -> Result<Stage, Unread> {
        if let Stage::Building(number) = stage {
            return self.build(reading, *number).await;
        }
        let path = format!("/queue/item/{item}");
        let tree = "cancelled,why,executable[number]";
        let Some(found) = self.read::<Item>(&path, tree).await? else {
            // Items that became builds are forgotten after a few minutes.
            let builds = self.builds(reading.job).await?;
            let build = builds.iter().find(|build| build.is_of(reading.id));
            return Ok(match build {
                Some(build) => Stage::Building(build.number),
                None => Stage::Waiting("Jenkins does not know the item any more".to_owned()),
            });
        };
        if found.cancelled {
            let why = "somebody took it out of the queue of Jenkins before it was built";
            return Ok(Stage::Over(Answer::Refused(Refused::Never, why.into())));
        }
        match found.executable {
            Some(executable) => self.build(reading, executable.number).await,
            None => Ok(Stage::Waiting(told(&found.why.unwrap_or_default()))),
        }
    }

    async fn build(&self, reading: &Reading<'_>, number: u64) -> Result<Stage, Unread> {
        let path = format!("{}/{number}", reading.job);
        let build = self.read::<Build>(&path, "number,building,result").await?;
        let build = build.unwrap_or_default();
        Ok(match build.ended() {
            Some(result) => Stage::Over(Answer::Done(ended(number, result).into())),
            None => Stage::Building(number),
        })
    }
}

/// How build `number` ended, for people.
pub(super) fn ended(number: u64, result: &str) -> String {
    format!("build {number} of the job ended with {}", told(result))
}
