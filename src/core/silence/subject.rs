//! What matchers look at: the labels of a sign, an incident or a service.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::matcher::Matcher;
use crate::core::event::{Gravity, Incident, Part, Sign};
use crate::core::record::{Resource, Severity, StreamKey};

/// The labels that knothole gives; any other name is that of a resource attribute.
pub const LABELS: [&str; 12] = [
    "service",
    "namespace",
    "environment",
    "team",
    "kind",
    "class",
    "severity",
    "template",
    "pod",
    "node",
    "version",
    "fingerprint",
];

/// The labels that name a service, by which learning can be stopped.
pub(super) const OF_SERVICES: [&str; 3] = ["service", "namespace", "environment"];

/// Something that may be muted. It is muted where everything that it is made of is, so that a silence
/// for one service never hides what an incident does to another.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    pub(super) facets: Vec<Labels<'a>>,
}

/// The labels of one thing. One name may have several values: a template has an id and a text.
#[derive(Clone, Debug, Default)]
pub struct Labels<'a> {
    named: Vec<(&'a str, Cow<'a, str>)>,
    resource: Option<&'a Resource>,
}

impl<'a> Subject<'a> {
    /// A sign, and the team that it concerns.
    pub fn of_sign(sign: &'a Sign, team: Option<&'a str>) -> Self {
        let mut labels = Labels::of_sign(sign, team);
        labels.add("severity", level(sign.severity));
        Self::from(labels)
    }

    /// An incident: each of its signs, and each service whose signs were not kept. Severity is that of
    /// the incident.
    pub fn of_incident(incident: &'a Incident) -> Self {
        let team = incident.route.team.as_deref();
        let whole = |mut labels: Labels<'a>| {
            labels.add("severity", incident.severity.name());
            labels.add("fingerprint", &*incident.fingerprint);
            labels
        };
        let signs = incident.signs.iter();
        let mut facets: Vec<_> = signs
            .map(|sign| whole(Labels::of_sign(sign, team)))
            .collect();
        let seen: BTreeSet<&StreamKey> = incident.signs.iter().map(|sign| &sign.stream).collect();
        let unseen = |part: &&Part| !seen.contains(&part.stream);
        let parts = incident.parts.iter().filter(unseen);
        facets.extend(parts.map(|part| {
            let mut labels = Labels::of_stream(&part.stream, &part.resource, team);
            labels.add("class", incident.class.name());
            whole(labels)
        }));
        Self { facets }
    }

    /// A service: what windows that stop learning look at.
    pub fn of_stream(stream: &'a StreamKey, resource: &'a Resource, team: Option<&'a str>) -> Self {
        Self::from(Labels::of_stream(stream, resource, team))
    }
}

impl<'a> From<Labels<'a>> for Subject<'a> {
    fn from(labels: Labels<'a>) -> Self {
        Self {
            facets: vec![labels],
        }
    }
}

impl<'a> Labels<'a> {
    /// These and no others.
    pub fn of(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let labels = labels.into_iter();
        Self {
            named: labels.map(|(name, value)| (name, value.into())).collect(),
            resource: None,
        }
    }

    /// Those of a service, as one of its instances names itself.
    pub fn of_stream(stream: &'a StreamKey, resource: &'a Resource, team: Option<&'a str>) -> Self {
        let mut labels = Self {
            named: Vec::new(),
            resource: Some(resource),
        };
        labels.add("service", &*stream.name);
        labels.add("namespace", &*stream.namespace);
        labels.add("environment", &*stream.environment);
        let node = resource.get("k8s.node.name");
        let others = [
            ("team", team),
            ("pod", resource.get("k8s.pod.name")),
            ("node", node.or_else(|| resource.get("host.name"))),
            ("version", resource.get("service.version")),
        ];
        for (name, value) in others {
            if let Some(value) = value {
                labels.add(name, value);
            }
        }
        labels
    }

    /// All but how grave it is: that is the incident's, where it is part of one.
    fn of_sign(sign: &'a Sign, team: Option<&'a str>) -> Self {
        let mut labels = Self::of_stream(&sign.stream, &sign.resource, team);
        labels.add("kind", &*sign.kind);
        labels.add("class", sign.class.name());
        labels.add("fingerprint", &*sign.fingerprint);
        if let Some(template) = &sign.template {
            labels.add("template", template.id.to_string());
            labels.add("template", &*template.text);
        }
        labels
    }

    fn add(&mut self, name: &'a str, value: impl Into<Cow<'a, str>>) {
        self.named.push((name, value.into()));
    }

    /// Whether all of `matchers` hold.
    pub(super) fn fit(&self, matchers: &[Matcher]) -> bool {
        let mut matchers = matchers.iter();
        matchers.all(|matcher| matcher.holds(self.values(matcher.name())))
    }

    /// The values of the label `name`.
    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let attribute = match LABELS.contains(&name) {
            true => None,
            false => self.resource.and_then(|resource| resource.get(name)),
        };
        let named = self.named.iter().filter(move |(key, _)| *key == name);
        named.map(|(_, value)| value.as_ref()).chain(attribute)
    }
}

/// A record's severity in the words of an incident's.
const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Unspecified | Severity::Trace | Severity::Debug | Severity::Info => {
            Gravity::Info.name()
        }
        Severity::Warn => Gravity::Warning.name(),
        Severity::Error => Gravity::Error.name(),
        Severity::Fatal => Gravity::Critical.name(),
    }
}
