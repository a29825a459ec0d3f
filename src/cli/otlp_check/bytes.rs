//! Protobuf by hand, for what no library would write.

/// Field numbers of the messages on the way to a log record.
pub(super) mod field {
    pub(in crate::cli::otlp_check) const RESOURCE_LOGS: u32 = 1;
    pub(in crate::cli::otlp_check) const RESOURCE: u32 = 1;
    pub(in crate::cli::otlp_check) const SCOPE_LOGS: u32 = 2;
    pub(in crate::cli::otlp_check) const SCOPE: u32 = 1;
    pub(in crate::cli::otlp_check) const RECORDS: u32 = 2;
    pub(in crate::cli::otlp_check) const TIME: u32 = 1;
    pub(in crate::cli::otlp_check) const SEVERITY: u32 = 2;
    pub(in crate::cli::otlp_check) const BODY: u32 = 5;
    pub(in crate::cli::otlp_check) const ATTRIBUTES: u32 = 6;
    pub(in crate::cli::otlp_check) const STRING: u32 = 1;
    pub(in crate::cli::otlp_check) const ARRAY: u32 = 5;
    /// No message has it, and none will for long.
    pub(in crate::cli::otlp_check) const UNKNOWN: u32 = 4_242;
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LEN: u32 = 2;
const GROUP_START: u32 = 3;
const GROUP_END: u32 = 4;
const FIXED32: u32 = 5;

/// A protobuf message in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn varint(self, field: u32, value: u64) -> Self {
        self.tag(field, VARINT).raw(value, 0)
    }

    pub(super) fn fixed64(mut self, field: u32, value: u64) -> Self {
        self = self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn fixed32(mut self, field: u32, value: u32) -> Self {
        self = self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn bytes(self, field: u32, bytes: impl AsRef<[u8]>) -> Self {
        self.bytes_padded(field, bytes, 0)
    }

    /// Tag and length with `padding` bytes more than they need.
    pub(super) fn bytes_padded(
        mut self,
        field: u32,
        bytes: impl AsRef<[u8]>,
        padding: usize,
    ) -> Self {
        let bytes = bytes.as_ref();
        self = self
            .raw(u64::from(field << 3 | LEN), padding.min(2))
            .raw(bytes.len() as u64, padding);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn message(self, field: u32, message: Self) -> Self {
        self.bytes(field, message.0)
    }

    /// A group, which proto3 no longer has but every parser must skip.
    pub(super) fn group(mut self, field: u32, inside: Self) -> Self {
        self = self.tag(field, GROUP_START);
        self.0.extend_from_slice(&inside.0);
        self.tag(field, GROUP_END)
    }

    /// A field that nobody knows of each wire type that proto3 has.
    pub(super) fn unknown(self) -> Self {
        self.varint(field::UNKNOWN, u64::MAX)
            .fixed64(field::UNKNOWN, 7)
            .bytes(field::UNKNOWN, b"\x08\xff not a message \x00")
            .fixed32(field::UNKNOWN, 7)
    }

    /// These bytes as they are.
    pub(super) fn then(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn done(self) -> bytes::Bytes {
        self.0.into()
    }

    fn tag(self, field: u32, wire_type: u32) -> Self {
        self.raw(u64::from(field << 3 | wire_type), 0)
    }

    /// A varint that is `padding` bytes longer than it needs to be.
    fn raw(mut self, mut value: u64, padding: usize) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        if padding == 0 {
            self.0.push(value as u8);
            return self;
        }
        self.0.push(value as u8 | 0x80);
        self.0.extend(std::iter::repeat_n(0x80, padding - 1));
        self.0.push(0);
        self
    }
}

/// The text of a string as an `AnyValue`.
pub(super) fn string(text: &str) -> Writer {
    Writer::default().bytes(field::STRING, text)
}

/// A whole request around the fields of one record.
pub(super) fn request_of(record: Writer) -> Writer {
    let scope_logs = Writer::default().message(field::RECORDS, record);
    Writer::default().message(
        field::RESOURCE_LOGS,
        resource_only().message(field::SCOPE_LOGS, scope_logs),
    )
}

/// The fields of a `ResourceLogs` that holds nothing yet.
pub(super) fn resource_only() -> Writer {
    Writer::default().message(
        field::RESOURCE,
        resource_attribute("service.name", "otlp-check"),
    )
}

/// The fields of a resource with one attribute.
pub(super) fn resource_attribute(key: &str, text: &str) -> Writer {
    Writer::default().message(1, attribute(key, text))
}

/// The fields of a `KeyValue`.
pub(super) fn attribute(key: &str, text: &str) -> Writer {
    Writer::default().bytes(1, key).message(2, string(text))
}

/// An `AnyValue` of arrays within arrays, `depth` of them.
pub(super) fn nested(depth: usize) -> Writer {
    (0..depth).fold(string("at the bottom"), |inner, _| {
        let array = Writer::default().message(1, inner);
        Writer::default().message(field::ARRAY, array)
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use prost::Message as _;

    use super::*;

    fn read(message: Writer) -> ExportLogsServiceRequest {
        ExportLogsServiceRequest::decode(message.done()).unwrap()
    }

    #[test]
    fn what_is_written_by_hand_is_what_a_library_reads() {
        let record = Writer::default()
            .fixed64(field::TIME, 7)
            .varint(field::SEVERITY, 9)
            .message(field::BODY, string("hello"));
        let request = read(request_of(record));
        let sent = &request.resource_logs[0].scope_logs[0].log_records[0];
        assert_eq!((sent.time_unix_nano, sent.severity_number), (7, 9));
        assert!(sent.body.is_some());
    }

    #[test]
    fn unknown_fields_and_padding_change_nothing() {
        let plain = request_of(Writer::default().message(field::BODY, string("x")));
        let odd = Writer::default()
            .bytes_padded(field::BODY, string("x").done(), 3)
            .unknown();
        let odd = request_of(odd).unknown();
        assert_ne!(plain.0, odd.0);
        assert_eq!(read(plain), read(odd));
    }
}
