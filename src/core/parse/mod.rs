//! Log text → template.
//!
//! A record's message is found first, whatever it is wrapped in: [`message`]. Then it is mined.
//!
//! The miner is streaming and bounded. One pass masks what varies by its shape (numbers,
//! addresses, ids, paths): [`mask`]. Lines with one masked shape share a template, found through a
//! hash cache. A word that varies without looking like a value is found by saturation: shapes that
//! differ in one position only become one template once that position has shown more than
//! [`VALUES_MAX`](miner::VALUES_MAX) words ([`miner`]), so that "VM started" and "VM paused" stay
//! two templates. Drain (He et al., ICWS 2017) gives the grouping by token count; the saturation
//! follows ByteBrain (2025).

mod lane;
mod mask;
mod miner;
mod time;

pub use lane::{
    CAUSED_BY, Folder, KEY_SET_LEN_MAX, KEYS_MAX, Lane, Message, NESTED_MAX, RECORD_LINES_MAX,
    message,
};
pub use mask::{LINE_LEN_MAX, SHAPE_LEN_MAX, WILDCARD};
pub use miner::{
    ALIASES_MAX, BIRTHS_MAX, CACHE_MAX, Miner, MinerSnapshot, OVERFLOW_TEXT, Parsed, SKELETONS_MAX,
    TEMPLATES_MAX, Template, VALUES_MAX,
};
pub use time::{Head, read_head};

/// Names the masking rules; a bundle made under other rules has other template ids.
pub const MASKS_VERSION: u32 = 1;
