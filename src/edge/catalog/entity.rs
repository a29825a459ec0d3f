//! What a catalogue says of an entity, reduced to what correlation and routing need.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::core::record::StreamKey;

/// An entity as `GET /entities/by-query` gives it, with the fields that were asked for.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WireEntity {
    kind: Box<str>,
    metadata: WireMetadata,
    #[serde(default)]
    spec: Option<WireSpec>,
    #[serde(default)]
    relations: Vec<WireRelation>,
}

#[derive(Clone, Debug, Deserialize)]
struct WireMetadata {
    name: Box<str>,
    #[serde(default)]
    namespace: Option<Box<str>>,
    #[serde(default)]
    annotations: BTreeMap<Box<str>, Box<str>>,
}

#[derive(Clone, Debug, Deserialize)]
struct WireSpec {
    #[serde(default)]
    owner: Option<Box<str>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRelation {
    r#type: Box<str>,
    target_ref: Box<str>,
}

/// The fields that are asked for: all that is read here.
pub(super) const FIELDS: &str =
    "kind,metadata.name,metadata.namespace,metadata.annotations,spec.owner,relations";

/// A component, resource or group of the catalogue. All that it says is untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// `component:default/checkout`, in lower case.
    pub reference: Box<str>,
    /// The services that it may be; none of a group.
    pub services: Vec<ServiceName>,
    /// The team that owns it, without kind and, where it is `default`, namespace.
    pub owner: Option<Box<str>>,
    /// What it depends on, as references.
    pub depends_on: Vec<Box<str>>,
    /// What depends on it, as references.
    pub dependency_of: Vec<Box<str>>,
    /// Who there is by what it says: its owners; of a group itself and its members.
    pub people: Vec<Box<str>>,
}

/// A name that a service may have. What is `None` may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceName {
    /// The environment.
    pub environment: Option<Box<str>>,
    /// The namespace.
    pub namespace: Option<Box<str>>,
    /// The name.
    pub name: Box<str>,
}

/// Ours, and it counts alone: `[[environment/]namespace/]name`.
const SERVICE_NAME: &str = "knothole/service-name";
const KUBERNETES_ID: &str = "backstage.io/kubernetes-id";
const KUBERNETES_NAMESPACE: &str = "backstage.io/kubernetes-namespace";
const KUBERNETES_LABEL_SELECTOR: &str = "backstage.io/kubernetes-label-selector";
/// The labels of a selector whose value names what runs.
const NAMING_LABELS: [&str; 4] = ["app.kubernetes.io/name", "app", "k8s-app", KUBERNETES_ID];
/// Most relations of one entity that are read.
const RELATIONS_MAX: usize = 1_000;

impl ServiceName {
    /// Whether `stream` has this name. Names of a catalogue do not tell capitals from others.
    pub fn is(&self, stream: &StreamKey) -> bool {
        let fits = |wanted: &Option<Box<str>>, has: &str| {
            wanted
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(has))
        };
        self.name.eq_ignore_ascii_case(&stream.name)
            && fits(&self.namespace, &stream.namespace)
            && fits(&self.environment, &stream.environment)
    }
}

