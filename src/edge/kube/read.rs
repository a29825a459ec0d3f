//! Reading: one object, or all of a kind, of a bounded number.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::error::{KubeError, bounded};
use super::objects::{List, Table};
use super::wire::{Ask, Reply, TABLE, Wire};

/// Most objects of a list. More is an error: nobody decides by a part of what there is.
pub(super) const LIST_MAX: usize = 500;
/// Larger bodies are parsed off the async threads.
const PARSE_BYTES_MAX: usize = 32 * 1024;

impl Wire {
    /// The object at `path`; none where there is none. `doing` is what is attempted, and the permission:
    /// `get pods in namespace shop`.
    pub(super) async fn get<T>(&self, path: &str, doing: &str) -> Result<Option<T>, KubeError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.read(Ask::get(path), doing).await
    }

    /// The same as rows of a table.
    pub(super) async fn table(&self, path: &str, doing: &str) -> Result<Option<Table>, KubeError> {
        let ask = Ask {
            accept: TABLE,
            ..Ask::get(path)
        };
        self.read(ask, doing).await
    }

    async fn read<T>(&self, ask: Ask<'_>, doing: &str) -> Result<Option<T>, KubeError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let reply = self.ask(ask).await;
        let reply = reply.map_err(|fault| KubeError::lost(doing, fault))?;
        match reply.status {
            // Whoever answers for a server that is away does not say which object is not there.
            StatusCode::NOT_FOUND if reply.as_status().reason.as_deref() == Some("NotFound") => {
                Ok(None)
            }
            StatusCode::OK => Ok(Some(parsed(reply, doing).await?)),
            _ => Err(KubeError::of(doing, &reply)),
        }
    }

    /// All objects at `path`, whose query has a `limit` of [`LIST_MAX`].
    pub(super) async fn list<T>(&self, path: &str, doing: &str) -> Result<Vec<T>, KubeError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let Some(list) = self.get::<List<T>>(path, doing).await? else {
            return Ok(Vec::new());
        };
        let has_more = list.metadata.has_more();
        let items = list.items.unwrap_or_default();
        if has_more || items.len() > LIST_MAX {
            return Err(KubeError::TooMany {
                doing: doing.to_owned(),
                max: LIST_MAX,
            });
        }
        Ok(items)
    }
}

/// The object that an answer holds.
pub(super) async fn parsed<T>(reply: Reply, doing: &str) -> Result<T, KubeError>
where
    T: DeserializeOwned + Send + 'static,
{
    let malformed = |why: &str| KubeError::Malformed {
        doing: doing.to_owned(),
        why: bounded(why),
    };
    let body = reply.body.map_err(|why| malformed(&why))?;
    let is_large = body.len() > PARSE_BYTES_MAX;
    let parse = move || serde_json::from_slice::<T>(&body).map_err(|e| e.to_string());
    let parsed = if is_large {
        tokio::task::spawn_blocking(parse)
            .await
            .map_err(|e| malformed(&e.to_string()))?
    } else {
        parse()
    };
    parsed.map_err(|why| malformed(&why))
}
