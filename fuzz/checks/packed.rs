//! Any bytes, as a compressed body: it is unpacked and decoded or refused, a bomb at the limit. What was
//! packed comes back, in as many gzip members or zstd frames as it was packed in.

use std::io::{self, Read, Write as _};
use std::sync::{Arc, LazyLock};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use knothole::edge::receive::{
    Accepted, Access, Encoding, Intake, Metrics, Packing, Receiver, Refusal, Reopen, Sent,
    Settings, Signal, Taken,
};

/// Longest body that is taken, in bytes.
const LEN_MAX: usize = 1 << 20;

/// Nothing is ever accepted: requests are only opened.
struct Nobody;

impl Intake for Nobody {
    async fn accept(&self, _request: Accepted) -> Result<Taken, Refusal> {
        Err(Refusal::Stopping)
    }
}

static REOPEN: LazyLock<Option<Reopen>> = LazyLock::new(|| {
    let settings = Settings {
        request_bytes_max: LEN_MAX,
        ..Settings::of_instance("me")
    };
    let access = Access::new(&[]).ok()?;
    let receiver = Receiver::new(
        Arc::new(Nobody),
        settings,
        Metrics::default(),
        (access, None),
    );
    Some(receiver.reopen())
});

pub(crate) fn check(input: &[u8]) {
    let (Some(reopen), Some((&how, body))) = (&*REOPEN, input.split_first()) else {
        return;
    };
    let packing = [Packing::Gzip, Packing::Zstd][usize::from(how % 2)];
    let sent = |packing, body: Vec<u8>| Sent {
        signal: Signal::Logs,
        encoding: Encoding::Protobuf,
        packing,
        body: body.into(),
        tenant: None,
    };
    if reopen.open(&sent(packing, body.to_vec())).is_ok() {
        assert!(unpacked_len(packing, body).is_ok_and(|len| len <= LEN_MAX as u64));
    }
    let (one, two) = body.split_at(body.len() / 2);
    let packed = [packed(packing, one), packed(packing, two)].concat();
    let plain = reopen.open(&sent(Packing::Plain, body.to_vec()));
    let unpacked = reopen.open(&sent(packing, packed));
    assert_eq!(
        plain.map(|it| (it.records, it.bytes)),
        unpacked.map(|it| (it.records, it.bytes))
    );
}

fn packed(packing: Packing, plain: &[u8]) -> Vec<u8> {
    match packing {
        Packing::Plain => plain.to_vec(),
        Packing::Gzip => {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            let written = packer.write_all(plain);
            written.and_then(|()| packer.finish()).unwrap_or_default()
        }
        Packing::Zstd => zstd::encode_all(plain, 1).unwrap_or_default(),
    }
}

fn unpacked_len(packing: Packing, packed: &[u8]) -> io::Result<u64> {
    let mut plain: Box<dyn Read + '_> = match packing {
        Packing::Plain => Box::new(packed),
        Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
    };
    io::copy(&mut plain, &mut io::sink())
}
