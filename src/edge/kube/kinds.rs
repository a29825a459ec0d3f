//! Kinds of objects, and where a cluster keeps them. A closed list: nothing else is read or acted on.

use super::error::KubeError;
use crate::core::event::Object;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// `Deployment`.
    pub(super) name: &'static str,
    /// `apps`; nothing for the core.
    pub(super) group: &'static str,
    /// `v1`.
    pub(super) version: &'static str,
    /// `deployments`.
    pub(super) plural: &'static str,
}

/// All kinds, all of them in a namespace.
const KINDS: [Kind; 7] = [
    kind("Pod", "", "v1", "pods"),
    kind("Deployment", "apps", "v1", "deployments"),
    kind("StatefulSet", "apps", "v1", "statefulsets"),
    kind("ReplicaSet", "apps", "v1", "replicasets"),
    kind("Rollout", "argoproj.io", "v1alpha1", "rollouts"),
    kind("Application", "argoproj.io", "v1alpha1", "applications"),
    kind("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes"),
];

const fn kind(
    name: &'static str,
    group: &'static str,
    version: &'static str,
    plural: &'static str,
) -> Kind {
    Kind {
        name,
        group,
        version,
        plural,
    }
}

impl Kind {
    /// The kind of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name == name)
    }

    /// `apps/v1`.
    pub(super) fn api_version(self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `get deployments.apps in namespace shop`: what is attempted, and the permission that it takes.
    pub(super) fn doing(self, verb: &str, namespace: &str) -> String {
        doing(verb, self.plural, self.group, namespace)
    }

    /// Where those of a namespace are listed.
    pub(super) fn list_path(self, namespace: &str) -> Result<String, KubeError> {
        let namespace = name(namespace)?;
        let root = match self.group {
            "" => "/api",
            _ => "/apis",
        };
        let (version, plural) = (self.api_version(), self.plural);
        Ok(format!("{root}/{version}/namespaces/{namespace}/{plural}"))
    }

    /// Where one of them is.
    pub(super) fn path(self, namespace: &str, object: &str) -> Result<String, KubeError> {
        let (list, object) = (self.list_path(namespace)?, name(object)?);
        Ok(format!("{list}/{object}"))
    }
}

/// `list poddisruptionbudgets.policy in namespace shop`, as [`Permission`](crate::core::remedy::plan::Permission) writes it.
pub(super) fn doing(verb: &str, plural: &str, group: &str, namespace: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    format!("{verb} {plural}{dot}{group} in namespace {namespace}")
}

/// Where `object` is; none where its kind or its name is none that we know.
pub(super) fn path_of(object: &Object) -> Option<String> {
    let kind = Kind::of(&object.kind)?;
    kind.path(&object.namespace, &object.name).ok()
}

/// `text`, where it may stand in a path as the name of an object (RFC 1123 subdomain).
pub(super) fn name(text: &str) -> Result<&str, KubeError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_edge = |byte: Option<&u8>| byte.copied().is_some_and(is_plain);
    let bytes = text.as_bytes();
    let is_name = bytes.len() <= 253
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| is_plain(*byte) || matches!(byte, b'-' | b'.'));
    if is_name {
        Ok(text)
    } else {
        Err(KubeError::Name(super::error::bounded(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_where_the_cluster_keeps_it() {
        let path = |kind: &str| {
            path_of(&Object {
                kind: kind.into(),
                namespace: "shop".into(),
                name: "cart".into(),
                ..Object::default()
            })
        };
        assert_eq!(path("Pod").unwrap(), "/api/v1/namespaces/shop/pods/cart");
        assert_eq!(
            path("Deployment").unwrap(),
            "/apis/apps/v1/namespaces/shop/deployments/cart"
        );
        assert_eq!(
            path("HTTPRoute").unwrap(),
            "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/cart"
        );
        assert_eq!(path("Secret"), None);
    }

    #[test]
    fn a_name_cannot_lead_to_another_path() {
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "../secrets/a",
            "a?dryRun=All",
            "a%2fb",
            "A",
            "a#",
            "a b",
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert!(name(&"a".repeat(254)).is_err());
        assert_eq!(name("cart-7d9f.v2").unwrap(), "cart-7d9f.v2");
    }
}
