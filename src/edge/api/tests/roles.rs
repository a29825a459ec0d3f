//! Who may call what: every path for everybody, and what a browser can be made to send.

use super::routes::{ROUTES, Route, Verb};
use super::*;

pub(super) const TOKENS: [(Role, &str); 3] = [
    (Role::Viewer, "a-viewers-token-of-enough-length"),
    (Role::Operator, "an-operators-token-of-enough-length"),
    (Role::Approver, "an-approvers-token-of-enough-length"),
];

pub(super) fn gate(folder: &tempfile::TempDir) -> Gate {
    let settings = TOKENS.map(|(role, token)| {
        let file = folder.path().join(role.name());
        std::fs::write(&file, token).unwrap();
        TokenSettings {
            name: format!("a-{role}"),
            role,
            source: TokenSource::File(file),
        }
    });
    Gate::new(&settings).unwrap()
}

/// A call of `route` that would do if its caller may make it.
pub(super) fn example(route: &Route) -> Call {
    let path = match route.path {
        "/v1/templates" => "/v1/templates?service=cart".to_owned(),
        "/v1/anomalies/{id}" => "/v1/anomalies/555555".to_owned(),
        path if path.contains("/actions/") => path.replace("{id}", "7c417c41"),
        path => path.replace("{id}", "9f3c9f3c"),
    };
    let change = json!({ "service": "cart" });
    let body = match route.path {
        "/v1/incidents/{id}/done" => json!({ "action": "restart", "helped": true }),
        "/v1/silences" => json!({
            "matchers": ["service=\"cart\""], "owner": "anna", "reason": "load test",
            "expires": "2026-08-02",
        }),
        "/v1/feedback" => json!({ "incident": "9f3c9f3c", "verdict": "expected" }),
        "/v1/actions/{id}/approve" => json!({ "plan": "d41d8cd9".repeat(4) }),
        "/v1/actions/{id}/deny" => json!({ "note": "not during the sale" }),
        "/v1/actions/{id}/report" => json!({ "status": "succeeded", "note": "new pod is up" }),
        "/v1/switch" => json!({ "stopped": true, "why": "enough" }),
        "/v1/changes" => change,
        "/v1/alerts" => json!({ "version": "4", "alerts": [] }),
        _ => json!({}),
    };
    match route.method {
        Verb::Get => Call::get(&path),
        Verb::Delete => Call::new("DELETE", &path),
        Verb::Post => Call::post(&path, &body),
    }
}

#[tokio::test]
async fn every_path_is_for_its_role_and_those_above_and_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api {
        gate: gate(&folder),
        ..api(&Arc::new(World::new()))
    };
    let mut refused = 0;
    for route in ROUTES {
        let name = format!("{} {}", route.method.name(), route.path);
        for is_local in [true, false] {
            let ask = async |token: Option<String>| {
                let mut call = example(route);
                if let Some(token) = token {
                    call = call.with("authorization", &token);
                }
                call_to(api.clone(), is_local, call).await
            };
            for (role, token) in TOKENS {
                let status = ask(Some(format!("Bearer {token}"))).await.status;
                match route.least.is_none_or(|least| role >= least) {
                    true => assert_eq!(status, 200, "{name} as {role}"),
                    false => assert_eq!(status, 403, "{name} as {role}"),
                }
                refused += usize::from(status == 403);
            }
            let cut = &TOKENS[2].1[..20];
            let wrong = [
                None,
                Some(String::new()),
                Some("Bearer".to_owned()),
                Some(format!("Bearer {cut}")),
                Some(format!("Basic {}", TOKENS[2].1)),
                Some(TOKENS[2].1.to_owned()),
            ];
            for token in wrong {
                let reply = ask(token.clone()).await;
                let expected = if route.least.is_none() { 200 } else { 401 };
                assert_eq!(reply.status, expected, "{name} with {token:?}");
                if expected == 401 {
                    assert_eq!(reply.headers["www-authenticate"], "Bearer", "{name}");
                    assert!(reply.hint().contains("Authorization"), "{name}");
                }
            }
        }
    }
    // On both kinds of ports each route refuses every role below its own.
    let below = |route: &Route| {
        Role::ALL
            .iter()
            .filter(|it| Some(**it) < route.least)
            .count()
    };
    let expected: usize = ROUTES.iter().map(below).sum();
    assert_eq!(refused, 2 * expected);
    assert!(refused > 0, "the roles differ in nothing");
}

