//! Which hosts and networks the sinks may reach at all.

use serde::Deserialize;

/// The `egress:` part of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Host names (`hooks.example.net`, `*.example.net`), addresses and networks
    /// (`10.1.0.0/16`). Empty: sinks may reach whatever their own settings allow. Not empty: nothing
    /// else is reached, and a private address in a network that is listed needs no
    /// `allow_private` of its own. Link-local and metadata addresses are never reached.
    pub allow: Vec<String>,
}
