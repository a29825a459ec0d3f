//! Reports of hooks that sign what they send, as Standard Webhooks describes it.
//!
//! The signature is over the id, the time and the body of a request, and not over its path: an id is taken
//! up once, so that what was recorded on the way does nothing when it is sent again, wherever to.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use super::answer::Problem;
use super::changing::{BODY_BYTES_MAX, whole};
use super::desk::HOOK;
use super::listen::Peer;
use super::routes::Served;
use super::time::rfc3339;
use super::{Caller, Role};
use crate::core::record::Timestamp;

/// How far the clock of a hook may be from ours.
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);
/// How long an id is remembered: as long as its request is taken by its time.
const REMEMBERED_FOR: Duration = Duration::from_secs(2 * SKEW_MAX.as_secs());
/// Most ids that are remembered; more in so short a time have to wait.
const IDS_MAX: usize = 4_096;
/// Longest id, in bytes.
const ID_LEN_MAX: usize = 256;
/// Longest list of signatures, in bytes: more than a dozen.
const SIGNATURES_LEN_MAX: usize = 1_024;
/// Longest answer to a report, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// A request as it was signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`, in seconds since 1970.
    pub timestamp: u64,
    /// `webhook-signature`: signatures with spaces between them, each with its version (`v1,…`).
    pub signatures: &'a str,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// Knows who signed something: the name of the hook, or `None` where nobody did whose word counts.
