//! Deployments that others tell of: a CloudEvent in either mode, a CDEvent, or a few fields.

use http::HeaderMap;
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde_json::Value;

use super::alerts::digest;
use super::answer::Problem;
use super::changing::read_json;
use super::time::parsed;
use crate::core::record::{Change, ChangeKind, StreamKey, Timestamp};

/// The type of a CloudEvent in structured mode.
pub(super) const STRUCTURED: &str = "application/cloudevents+json";
/// Longest text of a change, in bytes.
const TEXT_LEN_MAX: usize = 1_000;
/// What is taken.
const HINT: &str = r#"send {"service": "checkout", "env": "prod", "namespace": "shop", "version": "2.9.7", "at": "2026-11-22T02:49:55Z", "ref": "…", "url": "https://…", "id": "…"}, of which only service is needed; or a CloudEvent with that as its data; or a CDEvent of a service"#;
/// The CDEvents that tell of a change of a running service.
const CD_PREDICATES: [&str; 4] = ["deployed", "upgraded", "rolledback", "removed"];

/// What came.
#[derive(Debug)]
pub(super) enum Inbound {
    /// A change.
    Change(Box<Change>),
    /// An event of another kind, by its type. A bus sends all it has.
    Other(String),
}

/// A change in a few fields.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Simple {
    service: Option<String>,
    namespace: Option<String>,
    env: Option<String>,
    version: Option<String>,
    at: Option<String>,
    r#ref: Option<String>,
    url: Option<String>,
    id: Option<String>,
}

/// What a CloudEvent says beside its data. Others of its attributes are allowed and left alone.
#[derive(Deserialize)]
struct CloudEvent {
    id: String,
    source: String,
    r#type: String,
    subject: Option<String>,
    time: Option<String>,
    #[serde(default)]
    data: Value,
}

/// A CDEvent, as far as it tells of a service.
#[derive(Deserialize)]
struct CdEvent {
    context: CdContext,
    subject: CdSubject,
}

