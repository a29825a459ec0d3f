//! Log text → template and typed values.
//!
//! ```text
//! record ─ lane ─▶ message
//! message ─ scan ─▶ form key ─ cache ─▶ template + values           a form that is known
//!                      └─▶ form ─ mask ─▶ shape ─ cluster ─▶ template   a new one
//! ```
//!
//! [`lane`] finds the message of a record, whatever it is wrapped in.
//! [`scan`] cuts out what varies by its bytes alone in one pass. What is left, the *form*, decides
//! everything else, so that it is decided once per form: [`mask`] turns a form into a readable
//! *shape*, [`cluster`] tells which shapes are one template, and [`miner`] keeps the templates of a
//! stream: their ids, their counts, and the room they take. [`hand`] holds what people wrote down:
//! it goes before what is learned.

mod cache;
mod cluster;
mod hand;
mod lane;
mod mask;
mod miner;
mod param;
mod scan;
mod time;

pub use cache::{Cache, Entry, FORMS_MAX, VALUES_PER_FORM, emit};
pub use cluster::{Cluster, Pattern, VALUES_MAX, cluster, group_of};
pub use hand::{
    HAND_TEMPLATES_MAX, Hand, HandProblem, HandSpec, HandTemplate, MASKS_MAX, MaskSpec, Masked,
    Placed, REST, SPLIT_VALUES_MAX, Split, SplitSpec, TEXT_LEN_MAX, TemplateSpec, classify,
    masked_text, seen_as, values_of,
};
pub use lane::{
    CAUSED_BY, Folder, KEY_SET_LEN_MAX, KEYS_MAX, Lane, Message, NESTED_MAX, RECORD_LINES_MAX,
    STACK_RECORDS_MAX, is_stack_line, message, stack_of,
};
pub use mask::{LINE_LEN_MAX, SHAPE_LEN_MAX, Shape, TOKENS_MAX, WILDCARD, shape_of};
pub use miner::{
    ALIASES_MAX, BIRTHS_PER_MINUTE_MAX, COMPARED_WORDS_MAX, Change, Health, LINEAGE_MAX, Limits,
    MEMBERS_MAX, Miner, MinerSnapshot, OVERFLOW_TEXT, Parsed, SHAPES_BYTES_MAX, STEPS_BYTES_MAX,
    TEMPLATES_MAX, Template,
};
pub use param::{AnchoredParam, PARAMS_MAX, Param, ParamKind, Place};
pub use scan::{HEX, Key, MIXED, NUMBER, Scan, UUID, form_of};
pub use time::{Head, read_head};

/// Names the masking rules; a bundle made under other rules has other template ids.
pub const MASKS_VERSION: u32 = 2;
