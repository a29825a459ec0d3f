//! Where in a text a secret may be: a few passes over its bytes that most lines leave with nothing.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind, Span, packed};
use pulp::{Scalar, Simd, WithSimd};

use super::kind::Kind;
use super::text::{byte, says};
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
    /// The middle of a key.
    OpenAi,
    /// The prefix of a key.
    Vendor(&'static Vendor),
}

impl Lead {
    /// What it leads to; names lead to several.
    pub(super) const fn kind(self) -> Option<Kind> {
        Some(match self {
            Self::Name => return None,
            Self::Bearer | Self::Basic => Kind::Authorization,
            Self::Jwt => Kind::Jwt,
            Self::PrivateKey => Kind::PrivateKey,
            Self::Webhook => Kind::WebhookUrl,
            Self::Telegram => Kind::TelegramToken,
            Self::OpenAi => Kind::OpenAiKey,
            Self::Vendor(vendor) => vendor.kind,
        })
    }
}

/// What leads to a secret, beside the prefixes of makers. Words come in the cases that people write;
/// none is shorter than four bytes, since the search for shorter ones is slow: names that end in a
/// short word are what [`Look::number`] leads to.
const LEADS: &[(&str, Lead)] = &[
    ("assw", Lead::Name),
    ("assp", Lead::Name),
    ("assc", Lead::Name),
    ("ecre", Lead::Name),
    ("ECRE", Lead::Name),
    ("oken", Lead::Name),
    ("OKEN", Lead::Name),
    ("edential", Lead::Name),
    ("EDENTIAL", Lead::Name),
    ("horiza", Lead::Name),
    ("HORIZA", Lead::Name),
    ("ooki", Lead::Name),
    ("OOKI", Lead::Name),
    ("gnatur", Lead::Name),
    ("GNATUR", Lead::Name),
    ("hone", Lead::Name),
    ("HONE", Lead::Name),
    ("obile", Lead::Name),
    ("OBILE", Lead::Name),
    ("sisd", Lead::Name),
    ("SISD", Lead::Name),
    ("arer ", Lead::Bearer),
    ("asic ", Lead::Basic),
    ("eyJh", Lead::Jwt),
    ("eyJ0", Lead::Jwt),
    ("eyJr", Lead::Jwt),
    ("eyJl", Lead::Jwt),
    ("-----BEGIN", Lead::PrivateKey),
    ("hooks.slack.com/", Lead::Webhook),
    ("om/api/webhooks/", Lead::Webhook),
    ("webhook.office.com/", Lead::Webhook),
    (":AAE", Lead::Telegram),
    (":AAF", Lead::Telegram),
    (":AAG", Lead::Telegram),
    (":AAH", Lead::Telegram),
    ("T3BlbkFJ", Lead::OpenAi),
];

/// Prefixes that are too short for this search: [`Look::number`] leads to them.
const SHORT: [&str; 3] = ["SK", "SG.", "hf_"];
/// Words that are searched for together: with more of them at once the search is many times slower.
const TOGETHER: usize = 32;

static ANCHORS: LazyLock<Anchors> = LazyLock::new(Anchors::new);

struct Anchors {
    groups: Vec<Group>,
}

/// Words that are searched for together.
struct Group {
    leads: Vec<Lead>,
    /// `None` where the processor has no vectors for it.
    fast: Option<packed::Searcher>,
    any: Option<AhoCorasick>,
}

/// Looks for leads and remembers how.
#[derive(Clone, Copy)]
pub(super) struct Look(&'static Anchors);

impl Look {
    pub(super) fn new() -> Self {
        Self(&ANCHORS)
    }

    /// How many groups of leads there are.
    pub(super) fn groups(self) -> usize {
        self.0.groups.len()
    }

    /// The first lead of a group from `from` on, and the bytes that it takes.
    pub(super) fn lead(self, group: usize, text: &[u8], from: usize) -> Option<(Lead, Span)> {
        let Group { leads, fast, any } = self.0.groups.get(group)?;
        let span = Span::from(from..text.len());
        let found = match (fast, any) {
            (Some(fast), _) => fast.find_in(text, span),
            (None, Some(any)) => any.find(aho_corasick::Input::new(text).span(span)),
            (None, None) => None,
        }?;
        let lead = leads.get(found.pattern().as_usize())?;
        Some((*lead, found.span()))
    }

    /// The first block of [`BLOCK_LEN`] bytes from `from` on that a number which checks itself, a key
    /// that begins like a word, or a short word of a name may begin in.
    pub(super) fn number(self, text: &[u8], from: usize) -> Option<usize> {
        let blocks = Blocks { text, from };
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V4::try_new() {
                return Simd::vectorize(simd, blocks);
            }
            if let Some(simd) = pulp::x86::V3::try_new() {
                return Simd::vectorize(simd, blocks);
            }
        }
        Simd::vectorize(Scalar, blocks)
    }
}

/// Bytes that are looked at together.
pub(super) const BLOCK_LEN: usize = 64;
/// Bytes around a block that are looked at: one before, and what a number needs to be one.
const WINDOW_LEN: usize = BLOCK_LEN + 16;

/// A text in blocks from `from` on. What looks at them is compiled for the widest vectors of the
/// processor.
struct Blocks<'a> {
    text: &'a [u8],
    from: usize,
}

