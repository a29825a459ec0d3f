//! A real Open Policy Agent.

use std::process::Command;

use serde_json::{Value, json};

use crate::parts::{free_port, part};
use crate::process::{Process, SOON, until};
use crate::warden::Warden;
use crate::web::Web;

/// A server with one policy.
pub(crate) struct Opa {
    url: String,
    web: Web,
    /// What it calls the policy.
    id: String,
    _process: Process,
    _warden: Warden,
    _folder: tempfile::TempDir,
}

impl Opa {
    /// Once it is ready; `None` where there is no program, and then the test is to end.
    pub(crate) fn start(policy: &str) -> Option<Self> {
        let program = part("KNOTHOLE_OPA")?;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.rego");
        std::fs::write(&file, policy).unwrap();
        let warden = Warden::of(folder.path());
        let web = Web::plain();
        loop {
            let address = free_port().to_string();
            let url = format!("http://{address}");
            let process = Process::start(
                "OPA",
                Command::new(&program)
                    .args(["run", "--server", "--skip-version-check", "--log-level"])
                    .args(["error", "--addr", &address])
                    .arg(&file),
            );
            let mut process = warden.watch(process);
            let list = format!("{url}/v1/policies");
            let is_ours = until(SOON, "OPA to be ready", || {
                let answer = web.send(web.request("GET", &list));
                let policies = answer.unwrap_or_default().1;
                let id = policies["result"][0]["id"].as_str().unwrap_or("nobody's");
                // Whoever was quicker to take the port may have a policy too.
                let id = id.trim_start_matches('/').to_owned();
                let is_ours = file.ends_with(&id);
                (is_ours || process.ended()).then_some(is_ours.then_some(id))
            });
            if let Some(id) = is_ours {
                return Some(Self {
                    url,
                    web,
                    id,
                    _process: process,
                    _warden: warden,
                    _folder: folder,
                });
            }
            process.says("address already in use");
        }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Puts another policy in the place of the one that it has.
    pub(crate) fn set_policy(&self, policy: &str) {
        let url = format!("{}/v1/policies/{}", self.url, self.id);
        let request = self.web.request("PUT", &url).body(policy.to_owned());
        let (status, answer) = self.web.send(request).expect("OPA answers");
        assert_eq!(status, 200, "{answer}");
    }

    /// What it says about `path` (`package/rule`) with this input: status and body.
    pub(crate) fn ask(&self, path: &str, input: &Value) -> (u16, Value) {
        let url = format!("{}/v1/data/{path}", self.url);
        let request = self.web.request("POST", &url);
        let body = json!({ "input": input }).to_string();
        self.web.send(request.body(body)).expect("OPA answers")
    }
}

#[test]
fn opa_says_yes_no_or_nothing() {
    const POLICY: &str = "package knothole\n\n\
        allow if input.action == \"evict\"\n\nallow := false if input.action == \"delete\"\n";
    let Some(opa) = Opa::start(POLICY) else {
        return;
    };
    let allow = |input: Value| opa.ask("knothole/allow", &input);
    assert_eq!(
        allow(json!({ "action": "evict" })),
        (200, json!({ "result": true }))
    );
    assert_eq!(
        allow(json!({ "action": "delete" })),
        (200, json!({ "result": false }))
    );
    assert_eq!(allow(json!({ "action": "scale" })), (200, json!({})));
    assert_eq!(opa.ask("knothole/alow", &json!({})), (200, json!({})));
    assert!(opa.url().starts_with("http://127.0.0.1:"));
}
