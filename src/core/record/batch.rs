//! Many records in little memory: fixed rows, and their texts end to end in one string.

use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

use super::{Record, Resource, Severity, SpanId, StreamKey, Timestamp, TraceId};

/// Longest text of a record in bytes; the rest is cut off.
const TEXT_LEN_MAX: usize = (ABSENT - 1) as usize;
/// Stands for a text that a record does not have.
const ABSENT: u32 = u32::MAX;

/// Records of one stream from one resource, in the order they were sent. Their texts are kept end to
/// end, so that a record costs no allocation of its own.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose templates and model judge these records.
    pub stream: StreamKey,
    /// Where they come from.
    pub resource: Arc<Resource>,
    rows: Vec<Row>,
    texts: String,
    /// Names of templates, as they change from record to record.
    templates: Vec<Arc<str>>,
}

/// A [`Record`] whose texts are lengths: body, event name and sequence attribute lie behind one
/// another from `start` on.
#[derive(Clone, Debug)]
struct Row {
    time: Option<NonZeroU64>,
    observed: Option<NonZeroU64>,
    start: usize,
    body_len: u32,
    event_name_len: u32,
    sequence_attribute_len: u32,
    /// The place of its name in the batch.
    template: u32,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    severity: Severity,
}

impl Batch {
    /// Bytes that a record takes beside its texts.
    pub const ROW_BYTES: usize = size_of::<Row>();

    /// A batch without records.
    pub fn new(stream: StreamKey, resource: Arc<Resource>) -> Self {
        Self {
            stream,
            resource,
            rows: Vec::new(),
            texts: String::new(),
            templates: Vec::new(),
        }
    }

    /// Makes room for so many more records with texts of so many bytes in all.
    pub fn reserve(&mut self, records: usize, text_bytes: usize) {
        self.rows.reserve(records);
        self.texts.reserve(text_bytes);
    }

    /// Gives back what room is left.
    pub fn fit(&mut self) {
        self.rows.shrink_to_fit();
        self.texts.shrink_to_fit();
    }

    /// Adds a record at the end. A time of zero is no time; texts are cut at 4 GiB.
    pub fn push(&mut self, record: Record<'_>) {
        let template = record.template.map_or(ABSENT, |name| self.template(name));
        let start = self.texts.len();
        let row = Row {
            time: record.time.and_then(nanos),
            observed: record.observed.and_then(nanos),
            start,
            body_len: self.text(Some(record.body)),
            event_name_len: self.text(record.event_name),
            sequence_attribute_len: self.text(record.sequence_attribute),
            template,
            trace_id: record.trace_id,
            span_id: record.span_id,
            severity: record.severity,
        };
        self.rows.push(row);
    }

    /// The records, in the order they were sent.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.rows.iter().map(|row| self.record(row))
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The texts of all records, end to end.
    pub fn texts(&self) -> &str {
        &self.texts
    }

    /// The records that have some of their text in `places` of [`texts`](Self::texts), and where the
    /// text of the last of them ends.
    pub fn records_at(&self, places: Range<usize>) -> (Range<usize>, usize) {
        let first = self.rows.partition_point(|row| row.start <= places.start);
        let last = self.rows.partition_point(|row| row.start < places.end);
        let end = self
            .rows
            .get(last)
            .map_or(self.texts.len(), |row| row.start);
        // Of rows that start at one place all but the last are empty.
        (first.saturating_sub(1)..last, end)
    }

    /// Where the body, the event name and the sequence attribute of each record begin in
    /// [`texts`](Self::texts); what it does not have begins where the next does.
    pub fn starts(&self) -> impl ExactSizeIterator<Item = [usize; 3]> {
        let len = |len: u32| if len == ABSENT { 0 } else { len as usize };
        self.rows.iter().map(move |row| {
            let name = row.start + len(row.body_len);
            [row.start, name, name + len(row.event_name_len)]
        })
    }

    /// Gives other names to templates where `rename` has one.
    pub fn rename_templates(&mut self, mut rename: impl FnMut(&str) -> Option<Arc<str>>) {
        for name in &mut self.templates {
            if let Some(renamed) = rename(name) {
                *name = renamed;
            }
        }
    }

    fn record(&self, row: &Row) -> Record<'_> {
        let mut rest = self.texts.get(row.start..).unwrap_or_default();
        let mut next = |len: u32| {
            let len = usize::try_from(len).ok().filter(|_| len != ABSENT)?;
            let (text, after) = rest.split_at_checked(len)?;
            rest = after;
            Some(text)
        };
        Record {
            time: row.time.map(time),
            observed: row.observed.map(time),
            severity: row.severity,
            body: next(row.body_len).unwrap_or_default(),
            trace_id: row.trace_id,
            span_id: row.span_id,
            event_name: next(row.event_name_len),
            template: usize::try_from(row.template)
                .ok()
                .and_then(|place| self.templates.get(place)),
            sequence_attribute: next(row.sequence_attribute_len),
        }
    }

    /// Keeps a text and gives its length.
    #[inline]
    fn text(&mut self, text: Option<&str>) -> u32 {
        let Some(text) = text else { return ABSENT };
        let text = if text.len() <= TEXT_LEN_MAX {
            text
        } else {
            let end = text.floor_char_boundary(TEXT_LEN_MAX);
            text.get(..end).unwrap_or_default()
        };
        self.texts.push_str(text);
        text.len() as u32
    }

    /// Neighbours mostly have one template or none, whose name is then kept once.
    fn template(&mut self, name: &Arc<str>) -> u32 {
        if self.templates.last() != Some(name) {
            self.templates.push(Arc::clone(name));
        }
        u32::try_from(self.templates.len() - 1).unwrap_or(ABSENT)
    }
}

impl<'a> Extend<Record<'a>> for Batch {
    fn extend<T: IntoIterator<Item = Record<'a>>>(&mut self, records: T) {
        records.into_iter().for_each(|record| self.push(record));
    }
}

fn nanos(time: Timestamp) -> Option<NonZeroU64> {
    NonZeroU64::new(time.as_nanos())
}

const fn time(nanos: NonZeroU64) -> Timestamp {
    Timestamp::from_nanos(nanos.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_put_in() {
        let name: Arc<str> = "user <*> left".into();
        let full = Record {
            time: Some(Timestamp::from_nanos(1)),
            observed: Some(Timestamp::from_nanos(u64::MAX)),
            severity: Severity::Warn,
            body: "é left",
            trace_id: TraceId::from_bytes(&[1; 16]),
            span_id: SpanId::from_bytes(&[2; 8]),
            event_name: Some("leave"),
            template: Some(&name),
            sequence_attribute: Some(""),
        };
        let bare = Record {
            sequence_attribute: Some("7"),
            ..Record::default()
        };
        let records = [Record::default(), full, bare, full];
        let mut batch = Batch::new(StreamKey::named("a"), Arc::default());
        batch.extend(records);
        assert_eq!(batch.records().collect::<Vec<_>>(), records);
        assert_eq!((batch.len(), batch.is_empty()), (4, false));
    }

    #[test]
    fn a_record_is_small_beside_its_texts() {
        assert_eq!(Batch::ROW_BYTES, 72);
    }
}
