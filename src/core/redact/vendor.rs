//! Keys and tokens that their makers let begin with a prefix, so that they can be found.

use super::found::Found;
use super::kind::{Kind, Kinds};
use super::text::{byte, is_url_safe, opens, run, run_before, slice};

/// Longest part of a key before its known middle.
const HALF_LEN_MAX: usize = 128;

/// A prefix and what follows it.
pub(super) struct Vendor {
    pub(super) prefix: &'static str,
    pub(super) kind: Kind,
    body: Body,
    /// Fewest bytes after the prefix.
    len_min: usize,
}

/// What a key is made of.
#[derive(Clone, Copy)]
enum Body {
    /// Letters and digits.
    Word,
    /// Letters, digits, `_` and `-`.
    UrlSafe,
    /// Letters, digits, `_`, `-`, `.`, `=`, `+`, `/`.
    Any,
    /// Upper-case letters and digits.
    Upper,
    /// Hexadecimal digits.
    Hex,
}

const fn of(kind: Kind, prefix: &'static str, body: Body, len_min: usize) -> Vendor {
    Vendor {
        prefix,
        kind,
        body,
        len_min,
    }
}

/// Of two prefixes that begin alike the longer comes first.
pub(super) const VENDORS: &[Vendor] = &[
    of(Kind::AgeKey, "AGE-SECRET-KEY-1", Body::Upper, 50),
    of(Kind::AnthropicKey, "sk-ant-", Body::UrlSafe, 20),
    of(Kind::OpenAiKey, "sk-proj-", Body::UrlSafe, 20),
    of(Kind::AtlassianToken, "ATATT3", Body::Any, 30),
    of(Kind::AwsKey, "AKIA", Body::Upper, 16),
    of(Kind::AwsKey, "ASIA", Body::Upper, 16),
    of(Kind::DatabricksToken, "dapi", Body::Hex, 32),
    of(Kind::DigitalOceanToken, "dop_v1_", Body::Hex, 40),
    of(Kind::DockerToken, "dckr_pat_", Body::UrlSafe, 20),
    of(Kind::DopplerToken, "dp.pt.", Body::Word, 40),
    of(Kind::DynatraceToken, "dt0c01.", Body::Any, 60),
    of(Kind::FigmaToken, "figd_", Body::UrlSafe, 30),
    of(Kind::GithubToken, "github_pat_", Body::UrlSafe, 36),
    of(Kind::GithubToken, "ghp_", Body::Word, 36),
    of(Kind::GithubToken, "gho_", Body::Word, 36),
    of(Kind::GithubToken, "ghu_", Body::Word, 36),
    of(Kind::GithubToken, "ghs_", Body::Word, 36),
    of(Kind::GithubToken, "ghr_", Body::Word, 36),
    of(Kind::GitlabToken, "glpat-", Body::UrlSafe, 20),
    of(Kind::GitlabToken, "gldt-", Body::UrlSafe, 20),
    of(Kind::GitlabToken, "glrt-", Body::UrlSafe, 20),
    of(Kind::GoogleKey, "AIza", Body::UrlSafe, 35),
    of(Kind::GoogleKey, "ya29.", Body::Any, 30),
    of(Kind::GoogleKey, "GOCSPX-", Body::UrlSafe, 24),
    of(Kind::GrafanaToken, "glsa_", Body::UrlSafe, 32),
    of(Kind::GrafanaToken, "glc_", Body::Any, 32),
    of(Kind::GroqKey, "gsk_", Body::Word, 40),
    of(Kind::HuggingFaceToken, "hf_", Body::Word, 30),
    of(Kind::LinearKey, "lin_api_", Body::Word, 32),
    of(Kind::NewRelicKey, "NRAK-", Body::Upper, 27),
    of(Kind::NpmToken, "npm_", Body::Word, 36),
    of(Kind::PlanetScaleToken, "pscale_", Body::Any, 36),
    of(Kind::PostmanKey, "PMAK-", Body::UrlSafe, 50),
    of(Kind::PypiToken, "pypi-", Body::UrlSafe, 50),
    of(Kind::RubyGemsKey, "rubygems_", Body::Hex, 48),
    of(Kind::SendGridKey, "SG.", Body::Any, 60),
    of(Kind::SentryToken, "sntrys_", Body::Any, 40),
    of(Kind::SentryToken, "sntryu_", Body::Hex, 40),
    of(Kind::ShopifyToken, "shpat_", Body::Hex, 32),
    of(Kind::ShopifyToken, "shpss_", Body::Hex, 32),
    of(Kind::SlackToken, "xoxb-", Body::UrlSafe, 20),
    of(Kind::SlackToken, "xoxp-", Body::UrlSafe, 20),
    of(Kind::SlackToken, "xoxs-", Body::UrlSafe, 20),
    of(Kind::SlackToken, "xoxe", Body::Any, 20),
    of(Kind::SlackToken, "xapp-", Body::UrlSafe, 20),
    of(Kind::SquareToken, "sq0atp-", Body::UrlSafe, 20),
    of(Kind::StripeKey, "sk_live_", Body::Word, 20),
    of(Kind::StripeKey, "sk_test_", Body::Word, 20),
    of(Kind::StripeKey, "rk_live_", Body::Word, 20),
    of(Kind::StripeKey, "rk_test_", Body::Word, 20),
    of(Kind::StripeKey, "whsec_", Body::Any, 24),
    of(Kind::TwilioKey, "SK", Body::Hex, 32),
    of(Kind::VaultToken, "hvs.", Body::UrlSafe, 24),
    of(Kind::VaultToken, "hvb.", Body::UrlSafe, 24),
];

