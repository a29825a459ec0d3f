//! Compression of requests.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::otlp_check) enum Packing {
    None,
    Gzip,
    Zstd,
    Deflate,
}

impl Packing {
    /// The name in `grpc-encoding` and `Content-Encoding`.
    pub(in crate::cli::otlp_check) const fn name(self) -> &'static str {
        match self {
            Self::None => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
        }
    }

    /// `bytes`, compressed.
    pub(in crate::cli::otlp_check) fn pack(self, bytes: &Bytes) -> Bytes {
        if self == Self::None {
            return bytes.clone();
        }
        self.pack_all([bytes.clone()])
    }

    /// All of `pieces` in one stream, without the whole being held plain.
    pub(in crate::cli::otlp_check) fn pack_all(
        self,
        pieces: impl IntoIterator<Item = Bytes>,
    ) -> Bytes {
        let pieces = pieces.into_iter();
        let packed = match self {
            Self::None => Ok(pieces.flatten().collect()),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                write(&mut encoder, pieces).and_then(|()| encoder.finish())
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                write(&mut encoder, pieces).and_then(|()| encoder.finish())
            }
            Self::Zstd => zstd::Encoder::new(Vec::new(), 1).and_then(|mut encoder| {
                write(&mut encoder, pieces)?;
                encoder.finish()
            }),
        };
        // Writing to memory does not fail.
        packed.unwrap_or_default().into()
    }
}

fn write(encoder: &mut impl Write, pieces: impl Iterator<Item = Bytes>) -> io::Result<()> {
    for piece in pieces {
        encoder.write_all(&piece)?;
    }
    Ok(())
}
