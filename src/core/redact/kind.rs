//! The kinds of secrets that are known without being told.

/// Declares [`Kind`], each with its name.
macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// A kind of secret or personal data.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// All of them, as they are declared.
            pub(super) const ALL: &[Self] = &[$(Self::$kind,)*];

            /// What settings, marks and metrics call it.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    // The value of a name that says so.
    Secret "secret",
    Authorization "authorization",
    Cookie "cookie",
    UrlPassword "url-password",
    // What has a form of its own.
    Jwt "jwt",
    PrivateKey "private-key",
    WebhookUrl "webhook-url",
    // What the makers of keys let them begin with.
    AgeKey "age-key",
    AnthropicKey "anthropic-key",
    AtlassianToken "atlassian-token",
    AwsKey "aws-key",
    DatabricksToken "databricks-token",
    DigitalOceanToken "digitalocean-token",
    DockerToken "docker-token",
    DopplerToken "doppler-token",
    DynatraceToken "dynatrace-token",
    FigmaToken "figma-token",
    GithubToken "github-token",
    GitlabToken "gitlab-token",
    GoogleKey "google-key",
    GrafanaToken "grafana-token",
    GroqKey "groq-key",
    HuggingFaceToken "huggingface-token",
    LinearKey "linear-key",
    NewRelicKey "newrelic-key",
    NpmToken "npm-token",
    OpenAiKey "openai-key",
    PlanetScaleToken "planetscale-token",
    PostmanKey "postman-key",
    PypiToken "pypi-token",
    RubyGemsKey "rubygems-key",
    SendGridKey "sendgrid-key",
    SentryToken "sentry-token",
    ShopifyToken "shopify-token",
    SlackToken "slack-token",
    SquareToken "square-token",
    StripeKey "stripe-key",
    TelegramToken "telegram-token",
    TwilioKey "twilio-key",
    VaultToken "vault-token",
    // Who somebody is, and what he pays with.
    Email "email",
    Card "card",
    Iban "iban",
    Ssn "ssn",
    Phone "phone",
}

/// Some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u64);

impl Kinds {
    pub(super) const ALL: Self = Self(u64::MAX);
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn has(self, kind: Kind) -> bool {
        self.0 >> kind as u64 & 1 == 1
    }

    pub(super) const fn without(self, kind: Kind) -> Self {
        Self(self.0 & !(1 << kind as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_a_place_in_a_word_of_64_bits_and_a_name_of_its_own() {
        assert!(Kind::ALL.len() <= 64);
        for (index, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, index);
            let same = Kind::ALL.iter().filter(|other| other.name() == kind.name());
            assert_eq!(same.count(), 1, "{}", kind.name());
        }
    }
}