impl Vendor {
    /// The key that begins at `start` with the prefix.
    pub(super) fn find(&self, text: &[u8], start: usize) -> Option<Found> {
        let body = start + self.prefix.len();
        let is_key = |byte: u8| match self.body {
            Body::Word => byte.is_ascii_alphanumeric(),
            Body::UrlSafe => is_url_safe(byte),
            Body::Any => is_url_safe(byte) || b".=+/".contains(&byte),
            Body::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Body::Hex => byte.is_ascii_hexdigit(),
        };
        if !opens(text, start) {
            return None;
        }
        let len = run(text, body, usize::MAX, is_key);
        (len >= self.len_min).then(|| Found::new(self.kind, start, body + len))
    }
}

/// The key at `start` whose prefix is short, or would be found as a name.
pub(super) fn short(text: &[u8], start: usize, wanted: Kinds) -> Option<Found> {
    let prefix = match (
        byte(text, start),
        byte(text, start + 1),
        byte(text, start + 2),
    ) {
        (b'S', b'K', _) => "SK",
        (b'S', b'G', b'.') => "SG.",
        (b'h', b'f', b'_') => "hf_",
        _ => return None,
    };
    let vendor = VENDORS.iter().find(|vendor| vendor.prefix == prefix)?;
    wanted
        .has(vendor.kind)
        .then(|| vendor.find(text, start))
        .flatten()
}

/// The key of OpenAI that these letters are in the middle of.
pub(super) fn open_ai(text: &[u8], middle: usize) -> Option<Found> {
    let before = run_before(text, middle, HALF_LEN_MAX, is_url_safe);
    let half = slice(text, middle - before, middle);
    let mut prefixes = memchr::memmem::find_iter(half, b"sk-").map(|at| middle - before + at);
    let start = prefixes.find(|start| opens(text, *start))?;
    let after = run(text, middle, usize::MAX, is_url_safe);
    Some(Found::new(Kind::OpenAiKey, start, middle + after))
}

/// The number of a Telegram bot before `:AA`, and the token after it.
pub(super) fn telegram(text: &[u8], colon: usize) -> Option<Found> {
    let digits = run_before(text, colon, 12, |byte| byte.is_ascii_digit());
    let len = run(text, colon + 1, usize::MAX, is_url_safe);
    let start = colon - digits;
    // A bot's address has the word before its number: `/bot123:AA…`.
    (digits >= 6 && len >= 30).then(|| Found::new(Kind::TelegramToken, start, colon + 1 + len))
}
