//! Which tool takes back what somebody else changes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::kinds::Kind;
use crate::core::remedy::facts::Manager;

/// Argo CD's own way to know what is its: `application:group/kind:namespace/name`.
const ARGO_TRACKING: &str = "argocd.argoproj.io/tracking-id";
/// Argo CD's label, where it is set to go by one of its own.
const ARGO_INSTANCE: &str = "argocd.argoproj.io/instance";
/// What annotations of Argo CD begin with.
const ARGO: &str = "argocd.argoproj.io/";
/// The label that Argo CD goes by in older versions. Helm charts set it too.
const INSTANCE: &str = "app.kubernetes.io/instance";
/// Labels of Flux.
const FLUX: [&str; 2] = [
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
];

/// Who else changes the object of this kind.
pub(super) fn manager(kind: Kind, meta: &ObjectMeta) -> Option<Manager> {
    let text = |map: &Option<std::collections::BTreeMap<String, String>>, key: &str| {
        map.as_ref().and_then(|map| map.get(key)).cloned()
    };
    let label = |key: &str| text(&meta.labels, key);
    if let Some(id) = text(&meta.annotations, ARGO_TRACKING) {
        return Some(Manager::ArgoCd(application(&id, kind, meta)));
    }
    if let Some(name) = label(ARGO_INSTANCE) {
        return Some(Manager::ArgoCd(Some(name.into())));
    }
    if FLUX.into_iter().any(|key| label(key).is_some()) {
        return Some(Manager::Flux);
    }
    let mut annotations = meta.annotations.iter().flatten();
    if annotations.any(|(key, _)| key.starts_with(ARGO)) {
        return Some(Manager::ArgoCd(label(INSTANCE).map(Into::into)));
    }
    None
}

/// The application of a tracking id. One that is of another object was copied from it: then Argo CD is in it
/// somewhere, and which application is not said.
fn application(id: &str, kind: Kind, meta: &ObjectMeta) -> Option<Box<str>> {
    let (application, object) = id.split_once(':')?;
    let (group, name) = (kind.group, kind.name);
    let own = format!(
        "{group}/{name}:{}/{}",
        meta.namespace.as_deref()?,
        meta.name.as_deref()?
    );
    (object == own && !application.is_empty()).then(|| application.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Option<Manager> {
        let map = |pairs: &[(&str, &str)]| {
            let owned = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            Some(owned.collect())
        };
        let meta = ObjectMeta {
            name: Some("cart".to_owned()),
            namespace: Some("shop".to_owned()),
            labels: map(labels),
            annotations: map(annotations),
            ..ObjectMeta::default()
        };
        manager(Kind::of("Deployment").unwrap(), &meta)
    }

    #[test]
    fn argo_cd_is_known_by_its_tracking_id_with_the_application() {
        let id = |id: &str| of(&[], &[(ARGO_TRACKING, id)]);
        let argo = |name: Option<&str>| Some(Manager::ArgoCd(name.map(Into::into)));
        assert_eq!(id("till:apps/Deployment:shop/cart"), argo(Some("till")));
        assert_eq!(
            id("team_till:apps/Deployment:shop/cart"),
            argo(Some("team_till"))
        );
        assert_eq!(id("till:apps/Deployment:shop/other"), argo(None), "a copy");
        assert_eq!(id("nonsense"), argo(None));
        assert_eq!(of(&[(ARGO_INSTANCE, "till")], &[]), argo(Some("till")));
    }

    #[test]
    fn a_label_that_helm_sets_too_counts_only_beside_an_annotation_of_argo_cd() {
        let wave = [("argocd.argoproj.io/sync-wave", "1")];
        let argo = Some(Manager::ArgoCd(Some("till".into())));
        assert_eq!(of(&[(INSTANCE, "till")], &[]), None);
        assert_eq!(of(&[(INSTANCE, "till")], &wave), argo);
        assert_eq!(of(&[], &wave), Some(Manager::ArgoCd(None)));
    }

    #[test]
    fn flux_is_known_by_its_labels() {
        for label in FLUX {
            assert_eq!(of(&[(label, "till")], &[]), Some(Manager::Flux));
        }
        assert_eq!(of(&[("app.kubernetes.io/managed-by", "Helm")], &[]), None);
    }
}