/// What takes which role is a promise: who raises or lowers one does so here, too.
#[test]
fn who_may_do_what_is_written_down() {
    let of = |least| {
        let routes = ROUTES
            .iter()
            .filter(move |route| route.least == Some(least));
        let posts = routes.filter(|route| route.method != Verb::Get);
        posts.map(|route| route.path).collect::<Vec<&str>>()
    };
    assert_eq!(of(Role::Viewer), [""; 0]);
    assert_eq!(
        of(Role::Operator),
        [
            "/v1/incidents/{id}/acknowledge",
            "/v1/incidents/{id}/resolve",
            "/v1/incidents/{id}/accept",
            "/v1/incidents/{id}/done",
            "/v1/silences",
            "/v1/silences/{id}",
            "/v1/feedback",
            "/v1/changes",
            "/v1/alerts",
            "/v1/actions/{id}/report",
            "/v1/switch",
        ]
    );
    assert_eq!(
        of(Role::Approver),
        ["/v1/actions/{id}/approve", "/v1/actions/{id}/deny"]
    );
    let signed = ROUTES.iter().filter(|route| route.may_be_signed);
    let signed: Vec<&str> = signed.map(|route| route.path).collect();
    assert_eq!(signed, ["/v1/actions/{id}/report"]);
}

#[tokio::test]
async fn without_tokens_everybody_on_this_host_may_operate_and_nobody_else_may_do_anything() {
    let world = Arc::new(World::new());
    for route in ROUTES {
        let name = format!("{} {}", route.method.name(), route.path);
        let reply = call_to(api(&world), true, example(route)).await;
        // Nobody approves who does not show who they are.
        let expected = if route.least > Some(Role::Operator) {
            403
        } else {
            200
        };
        assert_eq!(reply.status, expected, "{name}: {}", reply.body);
        if expected == 403 {
            assert!(reply.error().contains("without tokens"), "{}", reply.body);
            assert!(reply.hint().contains("api.tokens"), "{}", reply.body);
        }
        let reply = call_to(api(&world), false, example(route)).await;
        let expected = if route.least.is_none() { 200 } else { 403 };
        assert_eq!(reply.status, expected, "{name}: {}", reply.body);
    }
    let reply = call_to(api(&world), false, Call::get("/v1/services")).await;
    assert!(reply.hint().contains("api.tokens"), "{}", reply.body);
    let (_, by) = world.orders().remove(0);
    assert_eq!((&*by.name, by.role), ("local", Role::Operator));
}

#[tokio::test]
async fn who_gives_an_order_is_told_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = Arc::new(World::new());
    let api = Api {
        gate: gate(&folder),
        ..api(&world)
    };
    let call = Call::post("/v1/incidents/9f3c9f3c/acknowledge", &json!({}))
        .with("authorization", &format!("bearer  {}", TOKENS[1].1));
    assert_eq!(call_to(api, false, call).await.status, 200);
    let (_, by) = world.orders().remove(0);
    assert_eq!((&*by.name, by.role), ("a-operator", Role::Operator));
}