impl From<WireEntity> for Entity {
    fn from(wire: WireEntity) -> Self {
        let namespace = wire.metadata.namespace.as_deref().unwrap_or("default");
        let reference = format!("{}:{namespace}/{}", wire.kind, wire.metadata.name);
        let related = |kind: &str| {
            let relations = wire.relations.iter().take(RELATIONS_MAX);
            let of_kind = relations.filter(|relation| relation.r#type.eq_ignore_ascii_case(kind));
            of_kind
                .map(|relation| relation.target_ref.to_lowercase().into())
                .collect::<Vec<Box<str>>>()
        };
        let spec_owner = || wire.spec.as_ref()?.owner.as_deref();
        let owners = related("ownedBy");
        let owner = owners.first().map(|owner| &**owner).or_else(spec_owner);
        let reference: Box<str> = reference.to_lowercase().into();
        let is_group = wire.kind.eq_ignore_ascii_case("group");
        let (members, services) = match is_group {
            true => (related("hasMember"), Vec::new()),
            false => (Vec::new(), services(&wire.metadata)),
        };
        let owner = owner.map(person);
        let others = owners.iter().chain(&members).map(|it| person(it));
        let itself = is_group.then(|| person(&reference));
        let people = others.chain(itself).chain(owner.clone());
        Self {
            people: people.map(|it| it.to_lowercase().into()).collect(),
            owner,
            depends_on: related("dependsOn"),
            dependency_of: related("dependencyOf"),
            services,
            reference,
        }
    }
}

/// `group:default/payments` → `payments`.
pub(super) fn person(reference: &str) -> Box<str> {
    let named = reference
        .split_once(':')
        .map_or(reference, |(_, rest)| rest);
    named.strip_prefix("default/").unwrap_or(named).into()
}

fn services(metadata: &WireMetadata) -> Vec<ServiceName> {
    let annotation = |name: &str| {
        let value = metadata.annotations.get(name).map(|value| value.trim());
        value.filter(|value| !value.is_empty())
    };
    if let Some(ours) = annotation(SERVICE_NAME) {
        return vec![named(ours)];
    }
    let selector = annotation(KUBERNETES_LABEL_SELECTOR).unwrap_or_default();
    let requirements = selector.split(',').filter_map(|part| part.split_once('='));
    let selected = requirements
        .filter(|(label, _)| NAMING_LABELS.contains(&label.trim_end_matches('!').trim()))
        .filter(|(label, _)| !label.ends_with('!'))
        .map(|(_, value)| value.trim_start_matches('=').trim());
    let mut names: Vec<&str> = Vec::new();
    let all = annotation(KUBERNETES_ID).into_iter().chain(selected);
    for name in all.chain([&*metadata.name]) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    let namespace = annotation(KUBERNETES_NAMESPACE);
    let names = names.into_iter().map(|name| ServiceName {
        environment: None,
        namespace: namespace.map(Into::into),
        name: name.into(),
    });
    names.collect()
}

fn named(text: &str) -> ServiceName {
    let mut parts = text.rsplitn(3, '/');
    let name = parts.next().unwrap_or_default();
    ServiceName {
        name: name.into(),
        namespace: parts.next().map(Into::into),
        environment: parts.next().map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(text: &str) -> Entity {
        Entity::from(serde_json::from_str::<WireEntity>(text).unwrap())
    }

    fn names(annotations: &str) -> Vec<String> {
        let text = format!(
            r#"{{"kind":"Component","metadata":{{"name":"shop","annotations":{{{annotations}}}}}}}"#
        );
        let services = entity(&text).services.into_iter();
        let shown = services.map(|service| {
            let or_any = |part: Option<Box<str>>| part.map_or("*".to_owned(), Into::into);
            let (environment, namespace) = (or_any(service.environment), or_any(service.namespace));
            format!("{environment}/{namespace}/{}", service.name)
        });
        shown.collect()
    }

    #[test]
    fn annotations_say_which_service_an_entity_is() {
        assert_eq!(names(""), ["*/*/shop"]);
        assert_eq!(names(r#""knothole/service-name":"cart""#), ["*/*/cart"]);
        assert_eq!(
            names(r#""knothole/service-name":"prod/web/cart","backstage.io/kubernetes-id":"x""#),
            ["prod/web/cart"],
            "ours counts alone"
        );
        assert_eq!(
            names(
                r#""backstage.io/kubernetes-id":"cart","backstage.io/kubernetes-namespace":"web""#
            ),
            ["*/web/cart", "*/web/shop"]
        );
        assert_eq!(
            names(
                r#""backstage.io/kubernetes-label-selector":"app=cart,tier!=x,app.kubernetes.io/name==basket,component=front""#
            ),
            ["*/*/cart", "*/*/basket", "*/*/shop"]
        );
        assert_eq!(
            names(r#""backstage.io/kubernetes-label-selector":"app!=cart""#),
            ["*/*/shop"]
        );
    }

    #[test]
    fn relations_are_read_in_both_directions_and_the_owner_is_a_team() {
        let cart = entity(
            r#"{"kind":"Component","metadata":{"name":"Cart","namespace":"Web"},"spec":{"owner":"ops"},
                "relations":[{"type":"dependsOn","targetRef":"resource:default/Orders-DB"},
                {"type":"dependencyOf","targetRef":"component:default/front"},
                {"type":"ownedBy","targetRef":"group:default/payments"},
                {"type":"partOf","targetRef":"system:default/shop"}]}"#,
        );
        assert_eq!(&*cart.reference, "component:web/cart");
        assert_eq!(cart.depends_on, ["resource:default/orders-db".into()]);
        assert_eq!(cart.dependency_of, ["component:default/front".into()]);
        assert_eq!(cart.owner.as_deref(), Some("payments"));
        let bare = r#"{"kind":"API","metadata":{"name":"a"},"spec":{"owner":"group:other/ops"}}"#;
        assert_eq!(entity(bare).owner.as_deref(), Some("other/ops"));
    }
}
