//! Requests that are small to send and meant to be dear to take.

use std::io::{Read as _, Write as _};

/// Most bytes of a request before it is packed.
const ROOM: usize = 4_000_000;
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const MIB: usize = 1 << 20;

/// A hostile request.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

type Table = &'static [(&'static str, fn() -> Vec<u8>)];

/// All of them, one after the other: together they are large.
pub(crate) fn all() -> impl Iterator<Item = Shape> {
    let of = |content_type, table: Table| {
        table.iter().map(move |(name, bytes)| Shape {
            name,
            content_type,
            bytes: bytes(),
        })
    };
    of(PROTOBUF, PROTOBUFS).chain(of(JSON, JSONS))
}

/// Bodies that are hostile by how they are packed: name, packing, bytes as sent.
pub(crate) fn packed() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let zeros = |len| {
        let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
        std::io::copy(&mut std::io::repeat(0).take(len), &mut packed).unwrap();
        packed.finish().unwrap()
    };
    let zeros_in_gzip = |len| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::copy(&mut std::io::repeat(0).take(len), &mut packed).unwrap();
        packed.finish().unwrap()
    };
    let (limit, far_more) = (64 * MIB as u64, 1024 * MIB as u64);
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let lines = full(&record(&body(&string(b"order 7 accepted"))));
    // A frame head that asks for a window of 3.75 TiB, and one raw block.
    let window = b"\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00".to_vec();
    // A frame that is to be skipped, with nothing in it.
    let skipped = b"\x50\x2a\x4d\x18\x00\x00\x00\x00";
    vec![
        ("64 MiB of zeros", "zstd", zeros(limit)),
        ("64 MiB of zeros", "gzip", zeros_in_gzip(limit)),
        ("a byte more than 64 MiB", "zstd", zeros(limit + 1)),
        ("a byte more than 64 MiB", "gzip", zeros_in_gzip(limit + 1)),
        ("a gibibyte of zeros", "zstd", zeros(far_more)),
        ("a gibibyte of zeros", "gzip", zeros_in_gzip(far_more)),
        ("packed twice", "gzip", gzip(&zeros_in_gzip(far_more))),
        ("packed twice", "zstd", zstd(&zeros(far_more))),
        ("cut in the middle", "gzip", half(gzip(&lines))),
        ("cut in the middle", "zstd", half(zstd(&lines))),
        ("empty members", "gzip", full(&gzip(b""))),
        ("empty frames", "zstd", full(&zstd(b""))),
        ("frames to skip", "zstd", full(skipped)),
        ("a huge window", "zstd", window),
        ("the other packing", "gzip", zstd(&lines)),
        ("the other packing", "zstd", gzip(&lines)),
        ("no packing at all", "gzip", full(b"x")),
        ("no packing at all", "zstd", full(b"x")),
    ]
}