impl WithSimd for Blocks<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Option<usize> {
        let Self { text, from } = self;
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

/// The last three letters of short words that names of secrets end in, in lower case.
pub(super) const SHORT_WORDS: [&str; 5] = ["key", "pwd", "ssn", "sig", "ass"];

/// Whether a short word of a name begins at `at` and ends there as well: no lower-case letter goes on.
pub(super) fn is_short_word(text: &[u8], at: usize) -> bool {
    SHORT_WORDS
        .iter()
        .any(|word| says(text, at, word) && !byte(text, at + word.len()).is_ascii_lowercase())
}

/// Whether at `start` may begin what [`may_hold`] looks for, whatever is before it.
pub(super) fn may_begin(text: &[u8], start: usize) -> bool {
    let digit = |ahead: usize| byte(text, start + ahead).is_ascii_digit();
    match byte(text, start) {
        // Dates fail at the first of these.
        b'2'..=b'6' => [10, 13, 1, 2, 3, 6, 8].into_iter().all(digit),
        b'S' if matches!(byte(text, start + 1), b'K' | b'G') => true,
        b'A'..=b'Z' => digit(2) && digit(3) && byte(text, start + 1).is_ascii_uppercase(),
        b'h' => byte(text, start + 1) == b'f' && byte(text, start + 2) == b'_',
        _ => false,
    }
}

/// Whether a card, an account number, a short prefix of a key or a short word may begin in a window, without a branch,
/// so that many bytes are looked at in one step. Cards have digits at these places however they are
/// grouped; dates and times have none at one of them.
#[inline(always)]
fn may_hold(window: &[u8; WINDOW_LEN]) -> bool {
    let (mut digits, mut uppers) = ([0; WINDOW_LEN], [0; WINDOW_LEN]);
    let mut lower = [0; WINDOW_LEN];
    for place in 0..WINDOW_LEN {
        digits[place] = u8::from(window[place].wrapping_sub(b'0') < 10);
        uppers[place] = u8::from(window[place].wrapping_sub(b'A') < 26);
        lower[place] = window[place] | 0x20;
    }
    let digit = |ahead: usize| from(&digits, 1 + ahead);
    let upper = |ahead: usize| from(&uppers, 1 + ahead);
    let at = |ahead: usize| from(window, 1 + ahead);
    let before = from(window, 0);
    let [d0, d1, d2, d3] = [digit(0), digit(1), digit(2), digit(3)];
    let [d6, d8, d10, d13] = [digit(6), digit(8), digit(10), digit(13)];
    let [u0, u1] = [upper(0), upper(1)];
    let [b0, b1, b2, b3] = [at(0), at(1), at(2), at(3)];
    let [l0, l1, l2] = [0, 1, 2].map(|ahead| from(&lower, 1 + ahead));
    let mut any = 0;
    for place in 0..BLOCK_LEN {
        let is = |bytes: &[u8; BLOCK_LEN], wanted: u8| u8::from(bytes[place] == wanted);
        let last = before[place];
        let joined = is(before, b'_') | is(before, b'-') | is(before, b'.');
        let in_word = u8::from((last | 0x20).wrapping_sub(b'a') < 26)
            | u8::from(last.wrapping_sub(b'0') < 10);
        let issued = u8::from(b0[place].wrapping_sub(b'2') < 5);
        let four = d0[place] & d1[place] & d2[place] & d3[place];
        let card = issued & four & d6[place] & d8[place] & d10[place] & d13[place] & (joined ^ 1);
        let account = u0[place] & u1[place] & d2[place] & d3[place];
        let upper_prefix = is(b0, b'S') & (is(b1, b'K') | is(b1, b'G'));
        let lower_prefix = is(b0, b'h') & is(b1, b'f') & is(b2, b'_');
        // Letters in either case, and no lower-case one behind them.
        let is = |bytes: &[u8; BLOCK_LEN], wanted: u8| u8::from(bytes[place] == wanted);
        let key = is(l0, b'k') & is(l1, b'e') & is(l2, b'y');
        let pwd = is(l0, b'p') & is(l1, b'w') & is(l2, b'd');
        let sig = is(l0, b's') & is(l1, b'i') & is(l2, b'g');
        let s1 = is(l1, b's');
        let ssn = is(l0, b's') & s1 & is(l2, b'n');
        let pass = is(l0, b'a') & s1 & is(l2, b's');
        let goes_on = u8::from(b3[place].wrapping_sub(b'a') < 26);
        let word = (key | pwd | ssn | sig | pass) & (goes_on ^ 1);
        any |= word | (in_word ^ 1) & (card | account | upper_prefix | lower_prefix);
    }
    any != 0
}

/// A block's length of a window from `start` on.
#[inline(always)]
fn from(window: &[u8; WINDOW_LEN], start: usize) -> &[u8; BLOCK_LEN] {
    const NOTHING: &[u8; BLOCK_LEN] = &[0; BLOCK_LEN];
    let rest = window.get(start..).and_then(|rest| rest.first_chunk());
    rest.unwrap_or(NOTHING)
}

impl Anchors {
    fn new() -> Self {
        let vendors = VENDORS
            .iter()
            .filter(|vendor| !SHORT.contains(&vendor.prefix));
        let vendors = vendors.map(|vendor| (vendor.prefix, Lead::Vendor(vendor)));
        let leads: Vec<(&str, Lead)> = LEADS.iter().copied().chain(vendors).collect();
        Self {
            groups: leads.chunks(TOGETHER).map(Group::new).collect(),
        }
    }
}

impl Group {
    fn new(leads: &[(&str, Lead)]) -> Self {
        let (words, leads): (Vec<&str>, Vec<Lead>) = leads.iter().copied().unzip();
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
        }
    }
}
