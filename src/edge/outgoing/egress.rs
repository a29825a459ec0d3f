//! Which hosts and networks knothole may reach of its own accord.

use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::Url;
use serde::Deserialize;

use super::Problem;

/// Most entries of the list.
const ALLOW_MAX: usize = 1024;

/// The `egress:` part of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Host names (`hooks.example.net`, `*.example.net`), addresses and networks (`10.1.0.0/16`).
    /// Empty: each may be reached that its own settings allow. Not empty: nothing else is
    /// reached, and an address in a network that is listed needs no `allow_private`. Link-local
    /// and metadata addresses are never reached.
    pub allow: Vec<String>,
}

impl Egress {
    /// Everything that is wrong with the list.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.allow.len() > ALLOW_MAX {
            problems.push(Problem {
                path: "egress.allow".to_owned(),
                message: format!("has {} entries", self.allow.len()),
                hint: "list 1024 at most; a network or *.example.net covers many",
            });
        }
        let entries = self.allow.iter().enumerate();
        problems.extend(entries.filter(|(_, text)| Entry::read(text).is_none()).map(
            |(index, text)| Problem {
                path: format!("egress.allow[{index}]"),
                message: format!("{text:?} is neither a host nor a network"),
                hint: "write hooks.example.net, *.example.net, 192.0.2.7 or 10.1.0.0/16",
            },
        ));
        problems
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.allow.is_empty()
    }

    /// Whether the host of `url` is listed by its name.
    pub(crate) fn names(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        self.entries().any(|entry| match entry {
            Entry::Host(name) => name == host,
            Entry::Below(suffix) => host.strip_suffix(&suffix).is_some_and(|it| !it.is_empty()),
            Entry::Net(_) => false,
        })
    }

    /// Whether a name that is not listed may lead to an address that is.
    pub(crate) fn lists_a_network(&self) -> bool {
        self.entries().any(|entry| matches!(entry, Entry::Net(_)))
    }

    /// Whether `address` is listed, or is in a network that is.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        self.entries()
            .any(|entry| matches!(entry, Entry::Net(net) if net.contains(&address)))
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.allow.iter().filter_map(|text| Entry::read(text))
    }
}

enum Entry {
    Host(String),
    /// Every host whose name ends so; starts with a dot.
    Below(String),
    Net(IpNet),
}

impl Entry {
    /// `None` for what names nothing.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if let Ok(net) = text.parse() {
            return Some(Self::Net(net));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Net(address.into()));
        }
        let is_name = |name: &str| {
            let is_label = |label: &str| {
                !label.is_empty()
                    && label
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            };
            name.len() <= 253
                && name.split('.').all(is_label)
                // What ends in a number is an address to those who resolve it.
                && !name.ends_with(|c: char| c.is_ascii_digit())
        };
        match text.strip_prefix('*') {
            Some(suffix) => {
                let name = suffix.strip_prefix('.')?;
                is_name(name).then(|| Self::Below(suffix.to_owned()))
            }
            None => is_name(&text).then_some(Self::Host(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(allow: &[&str]) -> Egress {
        Egress {
            allow: allow.iter().map(ToString::to_string).collect(),
        }
    }

    fn url(host: &str) -> Url {
        format!("https://{host}/hook").parse().unwrap()
    }

    #[test]
    fn a_host_is_named_whole_and_a_star_stands_for_what_is_below() {
        let list = egress(&["hooks.example.net", "*.example.org"]);
        assert_eq!(list.check(), []);
        for host in [
            "hooks.example.net",
            "HOOKS.example.net",
            "a.example.org",
            "a.b.example.org",
        ] {
            assert!(list.names(&url(host)), "{host}");
        }
        for host in [
            "example.net",
            "a.hooks.example.net",
            "hooks.example.net.evil.test",
            "evilexample.org",
            "example.org",
            "hooks.example.net.",
        ] {
            assert!(!list.names(&url(host)), "{host}");
        }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let list = egress(&["10.1.0.0/16", "192.0.2.7", "fd00::/8"]);
        assert_eq!(list.check(), []);
        let holds = |text: &str| list.holds(text.parse().unwrap());
        assert!(holds("10.1.255.1") && holds("192.0.2.7") && holds("fd12::1"));
        assert!(!holds("10.2.0.1") && !holds("192.0.2.8") && !holds("fe80::1"));
    }

    #[test]
    fn an_entry_that_names_nothing_is_told() {
        let list = egress(&[
            "",
            "*",
            "*.",
            "https://a",
            "10.0.0.0/40",
            "a b",
            "1.2.3",
            "ok.test",
        ]);
        let paths: Vec<String> = list
            .check()
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        let wrong: Vec<String> = (0..7).map(|n| format!("egress.allow[{n}]")).collect();
        assert_eq!(paths, wrong);
    }
}