type Signer = dyn Fn(&Signed<'_>) -> Option<Box<str>> + Send + Sync;

/// The hooks whose reports are taken without a token, and what they were answered lately.
#[derive(Clone)]
pub struct Hooks {
    signer: Arc<Signer>,
    answered: Arc<Mutex<Answered>>,
}

impl Hooks {
    /// Those that `signer` knows.
    pub fn new(signer: impl Fn(&Signed<'_>) -> Option<Box<str>> + Send + Sync + 'static) -> Self {
        Self {
            signer: Arc::new(signer),
            answered: Arc::default(),
        }
    }

    fn answered(&self) -> MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Hooks {
    /// Nobody.
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks(..)")
    }
}

/// Whether a request wants to be known by its signature.
pub(super) fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key(SIGNATURE)
}

/// Lets a request in that a hook signed, once; what was taken up before is answered as it was.
pub(super) async fn admit(served: &Served, request: Request, next: Next) -> Response {
    match admitted(served, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn admitted(served: &Served, request: Request, next: Next) -> Result<Response, Problem> {
    let now = (served.api.clock)();
    let (head, body) = request.into_parts();
    let claim = Claim::of(&head.headers, now)?;
    let id = claim.id.clone();
    let body = whole(body, BODY_BYTES_MAX).await?;
    let sent = body.clone();
    // A body of that length takes longer to sign than an async thread may be held.
    let signer = served.call(move |api| (api.hooks.signer)(&claim.signed(&sent)));
    let signer = signer.await?.ok_or_else(unknown)?;
    let key = format!("{signer} {id}").into_boxed_str();
    let turn = match served.api.hooks.answered().begin(key, now) {
        Begun::New(key) => Turn {
            hooks: &served.api.hooks,
            key,
        },
        Begun::Answered(answer) => return Ok(answer.into_response()),
        Begun::UnderWay => return Err(Problem::busy("this very report is being taken")),
        Begun::Full => return Err(Problem::busy("too many reports came in the last minutes")),
    };
    let peer = head.extensions.get::<ConnectInfo<Peer>>();
    let caller = Caller {
        name: format!("{HOOK}{signer}").into(),
        role: Role::Operator,
        address: peer.map(|ConnectInfo(Peer(peer))| peer.ip().to_canonical()),
    };
    let mut request = Request::from_parts(head, body.into());
    request.extensions_mut().insert(caller);
    let answer = Answer::of(next.run(request).await).await?;
    turn.end(&answer);
    Ok(answer.into_response())
}

fn unknown() -> Problem {
    let hint = "sign webhook-id.webhook-timestamp.body, byte for byte, with the secret of a webhook \
                sink that takes actions; or send a bearer token of the role operator";
    let error = "this signature is none of a hook that is known";
    Problem::new(StatusCode::UNAUTHORIZED, error, hint)
}

/// What the head says of who sends it and when.
struct Claim {
    id: String,
    timestamp: u64,
    signatures: String,
}

impl Claim {
    /// Reads the head of a request that comes in at `now`.
    fn of(headers: &HeaderMap, now: Timestamp) -> Result<Self, Problem> {
        let text = |name: &str, most: usize| {
            let mut all = headers.get_all(name).iter();
            let one = all.next().filter(|_| all.next().is_none());
            let text = one.and_then(|value| value.to_str().ok());
            let text = text.filter(|text| (1..=most).contains(&text.len()));
            text.map(str::to_owned).ok_or_else(|| {
                let hint = "a signed report has the headers webhook-id, webhook-timestamp and \
                            webhook-signature, each once";
                let error = format!("the header {name} is missing, too long or there twice");
                Problem::new(StatusCode::UNAUTHORIZED, error, hint)
            })
        };
        let (id, signatures) = (text(ID, ID_LEN_MAX)?, text(SIGNATURE, SIGNATURES_LEN_MAX)?);
        let timestamp = text(TIMESTAMP, 20)?.parse::<u64>().ok();
        let sent = timestamp.and_then(|seconds| Some((seconds, seconds.checked_mul(1_000)?)));
        let in_time = |millis: u64| {
            let sent = Timestamp::from_millis(millis);
            now.since(sent).max(sent.since(now)) <= SKEW_MAX
        };
        match sent {
            Some((timestamp, millis)) if in_time(millis) => Ok(Self {
                id,
                timestamp,
                signatures,
            }),
            Some(_) | None => {
                let now = rfc3339(now);
                let hint =
                    format!("it is {now} here; sign each attempt anew, with seconds since 1970");
                let error = "webhook-timestamp is not within 5 minutes of our clock";
                Err(Problem::new(StatusCode::UNAUTHORIZED, error, hint))
            }
        }
    }

    fn signed<'a>(&'a self, body: &'a [u8]) -> Signed<'a> {
        Signed {
            id: &self.id,
            timestamp: self.timestamp,
            signatures: &self.signatures,
            body,
        }
    }
}

/// What a hook was answered.
#[derive(Clone, Debug)]
struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    async fn of(response: Response) -> Result<Self, Problem> {
        let status = response.status();
        let body = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
        let body = body.map_err(|_| Problem::busy("the answer could not be read"))?;
        Ok(Self { status, body })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let kind = [(CONTENT_TYPE, "application/json")];
        (self.status, kind, self.body).into_response()
    }
}

/// A report that is being taken. What breaks off may come again.
struct Turn<'a> {
    hooks: &'a Hooks,
    key: Box<str>,
}

impl Turn<'_> {
    /// It was answered so. What may do a little later is not remembered.
    fn end(&self, answer: &Answer) {
        if !answer.status.is_server_error() {
            self.hooks.answered().end(&self.key, answer);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.hooks.answered().give_up(&self.key);
    }
}

/// The ids of late, oldest first, and what each was answered; none while it is being taken.
#[derive(Debug, Default)]
struct Answered {
    ids: VecDeque<(Timestamp, Box<str>, Option<Answer>)>,
}

enum Begun {
    New(Box<str>),
    Answered(Answer),
    UnderWay,
    Full,
}

impl Answered {
    fn begin(&mut self, key: Box<str>, now: Timestamp) -> Begun {
        // One of a time to come is of before the clock was put back.
        self.ids
            .retain(|(at, ..)| now.since(*at).max(at.since(now)) <= REMEMBERED_FOR);
        match self.ids.iter().find(|(_, known, _)| *known == key) {
            Some((_, _, Some(answer))) => Begun::Answered(answer.clone()),
            Some((_, _, None)) => Begun::UnderWay,
            None if self.ids.len() >= IDS_MAX => Begun::Full,
            None => {
                self.ids.push_back((now, key.clone(), None));
                Begun::New(key)
            }
        }
    }

    fn end(&mut self, key: &str, answer: &Answer) {
        if let Some((.., answered)) = self.ids.iter_mut().find(|(_, known, _)| **known == *key) {
            *answered = Some(answer.clone());
        }
    }

    fn give_up(&mut self, key: &str) {
        self.ids
            .retain(|(_, known, answer)| **known != *key || answer.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_785_556_800_000);

    fn answer() -> Answer {
        Answer {
            status: StatusCode::OK,
            body: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn an_id_is_taken_up_once_and_forgotten_only_when_its_time_is_up() {
        let mut answered = Answered::default();
        let mut begin = |at| match answered.begin("ops 7".into(), at) {
            Begun::New(key) => {
                answered.end(&key, &answer());
                answered.give_up(&key);
                "new"
            }
            Begun::Answered(_) => "answered",
            Begun::UnderWay => "under way",
            Begun::Full => "full",
        };
        assert_eq!(begin(NOW), "new");
        let later = |seconds| NOW.plus(Duration::from_secs(seconds));
        assert_eq!(begin(later(599)), "answered");
        assert_eq!(begin(later(601)), "new");
    }

    #[test]
    fn what_breaks_off_may_come_again_and_while_it_is_taken_it_may_not() {
        let mut answered = Answered::default();
        assert!(matches!(answered.begin("a".into(), NOW), Begun::New(_)));
        assert!(matches!(answered.begin("a".into(), NOW), Begun::UnderWay));
        answered.give_up("a");
        assert!(matches!(answered.begin("a".into(), NOW), Begun::New(_)));
    }

    #[test]
    fn nothing_is_forgotten_to_make_room() {
        let mut answered = Answered::default();
        for number in 0..IDS_MAX {
            let key = number.to_string().into();
            assert!(matches!(answered.begin(key, NOW), Begun::New(_)));
            answered.end(&number.to_string(), &answer());
        }
        assert!(matches!(
            answered.begin("one more".into(), NOW),
            Begun::Full
        ));
        assert!(matches!(
            answered.begin("0".into(), NOW),
            Begun::Answered(_)
        ));
    }
}
