//! A request as a person sends it: one line, to be pasted into a shell.

use super::JSON_PATCH;
use crate::core::event::{Request, System};

/// The command that sends `request`; `None` where no tool sends the very same.
pub fn by_hand(request: &Request) -> Option<String> {
    match request.system {
        System::Kubernetes => kubectl(request),
        System::ArgoCd => Some(curl(request)),
        System::Jenkins | System::Flux | System::Hook => None,
    }
}

/// `kubectl patch` of the object at the path. kubectl has no way to send any request as it is that patches.
fn kubectl(request: &Request) -> Option<String> {
    if *request.method != *"PATCH" || *request.content_type != *JSON_PATCH {
        return None;
    }
    let parts: Vec<&str> = request.path.split('/').skip(1).collect();
    let (kind, rest) = match parts.as_slice() {
        ["apis", group, version, "namespaces", rest @ ..] => (format!("{version}.{group}"), rest),
        ["api", version, "namespaces", rest @ ..] => ((*version).to_owned(), rest),
        _ => return None,
    };
    let (namespace, plural, name, part) = match rest {
        [namespace, plural, name] => (namespace, plural, name, None),
        [namespace, plural, name, part] => (namespace, plural, name, Some(part)),
        _ => return None,
    };
    let object = quoted(&format!("{plural}.{kind}/{name}"));
    let part = part.map_or_else(String::new, |it| format!(" --subresource={}", quoted(it)));
    let (namespace, body) = (quoted(namespace), quoted(&request.body));
    Some(format!(
        "kubectl patch {object} -n {namespace}{part} --type=json -p {body}"
    ))
}

/// The address and the token are the person's to give.
fn curl(request: &Request) -> String {
    let (method, path) = (quoted(&request.method), quoted(&request.path));
    let kind = quoted(&format!("Content-Type: {}", request.content_type));
    let body = quoted(&request.body);
    format!(
        "curl -fsS -X {method} \"$ARGOCD_URL\"{path} -H \"Authorization: Bearer $ARGOCD_TOKEN\" -H {kind} -d {body}"
    )
}

/// As a shell takes it for one word, whatever is in it.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/=".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(path: &str, body: &str) -> Request {
        Request {
            system: System::Kubernetes,
            method: "PATCH".into(),
            path: path.into(),
            content_type: JSON_PATCH.into(),
            body: body.into(),
        }
    }

    #[test]
    fn a_patch_is_one_line_of_kubectl_with_the_very_body() {
        let request = patch(
            "/apis/apps/v1/namespaces/shop/deployments/cart/scale",
            "[{\"op\":\"test\"}]",
        );
        assert_eq!(
            by_hand(&request).unwrap(),
            "kubectl patch deployments.v1.apps/cart -n shop --subresource=scale --type=json -p '[{\"op\":\"test\"}]'"
        );
        let request = patch(
            "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/cart",
            "[]",
        );
        assert_eq!(
            by_hand(&request).unwrap(),
            "kubectl patch applications.v1alpha1.argoproj.io/cart -n argocd --type=json -p '[]'"
        );
    }

    #[test]
    fn nothing_in_a_request_is_read_by_the_shell() {
        let request = patch(
            "/api/v1/namespaces/shop/pods/a$(id)",
            "['; rm -rf / #\"`$x`]",
        );
        assert_eq!(
            by_hand(&request).unwrap(),
            "kubectl patch 'pods.v1/a$(id)' -n shop --type=json -p '['\\''; rm -rf / #\"`$x`]'"
        );
    }

    #[test]
    fn what_argo_cd_is_asked_is_a_line_of_curl_and_the_rest_is_for_nobodys_shell() {
        let mut request = patch("/api/v1/applications/cart/sync", "{}");
        request.system = System::ArgoCd;
        request.method = "POST".into();
        request.content_type = "application/json".into();
        assert_eq!(
            by_hand(&request).unwrap(),
            "curl -fsS -X POST \"$ARGOCD_URL\"/api/v1/applications/cart/sync -H \"Authorization: Bearer \
             $ARGOCD_TOKEN\" -H 'Content-Type: application/json' -d '{}'"
        );
        request.system = System::Jenkins;
        assert_eq!(by_hand(&request), None);
        assert_eq!(by_hand(&patch("/apis/apps", "[]")), None);
    }
}
