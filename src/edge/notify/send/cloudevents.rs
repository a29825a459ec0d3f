//! CloudEvents 1.0 over HTTP, in each of its three content modes.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::SendSetupError;
use super::http::{Endpoint, Reach, ask, unreadable};
use crate::core::record::{Timestamp, inert_json};
use crate::edge::notify::config::{CloudeventsConfig, ContentMode};
use crate::edge::notify::deliver::{Answer, Message, Sink};
use crate::edge::outgoing::Egress;

/// Most events in one request of the batch mode.
pub(crate) const BATCH_MAX: usize = 16;

/// What the HTTP binding has encoded in the value of a header: space, quote, per cent, and all that
/// is not printable ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// One receiver.
pub(crate) struct CloudeventsSink {
    endpoint: Endpoint,
    mode: ContentMode,
}

impl CloudeventsSink {
    pub(crate) fn new(config: &CloudeventsConfig, egress: &Egress) -> Result<Self, SendSetupError> {
        let reach = Reach {
            timeout: config.timeout,
            allow_private: config.allow_private,
            egress,
        };
        let endpoint = Endpoint::new(&config.url, &reach)?;
        Ok(Self {
            endpoint: endpoint.with_headers(&config.headers)?,
            mode: config.mode,
        })
    }
}

impl Sink for CloudeventsSink {
    /// Messages are events in the structured form; only the batch mode takes several at a time.
    async fn send(&self, batch: &[Message], _now: Timestamp) -> Answer {
        let Some(first) = batch.first() else {
            return Answer::Taken { refused: 0 };
        };
        let url = self.endpoint.url();
        let request = match self.mode {
            ContentMode::Structured => {
                let body = first.body.clone();
                self.endpoint
                    .post(url, "application/cloudevents+json", body)
            }
            ContentMode::Batch => {
                let body = listed(batch);
                self.endpoint
                    .post(url, "application/cloudevents-batch+json", body)
            }
            ContentMode::Binary => {
                let Some(form) = taken_apart(&first.body) else {
                    let why = "a stored message cannot be read".to_owned();
                    return Answer::Never { why };
                };
                let request = self.endpoint.post(url, "application/json", form.data);
                form.headers
                    .into_iter()
                    .fold(request, |request, (name, value)| {
                        request.header(name, value)
                    })
            }
        };
        match ask(request).await {
            Ok(reply) => reply.judge(unreadable),
            Err(answer) => answer,
        }
    }
}

/// Objects → a list of them.
fn listed(batch: &[Message]) -> Vec<u8> {
    let objects: Vec<&[u8]> = batch.iter().map(|message| &*message.body).collect();
    [b"[", objects.join(&b","[..]).as_slice(), b"]"].concat()
}

/// An event in the binary form.
pub(crate) struct BinaryForm {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) data: Vec<u8>,
}

/// The headers and the body that an event in the structured form is in the binary one. What says
/// how the data is written goes into `content-type`, never into a header of its own.
pub(crate) fn taken_apart(event: &[u8]) -> Option<BinaryForm> {
    let Ok(Value::Object(mut event)) = serde_json::from_slice(event) else {
        return None;
    };
    let data = inert_json(&event.remove("data")?);
    event.remove("datacontenttype");
    let attributes = event.into_iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let value = utf8_percent_encode(&value, ENCODED).to_string();
        (format!("ce-{name}"), value)
    });
    Some(BinaryForm {
        headers: attributes.collect(),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_encoded_as_the_binding_says() {
        // The example of the HTTP protocol binding, and its rules for quotes and per cent.
        let event = r#"{"data": {}, "datacontenttype": "application/json",
            "a": "Euro \u20ac \ud83d\ude00", "b": "\"100%\"\r\nx: y", "n": 17}"#;
        let form = taken_apart(event.as_bytes()).unwrap();
        let expected = [
            ("ce-a", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ("ce-b", "%22100%25%22%0D%0Ax:%20y"),
            ("ce-n", "17"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(form.headers, expected);
        assert_eq!(form.data, b"{}");
    }
}
