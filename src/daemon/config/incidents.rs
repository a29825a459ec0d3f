//! Incidents, who may do what through the API, and where notifications may go: what the file says →
//! what each room asks for.

use std::path::PathBuf;

use serde::Deserialize;

use super::check::Finding;
use super::settings::Settings;
use super::units::Period;
use crate::core::incident;
use crate::edge::api::{Caller, Gate, Role, TokenSettings, TokenSource};

/// How signs become incidents, and when one is over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentSettings {
    /// How long an incident gathers signs before it is told.
    pub settle: Period,
    /// How long after its latest sign a service draws its neighbours into its incident.
    pub join_within: Period,
    /// How long an incident is without a sign until it is over.
    pub quiet_for: Period,
    /// How long after its end an incident is opened again when one of its signs comes back.
    pub reopen_within: Period,
    /// The least time between two updates, unless it got graver or came back.
    pub update_every: Period,
}

impl Default for IncidentSettings {
    fn default() -> Self {
        let usual = incident::Settings::default();
        Self {
            settle: Period::from(usual.settle),
            join_within: Period::from(usual.join_within),
            quiet_for: Period::from(usual.quiet_for),
            reopen_within: Period::from(usual.reopen_within),
            update_every: Period::from(usual.update_every),
        }
    }
}

/// Who may do what through the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSettings {
    /// Bearer tokens; none lets everybody on this machine.
    pub tokens: Vec<ApiToken>,
}

/// A token, or a file of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiToken {
    /// Whose they are, as the audit tells it.
    pub name: String,
    /// What they may do: viewer, operator or approver.
    pub role: Role,
    /// The file with them, one a line, read again when it changes.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Or the environment variable with one.
    #[serde(default)]
    pub token_env: Option<String>,
}

/// A Backstage catalog.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogEntry {
    /// The backend: `https://backstage.example.net`.
    pub url: String,
    /// The file with a static token of `backend.auth.externalAccess`.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Or the environment variable with it.
    #[serde(default)]
    pub token_env: Option<String>,
    /// How long what it said holds.
    #[serde(default = "quarter_of_an_hour")]
    pub refresh: Period,
    /// Whether `url` may lead to a private address.
    #[serde(default)]
    pub allow_private: bool,
}

fn quarter_of_an_hour() -> Period {
    Period::from(std::time::Duration::from_secs(15 * 60))
}

impl Settings {
    /// How incidents are made up.
    pub fn incident_settings(&self) -> incident::Settings {
        let set = &self.incidents;
        incident::Settings {
            settle: set.settle.get(),
            join_within: set.join_within.get(),
            quiet_for: set.quiet_for.get(),
            reopen_within: set.reopen_within.get(),
            update_every: set.update_every.get(),
            ..incident::Settings::default()
        }
    }

    /// The tokens of the API. One that says neither where it is or both is left out; checked settings
    /// have none such.
    pub fn api_tokens(&self) -> Vec<TokenSettings> {
        let tokens = self.api.tokens.iter();
        let settings = tokens.filter_map(|token| {
            Some(TokenSettings {
                name: token.name.clone(),
                role: token.role,
                source: token.source()?,
            })
        });
        settings.collect()
    }
}

impl CatalogEntry {
    /// The token, where one is set.
    ///
    /// # Errors
    /// It is not there.
    pub fn token(&self) -> Result<Option<String>, String> {
        if let Some(file) = &self.token_file {
            let read = std::fs::read_to_string(file);
            let text = read.map_err(|error| format!("{}: {error}", file.display()))?;
            return Ok(Some(text.trim().to_owned()));
        }
        let Some(name) = &self.token_env else {
            return Ok(None);
        };
        let found = std::env::var(name);
        found.map(Some).map_err(|_| format!("{name} is not set"))
    }

    fn problem(&self) -> Option<String> {
        match (&self.token_file, &self.token_env) {
            (Some(_), Some(_)) => {
                Some("say once where the token is: token_file: FILE or token_env: NAME".to_owned())
            }
            _ => None,
        }
    }
}

impl ApiToken {
    fn source(&self) -> Option<TokenSource> {
        match (&self.token_file, &self.token_env) {
            (Some(file), None) => Some(TokenSource::File(file.clone())),
            (None, Some(name)) => Some(TokenSource::Environment(name.clone())),
            _ => None,
        }
    }
}

/// Everything wrong with incidents, the tokens of the API, the catalog and the list of where
/// notifications may go.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, token) in settings.api.tokens.iter().enumerate() {
        let path = format!("api.tokens[{index}]");
        if token.source().is_none() {
            findings.push((
                path,
                "say where the token is: token_file: FILE or token_env: NAME".to_owned(),
            ));
        } else if token.name.trim().is_empty() {
            let said = "give it the name of whom it belongs to; the audit tells it";
            findings.push((format!("{path}.name"), said.to_owned()));
        } else if Caller::is_own_name(&token.name) {
            let said = "knothole, local, signal and names that begin with \"hook \" are its own in the audit; \
                        write the name of whom the token belongs to";
            findings.push((format!("{path}.name"), said.to_owned()));
        }
    }
    if let Some(catalog) = &settings.catalog {
        findings.extend(catalog.problem().map(|said| ("catalog".to_owned(), said)));
    }
    let (settle, quiet_for) = (&settings.incidents.settle, &settings.incidents.quiet_for);
    if quiet_for.get() <= settle.get() {
        let said =
            "each incident would be over before it is told; give it longer than incidents.settle";
        findings.push(("incidents.quiet_for".to_owned(), said.to_owned()));
    }
    findings.extend(settings.egress.check().into_iter().map(|problem| {
        let said = format!("{}; {}", problem.message, problem.hint);
        (problem.path, said)
    }));
    findings
}

/// What is wrong with the tokens themselves, of settings that are right.
pub(super) fn check_secrets(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = Gate::new(&settings.api_tokens()) {
        findings.push(("api.tokens".to_owned(), error.to_string()));
    }
    let token = settings.catalog.as_ref().map(CatalogEntry::token);
    if let Some(Err(said)) = token {
        findings.push(("catalog".to_owned(), said));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::from_text;

    fn told(text: &str) -> String {
        from_text("k.yaml", text, &[]).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_a_way_out() {
        for name in ["knothole", "Local", "signal", "hook ops"] {
            let text =
                format!("api:\n  tokens:\n    - {{ name: {name}, role: viewer, token_env: T }}\n");
            let own = told(&text);
            assert!(
                own.contains("k.yaml:3") && own.contains("api.tokens[0].name"),
                "{own}"
            );
            assert!(own.contains("write the name of whom"), "{own}");
        }
        let both = "catalog: {url: 'https://b', token_file: /t, token_env: T}\n";
        assert!(told(both).contains("catalog: say once where the token is"));
        let over = told("incidents: {settle: 30s, quiet_for: 10s}\n");
        assert!(
            over.contains("incidents.quiet_for: each incident would be over"),
            "{over}"
        );
        let list = told("egress: {allow: ['a b']}\n");
        assert!(
            list.contains("egress.allow[0]: \"a b\" is neither a host nor a network"),
            "{list}"
        );
        let sink = "{type: alertmanager, name: a, urls: ['http://10.1.2.3:9093']}";
        assert!(told(&format!("sinks: [{sink}]\n")).contains("10.1.2.3 is a private address"));
        let listed = format!("egress: {{allow: [10.1.0.0/16]}}\nsinks: [{sink}]\n");
        assert!(from_text("k.yaml", &listed, &[]).is_ok());
    }
}