#[tokio::test]
async fn a_page_of_another_site_can_change_nothing() {
    let world = Arc::new(World::new());
    let post = || Call::post("/v1/incidents/9f3c9f3c/resolve", &json!({}));
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:8081"),
        ("origin", "http://127.0.0.1:8080.evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let reply = call(&world, post().with(name, value)).await;
        assert_eq!(reply.status, 403, "{name}: {value}");
        let delete = Call::new("DELETE", "/v1/silences/s1").with(name, value);
        assert_eq!(call(&world, delete).await.status, 403, "{name}: {value}");
    }
    // What a form can send without asking first.
    for kind in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain; application/json",
        "",
    ] {
        let reply = call(&world, post().with("content-type", kind)).await;
        assert_eq!(reply.status, 415, "{kind}");
    }
    assert_eq!(
        call(&world, post().without("content-type")).await.status,
        415
    );
    assert_eq!(world.orders(), []);
    for (name, value) in [
        ("origin", "http://127.0.0.1:8080"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("content-type", "application/json; charset=utf-8"),
    ] {
        let reply = call(&world, post().with(name, value)).await;
        assert_eq!(reply.status, 200, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_name_that_was_led_here_opens_nothing() {
    let world = Arc::new(World::new());
    for host in [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1:8080",
        "",
        "a@127.0.0.1@evil.example",
    ] {
        let call_it = Call::get("/v1/incidents").with("host", host);
        let reply = call(&world, call_it).await;
        assert_eq!(reply.status, 403, "{host}");
    }
    let nameless = Call::get("/v1/incidents").without("host");
    assert_eq!(call(&world, nameless).await.status, 403);
    for host in [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.2:8080",
        "[::1]:8080",
    ] {
        let call_it = Call::get("/v1/incidents").with("host", host);
        assert_eq!(call(&world, call_it).await.status, 200, "{host}");
    }
}

#[test]
fn tokens_are_read_again_and_a_file_that_changes_for_the_worse_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gate = gate(&folder);
    let file = folder.path().join("viewer");
    let knows = |token: &str| {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {token}").parse().unwrap();
        headers.insert("authorization", value);
        let (method, uri) = (http::Method::GET, http::Uri::from_static("/"));
        let knock = gate::Knock {
            method: &method,
            uri: &uri,
            headers: &headers,
            address: None,
        };
        gate.admit(&knock, Role::Viewer, false).is_ok()
    };
    let (old, new) = (TOKENS[0].1, "a-new-token-of-enough-length");
    for worse in ["", "\n\n", "short", TOKENS[1].1] {
        std::fs::write(&file, worse).unwrap();
        assert!(gate.reload().is_err(), "{worse:?}");
        assert!(knows(old), "{worse:?}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(gate.reload(), Err(TokenError::Unreadable { .. })));
    std::fs::write(&file, format!("{new}\n\n{old}\n")).unwrap();
    gate.reload().unwrap();
    assert!(knows(old) && knows(new));
    std::fs::write(&file, new).unwrap();
    gate.reload().unwrap();
    assert!(!knows(old) && knows(new));
}

#[test]
fn other_settings_let_in_others_and_every_clone_of_the_gate_knows() {
    let folder = tempfile::tempdir().unwrap();
    let gate = gate(&folder);
    let serves = gate.clone();
    assert!(serves.asks() && serves.knows("a-Viewer") && !serves.knows("ana"));
    gate.take_over(&Gate::default());
    assert!(!serves.asks() && !serves.knows("a-viewer"));
    let file = folder.path().join("ana");
    std::fs::write(&file, "a-token-of-anas-of-enough-length").unwrap();
    let ana = TokenSettings {
        name: "ana".to_owned(),
        role: Role::Viewer,
        source: TokenSource::File(file),
    };
    gate.take_over(&Gate::new(&[ana]).unwrap());
    assert!(serves.asks() && serves.knows("ana") && !serves.knows("a-viewer"));
}

#[test]
fn a_variable_that_is_not_set_is_a_mistake_that_is_told() {
    let settings = TokenSettings {
        name: "ci".to_owned(),
        role: Role::Operator,
        source: TokenSource::Environment("A_VARIABLE_THAT_NOBODY_SETS".to_owned()),
    };
    let told = Gate::new(&[settings]).unwrap_err().to_string();
    assert!(
        told.contains("A_VARIABLE_THAT_NOBODY_SETS") && told.contains("ci"),
        "{told}"
    );
}
