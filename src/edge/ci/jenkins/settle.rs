//! Settling: whether a job of which no answer came was started, by its parameter.

use std::time::Duration;

use serde::Deserialize;

use super::follow::ended;
use super::rehearse::Property;
use super::wire::{Build, Jenkins, Made, Reading, Unread, is_of};
use crate::core::event::Request;
use crate::core::record::Timestamp;
use crate::core::remedy::facts::Settlement;

/// How long after it was sent a request may still be under way somewhere. Nothing is said not to have taken
/// place before. The ledger asks for less than a minute, so that only where it was long before it noticed that no
/// answer came it still hears this; all else nobody can say.
pub(super) const GRACE: Duration = Duration::from_secs(50);
/// So much the clock of Jenkins and ours may differ.
const SKEW: Duration = Duration::from_secs(30);
/// What of a build says whose it is.
const BUILD: &str = "number,building,result,timestamp,actions[parameters[name,value]]";

/// The queue.
#[derive(Debug, Deserialize)]
struct Queue {
    items: Vec<Item>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    id: u64,
    actions: Vec<Option<Made>>,
}

/// A job, by its latest builds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Job {
    property: Vec<Option<Property>>,
    builds: Vec<Build>,
}

impl Jenkins {
    /// Whether `request`, which was sent at `sent_at`, started its job; and why that is known. That it did not is
    /// said only once it cannot be under way any more, of a job whose builds say whose they are, and where the
    /// builds that were looked through go back to before it was sent.
    pub async fn settle(
        &self,
        request: &Request,
        sent_at: Timestamp,
        now: Timestamp,
    ) -> (Settlement, Box<str>) {
        let unclear = |why: Unread| (Settlement::Unclear, why);
        let Some(reading) = Reading::of(request) else {
            return unclear("this is no request that Jenkins is sent".into());
        };
        match self.found(&reading).await {
            Ok(Found::It(said)) => (Settlement::Done, said.into()),
            Ok(Found::Not(job)) => {
                let is_over = now.since(sent_at) >= GRACE;
                match self.doubt(&job, sent_at, is_over) {
                    None => {
                        let why =
                            "neither the queue of Jenkins nor a build of the job is of the action";
                        (Settlement::NotDone, why.into())
                    }
                    Some(why) => unclear(why.into()),
                }
            }
            Err(why) => unclear(why),
        }
    }

    /// The job's latest builds, the latest first.
    pub(super) async fn builds(&self, job: &str) -> Result<Vec<Build>, Unread> {
        let tree = format!("builds[{BUILD}]{{0,{}}}", self.builds_max);
        let job: Option<Job> = self.read(job, &tree).await?;
        Ok(job.unwrap_or_default().builds)
    }

    /// Looks for the build. The queue comes first: what has left it by then is a build.
    async fn found(&self, reading: &Reading<'_>) -> Result<Found, Unread> {
        let tree = "items[id,actions[parameters[name,value]]]";
        let queue: Option<Queue> = self.read("/queue", tree).await?;
        let queue = queue.ok_or("Jenkins does not show its queue")?;
        if let Some(item) = queue.items.iter().find(|it| is_of(&it.actions, reading.id)) {
            return Ok(Found::It(format!(
                "Jenkins has queued it as item {}",
                item.id
            )));
        }
        let tree = format!(
            "property[parameterDefinitions[name]],builds[{BUILD}]{{0,{}}}",
            self.builds_max
        );
        let job: Option<Job> = self.read(reading.job, &tree).await?;
        let job = job.ok_or("Jenkins shows no such job any more")?;
        let build = job.builds.iter().find(|build| build.is_of(reading.id));
        Ok(match build {
            Some(build) => Found::It(match build.ended() {
                Some(result) => ended(build.number, result),
                None => format!("Jenkins is building it as build {}", build.number),
            }),
            None => Found::Not(job),
        })
    }

    /// Why it may have been started all the same.
    fn doubt(&self, job: &Job, sent_at: Timestamp, is_over: bool) -> Option<&'static str> {
        if !Property::takes_ids(&job.property) {
            return Some(
                "the job does not take KNOTHOLE_ACTION_ID, so its builds do not say whose they are",
            );
        }
        if !is_over {
            return Some("Jenkins shows nothing of it yet");
        }
        let from = sent_at.minus(SKEW);
        let is_whole = job.builds.len() < usize::try_from(self.builds_max).unwrap_or(usize::MAX)
            || job.builds.iter().any(|build| build.began() < from);
        (!is_whole).then_some("the job was built too often since to look through all of it")
    }
}

/// What was found.
enum Found {
    /// It; what is said of it.
    It(String),
    /// Nothing of it in the queue, nor among the builds of the job.
    Not(Job),
}