/// 4 MB of empty log records: 365 bytes of zstd, and about 3.9 KB of gzip.
pub(crate) fn empty_records() -> Vec<u8> {
    logs(&b"\x12\x00".repeat(2_000_000))
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

const PROTOBUFS: Table = &[
    ("empty records", empty_records),
    ("records with an empty body", || {
        logs(&full(&record(&body(b""))))
    }),
    ("records with an empty text", || {
        logs(&full(&record(&body(&string(b"")))))
    }),
    ("records with an empty event name", || {
        logs(&full(&record(&field(12, b""))))
    }),
    ("records of one letter", || {
        logs(&full(&record(&body(&string(b"x")))))
    }),
    ("records with nothing but a number", || {
        logs(&full(&record(b"\x10\x11")))
    }),
    ("empty resources", || full(&field(1, b""))),
    ("empty scopes", || field(1, &full(&field(2, b"")))),
    ("resources of one record", || {
        full(&logs(&record(&body(&string(b"x")))))
    }),
    ("scopes of one record", || {
        field(1, &full(&field(2, &record(&body(&string(b"x"))))))
    }),
    ("one resource again and again", || {
        field(1, &full(&field(1, b"")))
    }),
    ("one scope again and again", || logs(&full(&field(1, b"")))),
    ("one body again and again", || {
        logs(&record(&full(&body(&string(b"x")))))
    }),
    ("empty attributes of a record", || {
        logs(&record(&full(&field(6, b""))))
    }),
    ("empty attributes of a resource", || {
        field(1, &field(1, &full(&field(1, b""))))
    }),
    ("empty attributes of a scope", || {
        logs(&field(1, &full(&field(3, b""))))
    }),
    ("distinct attributes of a record", || {
        logs(&record(&many(|n| attribute(6, &number(n), b"x"))))
    }),
    ("distinct attributes of a resource", || {
        field(1, &field(1, &many(|n| attribute(1, &number(n), b"x"))))
    }),
    ("distinct attributes of a scope", || {
        logs(&field(1, &many(|n| attribute(3, &number(n), b"x"))))
    }),
    ("one attribute again and again", || {
        field(1, &field(1, &full(&attribute(1, b"service.name", b"x"))))
    }),
    ("records of 200 attributes", || {
        logs(&full(&record(&attribute(6, b"k", b"v").repeat(200))))
    }),
    ("distinct services", || {
        many(|n| from_service(&number(n), &record(&body(&string(b"up")))))
    }),
    ("distinct services without UTF-8", || {
        many(|n| {
            from_service(
                &[&number(n)[..], b"\xff\xfe"].concat(),
                &record(&body(&string(b"up"))),
            )
        })
    }),
    ("a service with a long name", || {
        from_service(&full(b"long"), &record(&body(&string(b"up"))))
    }),
    ("distinct event names", || {
        logs(&many(|n| record(&field(12, &number(n)))))
    }),
    ("distinct words", || {
        logs(&many(|n| record(&body(&string(&words(n))))))
    }),
    ("distinct sequences", || {
        logs(&many(|n| {
            record(
                &[
                    field(9, &[&[7; 8], &(n as u64).to_le_bytes()[..]].concat()),
                    body(&string(b"up")),
                ]
                .concat(),
            )
        }))
    }),
    ("ids of a wrong length", || {
        logs(&full(&record(
            &[field(9, b"abc"), field(10, b"abc")].concat(),
        )))
    }),
    ("arrays in arrays", || {
        logs(&record(&body(&nested(&[5, 1]))))
    }),
    ("maps in maps", || logs(&record(&body(&nested(&[6, 1, 2]))))),
    ("maps in arrays in an attribute", || {
        logs(&record(&field(6, &field(2, &nested(&[5, 1, 6, 1, 2])))))
    }),
    ("arrays in arrays of a resource", || {
        field(
            1,
            &field(
                1,
                &field(
                    1,
                    &[field(1, b"service.name"), field(2, &nested(&[5, 1]))].concat(),
                ),
            ),
        )
    }),
    ("bodies of ten arrays in one another", || {
        logs(&full(&record(&body(&deep(&[5, 1], 10, b"")))))
    }),
    ("an array of nothing", || {
        logs(&record(&body(&field(5, &full(&field(1, b""))))))
    }),
    ("an array of letters", || {
        logs(&record(&body(&field(5, &full(&field(1, &string(b"x")))))))
    }),
    ("an array of numbers", || {
        logs(&record(&body(&field(5, &full(&field(1, b"\x18\x01"))))))
    }),
    ("an array of NaN", || {
        logs(&record(&body(&field(
            5,
            &full(&field(1, b"\x21\0\0\0\0\0\0\xf8\x7f")),
        ))))
    }),
    ("a map of nothing", || {
        logs(&record(&body(&field(6, &full(&field(1, b""))))))
    }),
    ("a map of distinct keys", || {
        logs(&record(&body(&field(
            6,
            &many(|n| attribute(1, &number(n), b"x")),
        ))))
    }),
    ("a map of what JSON escapes", || {
        logs(&record(&body(&field(
            6,
            &attribute(1, b"k", &full(b"\x01")),
        ))))
    }),
    ("a body of 4 MB", || {
        logs(&record(&body(&string(&full(b"word ")))))
    }),
    ("a body of 4 MB of line feeds", || {
        logs(&record(&body(&string(&full(b"\n")))))
    }),
    ("a body of 4 MB of digits", || {
        logs(&record(&body(&string(&full(b"1 ")))))
    }),
    ("a body of 4 MB without UTF-8", || {
        logs(&record(&body(&string(&full(b"\xff")))))
    }),
    ("a body of 4 MB of bytes", || {
        logs(&record(&body(&field(7, &full(b"\0")))))
    }),
    ("bodies without UTF-8", || {
        logs(&full(&record(&body(&string(b"\xff")))))
    }),
    ("bodies that end within a letter", || {
        logs(&full(&record(&body(&string(b"a\xf0\x9f")))))
    }),
    ("a long severity", || {
        logs(&record(
            &[field(3, &full(b"x")), body(&string(b"x"))].concat(),
        ))
    }),
    ("groups that do not end", || full(b"\x0b")),
    ("groups that did not begin", || full(b"\x0c")),
    ("empty groups", || full(b"\x7b\x7c")),
    ("groups in groups", || {
        [vec![0x7b; ROOM / 2], vec![0x7c; ROOM / 2]].concat()
    }),
    ("groups in groups of a record", || {
        logs(&record(
            &[vec![0x7b; ROOM / 2 - 32], vec![0x7c; ROOM / 2 - 32]].concat(),
        ))
    }),
    ("a length of 4 GiB", || b"\x0a\xff\xff\xff\xff\x0f".to_vec()),
    ("a length of 2^63", || {
        b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01".to_vec()
    }),
    ("a length that does not end", || {
        [b"\x0a".to_vec(), vec![0x80; ROOM - 1]].concat()
    }),
    ("a length of 2 GiB in a record", || {
        logs(&record(b"\x2a\xff\xff\xff\xff\x07"))
    }),
    ("lengths that are too long by one", || {
        full(b"\x0a\x02\x12\x01")
    }),
    ("lengths with idle bytes", || {
        full(b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00")
    }),
    ("unknown fields", || full(b"\x78\x01")),
    ("unknown fields of a record", || {
        logs(&record(&full(b"\x78\x01")))
    }),
    ("unknown fields of large numbers", || {
        full(b"\xf8\xff\xff\xff\x0f\x01")
    }),
    ("fields without a number", || full(b"\x00\x00")),
    ("zeros", || vec![0; ROOM]),
    ("ones", || vec![0xff; ROOM]),
    ("noise", noise),
    ("one byte", || vec![0x0a]),
];

const JSONS: Table = &[
    ("JSON: brackets", || full(b"[")),
    ("JSON: brackets that close", || {
        [vec![b'['; ROOM / 2], vec![b']'; ROOM / 2]].concat()
    }),
    ("JSON: maps in maps", || full(b"{\"a\":")),
    ("JSON: unknown maps in maps", || {
        [
            &b"{\"x\":"[..],
            &b"{\"a\":".repeat(500_000),
            b"1",
            &b"}".repeat(500_001),
        ]
        .concat()
    }),
    ("JSON: empty records", || {
        json_logs(&listed(|_| b"{}".to_vec()))
    }),
    ("JSON: empty resources", || {
        [
            &b"{\"resourceLogs\":["[..],
            &listed(|_| b"{}".to_vec()),
            b"]}",
        ]
        .concat()
    }),
    ("JSON: records of one letter", || {
        json_logs(&listed(|_| br#"{"body":{"stringValue":"x"}}"#.to_vec()))
    }),
    ("JSON: distinct unknown keys", || {
        [
            &b"{"[..],
            &listed(|n| format!("\"{n}\":1").into_bytes()),
            b"}",
        ]
        .concat()
    }),
    ("JSON: one key again and again", || {
        [
            &b"{"[..],
            &listed(|_| b"\"resourceLogs\":[]".to_vec()),
            b"}",
        ]
        .concat()
    }),
    ("JSON: a long number", || {
        [&b"{\"x\":"[..], &full(b"9"), b"}"].concat()
    }),
    ("JSON: escapes", || {
        json_logs(
            &[
                &br#"{"body":{"stringValue":""#[..],
                &full(br"\u0001"),
                br#""}}"#,
            ]
            .concat(),
        )
    }),
    ("JSON: half letters", || {
        json_logs(
            &[
                &br#"{"body":{"stringValue":""#[..],
                &full(br"\ud800"),
                br#""}}"#,
            ]
            .concat(),
        )
    }),
    ("JSON: a string that does not end", || {
        [&b"{\""[..], &full(b"x")].concat()
    }),
    ("JSON: spaces", || full(b" ")),
    ("JSON: arrays in arrays", || {
        json_logs(
            &[
                &br#"{"body":"#[..],
                &br#"{"arrayValue":{"values":["#.repeat(150_000),
            ]
            .concat(),
        )
    }),
    ("JSON: zeros", || vec![0; ROOM]),
];

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Field `number` with `content` in it.
fn field(number: usize, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(number << 3 | 2);
    bytes.extend(varint(content.len()));
    bytes.extend_from_slice(content);
    bytes
}

/// `piece` as often as there is room for it.
fn full(piece: &[u8]) -> Vec<u8> {
    piece.repeat((ROOM - 64) / piece.len())
}

/// Pieces of ascending number as far as there is room.
fn many(piece: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROOM);
    for number in 0.. {
        let piece = piece(number);
        if bytes.len() + piece.len() > ROOM - 64 {
            break;
        }
        bytes.extend(piece);
    }
    bytes
}

/// The same with commas between them.
fn listed(piece: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    many(|number| match number {
        0 => piece(0),
        _ => [&b","[..], &piece(number)].concat(),
    })
}

fn json_logs(records: &[u8]) -> Vec<u8> {
    let open = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":["#;
    [&open[..], records, b"]}]}]}"].concat()
}

/// A request with one resource and one scope, which has `content`.
fn logs(content: &[u8]) -> Vec<u8> {
    field(1, &field(2, content))
}

fn from_service(name: &[u8], content: &[u8]) -> Vec<u8> {
    let resource = field(1, &attribute(1, b"service.name", name));
    field(1, &[resource, field(2, content)].concat())
}

fn record(content: &[u8]) -> Vec<u8> {
    field(2, content)
}

fn body(value: &[u8]) -> Vec<u8> {
    field(5, value)
}

fn string(text: &[u8]) -> Vec<u8> {
    field(1, text)
}

fn attribute(number: usize, key: &[u8], value: &[u8]) -> Vec<u8> {
    field(number, &[field(1, key), field(2, &string(value))].concat())
}

fn number(n: usize) -> Vec<u8> {
    n.to_string().into_bytes()
}

/// Three words that no other number has.
fn words(mut n: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..3 {
        let word = std::iter::repeat_with(|| {
            n = n
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            b'a' + (n >> 40) as u8 % 26
        });
        text.extend(word.take(6));
        text.push(b' ');
    }
    text
}

/// Fields in fields, as deep as there is room for.
fn nested(numbers: &[usize]) -> Vec<u8> {
    deep(numbers, usize::MAX, b"")
}

/// `times` the fields of `numbers`, each in the one before it, and `inner` in the last one.
fn deep(numbers: &[usize], times: usize, inner: &[u8]) -> Vec<u8> {
    let mut heads: Vec<Vec<u8>> = Vec::new();
    let mut len = inner.len();
    for _ in 0..times {
        for number in numbers.iter().rev() {
            let head = [varint(number << 3 | 2), varint(len)].concat();
            len += head.len();
            heads.push(head);
        }
        if len > ROOM - 128 {
            break;
        }
    }
    heads.reverse();
    [heads.concat(), inner.to_vec()].concat()
}

/// Bytes without any order, the same each time.
fn noise() -> Vec<u8> {
    let mut state = 7_u64;
    let next = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    next.take(ROOM).collect()
}
