//! Where in a text a secret may be: a few passes over its bytes that most lines leave with nothing.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind, Span, packed};
use pulp::Arch;

use super::vendor::{VENDORS, Vendor};

/// What a text says where a secret may be.
#[derive(Clone, Copy)]
pub(super) enum Lead {
    /// Part of a name.
    Name,
    /// The scheme of a header.
    Bearer,
    Basic,
    /// `{"`, in base64.
    Jwt,
    PrivateKey,
    Webhook,
    Telegram,
    /// The prefix of a key.
    Vendor(&'static Vendor),
}

/// What leads to a secret, beside the prefixes of makers. Words come in the cases that people write.
const LEADS: &[(&str, Lead)] = &[
    ("pass", Lead::Name),
    ("Pass", Lead::Name),
    ("PASS", Lead::Name),
    ("pwd", Lead::Name),
    ("Pwd", Lead::Name),
    ("PWD", Lead::Name),
    ("secret", Lead::Name),
    ("Secret", Lead::Name),
    ("SECRET", Lead::Name),
    ("token", Lead::Name),
    ("Token", Lead::Name),
    ("TOKEN", Lead::Name),
    ("key", Lead::Name),
    ("Key", Lead::Name),
    ("KEY", Lead::Name),
    ("phone", Lead::Name),
    ("Phone", Lead::Name),
    ("PHONE", Lead::Name),
    ("obile", Lead::Name),
    ("OBILE", Lead::Name),
    ("msisdn", Lead::Name),
    ("Msisdn", Lead::Name),
    ("MSISDN", Lead::Name),
    ("ookie", Lead::Name),
    ("OOKIE", Lead::Name),
    ("redential", Lead::Name),
    ("REDENTIAL", Lead::Name),
    ("uthorization", Lead::Name),
    ("UTHORIZATION", Lead::Name),
    ("ignature", Lead::Name),
    ("IGNATURE", Lead::Name),
    ("sig=", Lead::Name),
    ("ssn", Lead::Name),
    ("Ssn", Lead::Name),
    ("SSN", Lead::Name),
    ("otp", Lead::Name),
    ("Otp", Lead::Name),
    ("OTP", Lead::Name),
    ("cvv", Lead::Name),
    ("Cvv", Lead::Name),
    ("CVV", Lead::Name),
    ("cvc", Lead::Name),
    ("Cvc", Lead::Name),
    ("CVC", Lead::Name),
    ("earer ", Lead::Bearer),
    ("EARER ", Lead::Bearer),
    ("asic ", Lead::Basic),
    ("ASIC ", Lead::Basic),
    ("eyJ", Lead::Jwt),
    ("-----BEGIN", Lead::PrivateKey),
    ("hooks.slack.com/", Lead::Webhook),
    ("discord.com/api/", Lead::Webhook),
    ("discordapp.com/api/", Lead::Webhook),
    ("webhook.office.com/", Lead::Webhook),
    (":AA", Lead::Telegram),
];

/// Prefixes that another way leads to: they are part of a name, too short, or the beginning of
/// another one.
const OTHERWISE: [&str; 3] = ["key-", "SK", "sk-ant-"];

static ANCHORS: LazyLock<Anchors> = LazyLock::new(Anchors::new);

struct Anchors {
    leads: Vec<Lead>,
    fast: Option<packed::Searcher>,
    any: Option<AhoCorasick>,
    arch: Arch,
}

/// Looks for leads and remembers how.
#[derive(Clone, Copy)]
pub(super) struct Look(&'static Anchors);

impl Look {
    pub(super) fn new() -> Self {
        Self(&ANCHORS)
    }

    /// The first lead from `from` on, and the bytes that it takes.
    pub(super) fn lead(self, text: &[u8], from: usize) -> Option<(Lead, Span)> {
        let span = Span::from(from..text.len());
        let found = match (&self.0.fast, &self.0.any) {
            (Some(fast), _) => fast.find_in(text, span),
            (None, Some(any)) => any.find(aho_corasick::Input::new(text).span(span)),
            (None, None) => None,
        }?;
        let lead = self.0.leads.get(found.pattern().as_usize())?;
        Some((*lead, found.span()))
    }

    /// The first block of [`BLOCK_LEN`] bytes from `from` on that a number which checks itself, or a
    /// key that begins like a word, may begin in.
    pub(super) fn number(self, text: &[u8], from: usize) -> Option<usize> {
        self.0.arch.dispatch(
            #[inline(always)]
            || first_block(text, from),
        )
    }
}

/// Bytes that are looked at together.
pub(super) const BLOCK_LEN: usize = 64;
/// Bytes around a block that are looked at: one before, and what a number needs to be one.
const WINDOW_LEN: usize = BLOCK_LEN + 16;

#[inline(always)]
fn first_block(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at < text.len() {
        let whole = at
            .checked_sub(1)
            .and_then(|before| text.get(before..)?.first_chunk());
        let is_suspect = match whole {
            Some(window) => may_hold(window),
            None => may_hold(&padded(text, at)),
        };
        if is_suspect {
            return Some(at);
        }
        at += BLOCK_LEN;
    }
    None
}

/// The window at `at`, blanks where the text has nothing.
fn padded(text: &[u8], at: usize) -> [u8; WINDOW_LEN] {
    let mut window = [b' '; WINDOW_LEN];
    let skip = usize::from(at == 0);
    let bytes = text.iter().skip(at.saturating_sub(1));
    let places = window.iter_mut().skip(skip);
    places.zip(bytes).for_each(|(to, from)| *to = *from);
    window
}

/// Whether a card, an account number or `SK` and a digit may begin in a window, without a branch, so
/// that many bytes are looked at in one step. Cards have digits at these places however they are
/// grouped; dates and times have none at one of them.
#[inline(always)]
fn may_hold(window: &[u8; WINDOW_LEN]) -> bool {
    let digit = |byte: u8| byte.wrapping_sub(b'0') < 10;
    let upper = |byte: u8| byte.wrapping_sub(b'A') < 26;
    let mut any = false;
    for place in 0..BLOCK_LEN {
        let at = |ahead: usize| window[place + 1 + ahead];
        let before = window[place];
        let letter = (before | 0x20).wrapping_sub(b'a') < 26;
        let free = !(letter | digit(before));
        let apart = free & (before != b'_') & (before != b'-') & (before != b'.');
        let issued = at(0).wrapping_sub(b'2') < 5;
        let card = apart
            & issued
            & digit(at(3))
            & digit(at(6))
            & digit(at(8))
            & digit(at(10))
            & digit(at(13));
        let account = free & upper(at(0)) & upper(at(1)) & digit(at(2)) & digit(at(3));
        let twilio =
            (at(0) == b'S') & (at(1) == b'K') & (digit(at(2)) | (at(2).wrapping_sub(b'a') < 6));
        any |= card | account | twilio;
    }
    any
}

impl Anchors {
    fn new() -> Self {
        let vendors = VENDORS
            .iter()
            .filter(|vendor| !OTHERWISE.contains(&vendor.prefix));
        let vendors = vendors.map(|vendor| (vendor.prefix, Lead::Vendor(vendor)));
        let (words, leads): (Vec<&str>, Vec<Lead>) = vendors.chain(LEADS.iter().copied()).unzip();
        let fast = packed::Config::new()
            .heuristic_pattern_limits(false)
            .builder()
            .extend(&words)
            .build();
        let any = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .build(&words);
        Self {
            leads,
            any: any.ok().filter(|_| fast.is_none()),
            fast,
            arch: Arch::new(),
        }
    }
}
