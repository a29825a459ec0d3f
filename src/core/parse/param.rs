//! Typed values of a message, and where they stand.

/// Most typed values kept of one message; later ones are wildcards in the text without a span.
pub const PARAMS_MAX: usize = 64;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParamKind {
    /// A whole or decimal number, with its sign.
    Number,
    /// A number or a string of bytes written in hexadecimal.
    Hex,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A UUID.
    Uuid,
    /// A number with a unit of time.
    Duration,
    /// A number with a unit of bytes.
    Size,
    /// A path in a file system or in a URL.
    Path,
    /// A date, a time of day or both.
    Timestamp,
    /// An address with a scheme.
    Url,
    /// A mail address or a user at a host.
    Email,
    /// The name of one thing among many: a host, a block, a session.
    Identifier,
    /// Any other word.
    Word,
}

impl ParamKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Number,
        Self::Hex,
        Self::Ip,
        Self::Uuid,
        Self::Duration,
        Self::Size,
        Self::Path,
        Self::Timestamp,
        Self::Url,
        Self::Email,
        Self::Identifier,
        Self::Word,
    ];

    /// The name used in files and in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Hex => "hex",
            Self::Ip => "ip",
            Self::Uuid => "uuid",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Path => "path",
            Self::Timestamp => "timestamp",
            Self::Url => "url",
            Self::Email => "email",
            Self::Identifier => "identifier",
            Self::Word => "word",
        }
    }
}

/// A typed value: bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// What the value is.
    pub kind: ParamKind,
    /// Its first byte in the message.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
}

/// A place in every message of one form: `delta` bytes after the end of the `after`-th variable,
/// or after the start of the message where `after` is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// How many variables end at or before the place.
    pub after: u16,
    /// Bytes from there.
    pub delta: u16,
}

/// A typed value of every message of one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchoredParam {
    /// What the value is.
    pub kind: ParamKind,
    /// Its first byte.
    pub start: Place,
    /// The byte after its last.
    pub end: Place,
}
