//! Log text → template.
//!
//! The miner is streaming and bounded. One pass masks what varies by its shape (numbers,
//! addresses, ids, paths): [`mask`]. Lines with one masked shape share a template, found through a
//! hash cache. A word that varies without looking like a value is found by saturation: shapes that
//! differ in one position only become one template once that position has shown more than
//! [`VALUES_MAX`](miner::VALUES_MAX) words ([`miner`]), so that "VM started" and "VM paused" stay
//! two templates. Drain (He et al., ICWS 2017) gives the grouping by token count; the saturation
//! follows ByteBrain (2025).

mod mask;
mod miner;
mod hand;
mod param;
mod time;

pub use hand::{
    Class, HAND_TEMPLATES_MAX, Hand, HandProblem, HandSpec, HandTemplate, MASKS_MAX, MaskSpec,
    Masked, Pattern, Placed, REST, SPLIT_VALUES_MAX, Split, SplitSpec, TEXT_LEN_MAX, TemplateSpec,
    classify, form_of, kind_of, masked_text, values_of,
};
pub use mask::{
    LINE_LEN_MAX, SHAPE_LEN_MAX, Shape, TOKENS_MAX, Token, TokenKind, WILDCARD, shape_of,
};
pub use miner::{
    BIRTHS_MAX, CACHE_MAX, Miner, MinerSnapshot, OVERFLOW_TEXT, Parsed, SKELETONS_MAX,
    TEMPLATES_MAX, Template, VALUES_MAX,
};
pub use param::{AnchoredParam, PARAMS_MAX, Param, ParamKind, Place};
pub use time::{Head, read_head};

/// Names the masking rules; a bundle made under other rules has other template ids.
pub const MASKS_VERSION: u32 = 1;
