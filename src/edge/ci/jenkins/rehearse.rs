//! Rehearsing: whether the job is there, can be built, and says whose its builds are.

use serde::Deserialize;

use super::wire::{Jenkins, PARAMETER, Reading, Unread};
use crate::core::event::Request;

/// A property of a job.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Property {
    parameter_definitions: Option<Vec<Definition>>,
}

/// A parameter that a job takes.
#[derive(Debug, Deserialize)]
struct Definition {
    #[serde(default)]
    name: Box<str>,
}

#[derive(Debug, Deserialize)]
struct Job {
    buildable: Option<bool>,
    #[serde(default)]
    property: Vec<Option<Property>>,
}

impl Property {
    /// Whether a job with these takes the id of an action. What a job does not take, Jenkins drops.
    pub(super) fn takes_ids(all: &[Option<Self>]) -> bool {
        let definitions = all.iter().flatten();
        let definitions = definitions.filter_map(|it| it.parameter_definitions.as_ref());
        definitions.flatten().any(|it| &*it.name == PARAMETER)
    }
}

impl Jenkins {
    /// Whether Jenkins would start the job of `request`. Nothing is changed by it.
    ///
    /// # Errors
    /// It would not, or does not say; why, in one sentence.
    pub async fn rehearse(&self, request: &Request) -> Result<(), Box<str>> {
        let reading = Reading::of(request).ok_or("this is no request that Jenkins is sent")?;
        let tree = "buildable,property[parameterDefinitions[name]]";
        let job: Option<Job> = self.read(reading.job, tree).await?;
        let job = job.ok_or("there is no such job, or the user may not see it")?;
        let refused: Option<Unread> = match job.buildable {
            Some(true) => None,
            Some(false) => Some("the job is disabled or cannot be built".into()),
            None => Some("Jenkins shows no job there".into()),
        };
        if let Some(why) = refused {
            return Err(why);
        }
        match Property::takes_ids(&job.property) {
            true => Ok(()),
            false => Err(format!(
                "the job does not take the parameter {PARAMETER}: add it as a text, so that a build whose \
                 answer was lost can be found"
            )
            .into()),
        }
    }
}