#[derive(Deserialize)]
struct CdContext {
    id: String,
    source: String,
    r#type: String,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
struct CdSubject {
    id: String,
    #[serde(default)]
    content: CdContent,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CdContent {
    environment: Option<CdEnvironment>,
    artifact_id: Option<String>,
}

#[derive(Deserialize)]
struct CdEnvironment {
    id: String,
}

/// Reads what was posted. What says no time was now.
pub(super) fn read(headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Inbound, Problem> {
    let body: Value = read_json(body, HINT)?;
    if let Some(event) = binary(headers, &body)? {
        return of_cloud_event(event, now);
    }
    if body.get("specversion").is_some() {
        return of_cloud_event(known(body)?, now);
    }
    if body.get("context").is_some() && body.get("subject").is_some() {
        return of_cd_event(known(body)?, None, now);
    }
    simple(known(body)?, None, now)
}

/// The event whose attributes are headers.
fn binary(headers: &HeaderMap, body: &Value) -> Result<Option<CloudEvent>, Problem> {
    if !headers.contains_key("ce-specversion") {
        return Ok(None);
    }
    let text = |name: &str| {
        let value = headers.get(name)?.as_bytes();
        // Headers of CloudEvents are percent-encoded where they are not plain ASCII.
        let decoded = percent_decode(value).decode_utf8_lossy();
        Some(decoded.into_owned())
    };
    let needed = |name: &str| {
        text(name).ok_or_else(|| Problem::bad(format!("the header {name} is missing"), HINT))
    };
    Ok(Some(CloudEvent {
        id: needed("ce-id")?,
        source: needed("ce-source")?,
        r#type: needed("ce-type")?,
        subject: text("ce-subject"),
        time: text("ce-time"),
        data: body.clone(),
    }))
}

fn of_cloud_event(event: CloudEvent, now: Timestamp) -> Result<Inbound, Problem> {
    let id = digest(&[&event.source, &event.id], 32);
    if event.r#type.starts_with("dev.cdevents.") {
        return of_cd_event(known(event.data)?, Some(id), now);
    }
    let mut fields: Simple = match event.data {
        Value::Null => Simple::default(),
        data => known(data)?,
    };
    fields.service = fields.service.or(event.subject);
    fields.at = fields.at.or(event.time);
    simple(fields, Some(id), now)
}

fn of_cd_event(event: CdEvent, id: Option<Box<str>>, now: Timestamp) -> Result<Inbound, Problem> {
    let CdEvent { context, subject } = event;
    // dev.cdevents.service.deployed.0.1.1
    let mut words = context.r#type.split('.').skip(2);
    let is_change = words.next() == Some("service")
        && words
            .next()
            .is_some_and(|word| CD_PREDICATES.contains(&word));
    if !is_change {
        return Ok(Inbound::Other(context.r#type));
    }
    // `service/checkout`, `deployment/checkout`: the last word is the name.
    let service = subject.id.rsplit('/').next().map(str::to_owned);
    let environment = subject.content.environment;
    let env = environment.and_then(|it| it.id.rsplit('/').next().map(str::to_owned));
    let artifact = subject.content.artifact_id;
    let fields = Simple {
        service,
        env,
        version: artifact.as_deref().and_then(version_of).map(str::to_owned),
        at: context.timestamp,
        r#ref: artifact,
        ..Simple::default()
    };
    let id = id.unwrap_or_else(|| digest(&[&context.source, &context.id], 32));
    simple(fields, Some(id), now)
}

fn simple(fields: Simple, id: Option<Box<str>>, now: Timestamp) -> Result<Inbound, Problem> {
    let texts = [
        &fields.service,
        &fields.namespace,
        &fields.env,
        &fields.version,
        &fields.r#ref,
        &fields.url,
        &fields.id,
    ];
    if texts
        .into_iter()
        .flatten()
        .any(|text| text.len() > TEXT_LEN_MAX)
    {
        let hint = format!("no text of a change has more than {TEXT_LEN_MAX} bytes");
        return Err(Problem::bad("a text is too long", hint));
    }
    let service = fields.service.filter(|service| !service.is_empty());
    let service = service.ok_or_else(|| Problem::bad("a change names a service", HINT))?;
    let url = fields.url.filter(|url| !url.is_empty());
    if url.as_deref().is_some_and(|url| !is_web(url)) {
        let hint = "a url begins with https:// or http://";
        return Err(Problem::bad("this url is not taken", hint));
    }
    let at = match fields.at.as_deref() {
        None => now,
        Some(text) => parsed(text).ok_or_else(|| Problem::bad("at is no time", HINT))?,
    };
    let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Box::from);
    let stream = StreamKey {
        environment: text(fields.env).unwrap_or_default(),
        namespace: text(fields.namespace).unwrap_or_default(),
        name: service.into(),
    };
    let to: Option<Box<str>> = text(fields.version);
    let reference: Option<Box<str>> = text(fields.r#ref);
    // Without an id of the sender's the content is it, so that a change sent again is one; one
    // without a time happened when it came, and is another each time.
    let own = |id: &str| digest(&["posted", id], 32);
    let id = id.or(fields.id.as_deref().map(own)).unwrap_or_else(|| {
        let (version, reference) = (to.as_deref(), reference.as_deref());
        digest(
            &[
                &stream.environment,
                &stream.namespace,
                &stream.name,
                version.unwrap_or_default(),
                reference.unwrap_or_default(),
                &at.as_nanos().to_string(),
            ],
            32,
        )
    });
    Ok(Inbound::Change(Box::new(Change {
        id,
        kind: ChangeKind::Posted,
        stream,
        from: None,
        to,
        at,
        reference,
        url: url.map(Into::into),
    })))
}

fn known<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value)
        .map_err(|error| Problem::bad(format!("this change cannot be read: {error}"), HINT))
}

fn is_web(url: &str) -> bool {
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic());
    plain && (url.starts_with("https://") || url.starts_with("http://"))
}

/// The version of a package URL: `pkg:oci/checkout@sha256%3Aab…?tag=2.9.7` has the tag, or else the
/// digest.
fn version_of(artifact: &str) -> Option<&str> {
    let tag = artifact
        .split(['?', '&', '#'])
        .find_map(|it| it.strip_prefix("tag="));
    tag.or_else(|| {
        let (_, version) = artifact.rsplit_once('@')?;
        version.split(['?', '#']).next()
    })
}
