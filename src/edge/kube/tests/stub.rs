//! An API server of this process. It keeps Leases as the real one does; all else is the test's script. What the
//! script has no answer for is a failed test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Say {
    /// An answer in JSON.
    Json(u16, Value),
    /// An answer with headers.
    With(u16, Vec<(&'static str, String)>, String),
    /// The connection is cut.
    Reset,
    /// A Lease is written, and the connection is cut.
    ResetAfter,
    /// The beginning of an answer, and then the connection is cut.
    Half(u16),
    /// No answer ever.
    Nothing,
    /// An answer of so many bytes.
    Huge(usize),
}

type Script = dyn Fn(&Asked) -> Option<Say> + Send + Sync;

/// The server.
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    script: Box<Script>,
    asked: Mutex<Vec<Asked>>,
    leases: Mutex<Leases>,
}

#[derive(Default)]
struct Leases {
    version: u64,
    by_path: std::collections::BTreeMap<String, Value>,
}

impl Asked {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(it, _)| it == name)
            .map(|(_, value)| &**value)
    }

    /// `GET /path`, without the query.
    pub(super) fn line(&self) -> String {
        let (path, _) = self.path.split_once('?').unwrap_or((&self.path, ""));
        format!("{} {path}", self.method)
    }
}

impl Stub {
    pub(super) async fn start(
        script: impl Fn(&Asked) -> Option<Say> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script: Box::new(script),
            asked: Mutex::default(),
            leases: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// The same as lines.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    /// What was written but for Leases.
    pub(super) fn writes(&self) -> Vec<Asked> {
        let is_write = |it: &Asked| it.method != "GET" && !it.path.contains("/leases");
        self.asked().into_iter().filter(is_write).collect()
    }

    /// The Lease at `path`.
    pub(super) fn lease(&self, path: &str) -> Value {
        let leases = self.state.leases.lock().unwrap();
        leases.by_path.get(path).cloned().unwrap_or_default()
    }

    /// Puts a Lease there, or changes the one that is there.
    pub(super) fn put_lease(&self, path: &str, lease: Value) {
        self.state.leases.lock().unwrap().put(path, lease);
    }
}

impl Leases {
    fn put(&mut self, path: &str, mut lease: Value) -> Value {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.by_path.insert(path.to_owned(), lease.clone());
        lease
    }

    fn answer(&mut self, asked: &Asked) -> Option<Say> {
        let (path, _) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        if !path.contains("/leases") {
            return None;
        }
        let lease = asked.json();
        let path = match &*asked.method {
            "POST" => format!("{path}/{}", lease["metadata"]["name"].as_str().unwrap()),
            _ => path.to_owned(),
        };
        let known = self.by_path.get(&path).cloned();
        let sent = &lease["metadata"]["resourceVersion"];
        let refused = |code: u16| Say::Json(code, super::status(code, "no", Value::Null));
        Some(match (&*asked.method, known) {
            ("GET", Some(known)) => Say::Json(200, known),
            ("GET" | "PUT", None) => super::not_found(),
            ("POST", None) => Say::Json(201, self.put(&path, lease)),
            ("PUT", Some(known)) if known["metadata"]["resourceVersion"] == *sent => {
                Say::Json(200, self.put(&path, lease))
            }
            ("POST" | "PUT", Some(_)) => refused(409),
            other => panic!("{other:?}"),
        })
    }
}

impl State {
    fn answer(&self, asked: &Asked) -> Say {
        self.asked.lock().unwrap().push(asked.clone());
        let scripted = (self.script)(asked);
        let leases = || self.leases.lock().unwrap().answer(asked);
        if let Some(Say::ResetAfter) = scripted {
            leases();
        }
        scripted
            .or_else(leases)
            .unwrap_or_else(|| panic!("nobody expects {asked:?}"))
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut bytes = Vec::new();
    while let Some(asked) = next(&mut stream, &mut bytes).await {
        let (code, headers, body) = match state.answer(&asked) {
            Say::Json(code, body) => (code, vec![], body.to_string()),
            Say::With(code, headers, body) => (code, headers, body),
            Say::Huge(bytes) => (200, vec![], " ".repeat(bytes)),
            Say::Reset | Say::ResetAfter => {
                let _ = stream.set_zero_linger();
                return;
            }
            Say::Half(code) => {
                let head = format!("HTTP/1.1 {code} X\r\ncontent-length: 1000\r\n\r\n{{\"kind\"");
                let _ = stream.write_all(head.as_bytes()).await;
                return;
            }
            Say::Nothing => {
                std::future::pending::<()>().await;
                return;
            }
        };
        let mut head = format!("HTTP/1.1 {code} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let answer = [head.as_bytes(), body.as_bytes()].concat();
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The next request of a connection; none at its end.
async fn next(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some((asked, taken)) = parse(bytes) {
            bytes.drain(..taken);
            return Some(asked);
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(bytes: &[u8]) -> Option<(Asked, usize)> {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut asked = Asked {
        method,
        path,
        headers,
        body: String::new(),
    };
    let length: usize = asked
        .header("content-length")
        .unwrap_or("0")
        .parse()
        .unwrap();
    let taken = end + 4 + length;
    asked.body = String::from_utf8(bytes.get(end + 4..taken)?.to_vec()).unwrap();
    Some((asked, taken))
}
