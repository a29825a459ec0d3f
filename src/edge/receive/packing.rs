//! How a body is compressed, and what it was before.

use std::borrow::Cow;
use std::io::Read;

use super::receiver::Failure;

/// Largest zstd window in bits (8 MiB, what RFC 8878 asks every decoder to support): the window is
/// allocated before the first byte comes out, so a tiny body could otherwise ask for gigabytes.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// What a body is taken to grow to before its first byte is out, as a multiple.
const GROWTH_USUAL: usize = 8;
/// Bytes that come out between two looks at the budget.
const STEP_BYTES: usize = 1 << 20;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip (RFC 1952), one member or several.
    Gzip,
    /// zstd (RFC 8878).
    Zstd,
}

impl Packing {
    /// What `Content-Encoding` or `grpc-encoding` says; `None` for what is not taken.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Plain),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The bytes as they were before packing, at most `limit` of them: a bomb is given up on at
    /// the limit, however large it would become. `room` is asked before each step of growth for
    /// so many bytes in all.
    pub(super) fn unpack<'a>(
        self,
        sent: &'a [u8],
        limit: usize,
        room: impl FnMut(usize) -> Result<(), Failure>,
    ) -> Result<Cow<'a, [u8]>, Failure> {
        let unpacked = match self {
            Self::Plain => return Ok(Cow::Borrowed(sent)),
            Self::Gzip => {
                let packed = flate2::bufread::MultiGzDecoder::new(sent);
                read_bounded(packed, gzip_hint(sent, limit), limit, room)?
            }
            Self::Zstd => {
                let mut packed =
                    zstd::Decoder::with_buffer(sent).map_err(|fault| broken(&fault))?;
                packed
                    .window_log_max(ZSTD_WINDOW_LOG_MAX)
                    .map_err(|fault| broken(&fault))?;
                let hint = sent.len().saturating_mul(GROWTH_USUAL);
                read_bounded(packed, hint, limit, room)?
            }
        };
        Ok(Cow::Owned(unpacked))
    }
}

/// The length that the last member says it has, if it can be.
fn gzip_hint(sent: &[u8], limit: usize) -> usize {
    let says = sent.last_chunk().map_or(0, |len| u32::from_le_bytes(*len)) as usize;
    // A body of zeros packs 1,030 to one; what claims more is not believed.
    match says <= limit && says / 1_032 <= sent.len() {
        true => says,
        false => sent.len().saturating_mul(GROWTH_USUAL),
    }
}

fn read_bounded(
    mut packed: impl Read,
    hint: usize,
    limit: usize,
    mut room: impl FnMut(usize) -> Result<(), Failure>,
) -> Result<Vec<u8>, Failure> {
    // One byte more than the limit tells a full body from a cut one.
    let full = limit.saturating_add(1);
    let mut unpacked = Vec::new();
    let mut next = hint.saturating_add(1).clamp(STEP_BYTES.min(full), full);
    loop {
        room(next)?;
        unpacked.reserve_exact(next - unpacked.len());
        let wanted = (next - unpacked.len()) as u64;
        let read = packed.by_ref().take(wanted).read_to_end(&mut unpacked);
        let read = read.map_err(|fault| broken(&fault))? as u64;
        if unpacked.len() > limit {
            return Err(Failure::TooLarge {
                limit,
                size: "after decompression",
            });
        }
        if read < wanted {
            return Ok(unpacked);
        }
        next = next.saturating_mul(2).min(full);
    }
}

fn broken(fault: &std::io::Error) -> Failure {
    Failure::Undecodable(format!("the body could not be decompressed: {fault}"))
}
