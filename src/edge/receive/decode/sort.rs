//! Records as they are sent → one batch for each stream and resource.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::meter::{Fault, Meter};
use super::origin::Origin;
use super::text::{Read, Text};
use super::value::Value;
use super::{ConvertSettings, Decoded, RejectReason, reject};
use crate::core::record::{
    Batch, Record, Resource, Severity, SpanId, StreamKey, Timestamp, TraceId,
};

/// Bytes of memory for a batch beside its records, resource and names.
const BATCH_BYTES: usize = 512;

/// Bytes of memory for where a file leads to.
const FILE_BYTES: usize = 96;

/// Room is made for so many streams and resources of a request at once.
const RESOURCES_USUAL: usize = 14;

/// Room is made for one record in so many bytes of request, and for texts as long as the request, which
/// saves moving them as they grow. What is too much is given back at the end.
const RECORD_BYTES: usize = 256;

/// Bytes of memory for the name of a template beside its text.
const TEMPLATE_BYTES: usize = 64;

/// A record as it is sent, its texts where they lie in the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent<'a> {
    /// Nanoseconds; 0 is unknown.
    pub(super) time: u64,
    /// Nanoseconds; 0 is unknown.
    pub(super) observed: u64,
    pub(super) severity_number: i32,
    pub(super) severity_text: Text<'a>,
    pub(super) body: Value<'a>,
    pub(super) trace_id: Option<TraceId>,
    pub(super) span_id: Option<SpanId>,
    pub(super) event_name: Text<'a>,
    pub(super) named: Named<'a>,
}

/// The attributes of a record that knothole reads. Of two with one name the later counts; all but the
/// one that keys sequences have to be strings.
#[derive(Clone, Debug, Default)]
pub(super) struct Named<'a> {
    file_name: Option<Text<'a>>,
    file_path: Option<Text<'a>>,
    event_name: Option<Text<'a>>,
    /// In which the Collector's `drain` processor puts the template of a record, and knothole that of
    /// an anomaly.
    template: Option<Text<'a>>,
    sequence: Value<'a>,
}

impl<'a> Named<'a> {
    /// The lengths of their names below 64, as bits.
    fn lens(settings: &ConvertSettings) -> u64 {
        let sequence = settings.sequence_attribute.as_deref();
        let names = Self::NAMES.into_iter().chain(sequence);
        let lens = names.map(str::len).filter(|len| *len < 64);
        lens.fold(0, |lens, len| lens | 1 << len)
    }

    const NAMES: [&'static str; 4] = [
        "log.file.name",
        "log.file.path",
        "event.name",
        "log.record.template",
    ];

    /// Notes an attribute, whose value is read if it is one of those.
    #[inline(always)]
    pub(super) fn note(
        &mut self,
        key: &[u8],
        settings: &ConvertSettings,
        value: impl FnOnce() -> Result<Value<'a>, Fault>,
    ) -> Result<(), Fault> {
        let place = match key {
            b"log.file.name" => Some(&mut self.file_name),
            b"log.file.path" => Some(&mut self.file_path),
            b"event.name" => Some(&mut self.event_name),
            b"log.record.template" => Some(&mut self.template),
            _ => None,
        };
        let sequence = settings.sequence_attribute.as_deref();
        let keys_sequences = sequence.is_some_and(|name| name.as_bytes() == key);
        if place.is_none() && !keys_sequences {
            return Ok(());
        }
        let value = value()?;
        if let Some(place) = place {
            *place = value.as_text();
        }
        if keys_sequences {
            self.sequence = value;
        }
        Ok(())
    }

    fn file(&self) -> Option<File<'a>> {
        let name = self.file_name.map(File::Name);
        name.or_else(|| self.file_path.map(File::Path))
    }
}

/// The file that a record was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum File<'a> {
    Name(Text<'a>),
    Path(Text<'a>),
}

impl File<'_> {
    fn name<'r>(
        &'r self,
        len_max: usize,
        room: &'r mut String,
        meter: &mut Meter,
    ) -> Option<&'r str> {
        let name = match self {
            Self::Name(name) => name.read(usize::MAX, room, meter).text,
            Self::Path(path) => {
                let path = path.read(usize::MAX, room, meter).text;
                path.rsplit(['/', '\\']).next().unwrap_or_default()
            }
        };
        Some(Read::of(name, len_max).text).filter(|name| !name.is_empty())
    }
}

/// Puts each record into the batch of its stream and resource.
#[derive(Debug)]
pub(super) struct Sorter<'a, 's> {
    pub(super) settings: &'s ConvertSettings,
    pub(super) meter: Meter,
    /// The lengths that the names of [`Named`] have, as bits.
    pub(super) name_lens: u64,
    decoded: Decoded,
    batches: Batches<'a>,
    /// The names of templates met so far.
    templates: HashSet<Arc<str>>,
    rooms: Rooms,
}

/// Where texts are made that cannot be taken from the request as they are.
#[derive(Debug, Default)]
struct Rooms {
    body: String,
    event_name: String,
    template: String,
    sequence: String,
}

impl<'a, 's> Sorter<'a, 's> {
    pub(super) fn new(settings: &'s ConvertSettings, len: usize) -> Self {
        Self {
            settings,
            meter: Meter::new(len),
            name_lens: Named::lens(settings),
            decoded: Decoded::default(),
            batches: Batches {
                // Growing would hash every resource anew.
                index: HashMap::with_capacity(RESOURCES_USUAL),
                ..Batches::default()
            },
            templates: HashSet::new(),
            rooms: Rooms::default(),
        }
    }

    /// Records from another resource follow.
    pub(super) fn turn(&mut self) {
        self.batches.turn();
    }

    /// Records written in so many bytes follow.
    pub(super) fn expect(&mut self, bytes: usize) {
        self.batches.expected = bytes;
    }

    /// A record that knothole itself sent.
    pub(super) fn own(&mut self) {
        self.decoded.records += 1;
        self.decoded.own += 1;
    }

    /// Takes a record.
    pub(super) fn take(&mut self, origin: &Origin, sent: &Sent<'a>) -> Result<(), Fault> {
        let Self {
            settings,
            meter,
            rooms,
            ..
        } = self;
        self.decoded.records += 1;
        let event_name = event_name(sent, settings, &mut rooms.event_name, meter);
        let body = sent
            .body
            .read_body(settings.body_len_max, &mut rooms.body, meter);
        if body.is_none() && event_name.is_none() {
            reject(&mut self.decoded.rejected, RejectReason::Empty);
            return Ok(());
        }
        let body = body.unwrap_or_default();
        self.decoded.cut += u64::from(body.is_cut);
        let template = template(
            sent,
            &mut self.templates,
            &mut rooms.template,
            settings,
            meter,
        )?;
        let sequence = sent
            .named
            .sequence
            .read(settings.attribute_len_max, &mut rooms.sequence, meter)
            .map(|read| read.text);
        let record = Record {
            time: Timestamp::known(sent.time),
            observed: Timestamp::known(sent.observed),
            severity: severity(sent, meter),
            body: body.text,
            trace_id: sent.trace_id,
            span_id: sent.span_id,
            event_name,
            template,
            sequence_attribute: sequence
                .or_else(|| origin.resource.get(settings.sequence_attribute.as_deref()?))
                .filter(|text| !text.is_empty()),
        };
        let texts = [Some(record.body), event_name, record.sequence_attribute];
        let texts: usize = texts.into_iter().flatten().map(str::len).sum();
        meter.take(Batch::ROW_BYTES + texts)?;
        let batch = self
            .batches
            .of(origin, sent.named.file(), settings, meter)?;
        batch.push(record);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Decoded {
        self.batches.all.iter_mut().for_each(Batch::fit);
        let decoded = Decoded {
            batches: self.batches.all,
            ..self.decoded
        };
        decoded.metered(&self.meter)
    }
}

/// The batches of a request, in the order of their first record.
#[derive(Debug, Default)]
struct Batches<'a> {
    all: Vec<Batch>,
    index: HashMap<(StreamKey, Arc<Resource>), usize>,
    run: Run<'a>,
    /// Where the files of the resource at hand lead to, since their records come mixed.
    files: HashMap<Option<File<'a>>, usize>,
    /// In how many bytes the records at hand are written.
    expected: usize,
    room: String,
}

/// Where the records of the resource at hand go. Looking that up for each of them would cost more than
/// all the rest of decoding.
#[derive(Clone, Copy, Debug, Default)]
enum Run<'a> {
    /// None of them has come.
    #[default]
    Begins,
    /// All to one place: the resource alone names the stream.
    Whole(usize),
    /// By the file they were read from; the last one and its place.
    Files(Option<File<'a>>, usize),
}

impl<'a> Batches<'a> {
    fn turn(&mut self) {
        self.run = Run::Begins;
        if !self.files.is_empty() {
            // Clearing takes as long as the map was ever large.
            self.files = HashMap::new();
        }
    }

    #[inline]
    fn of(
        &mut self,
        origin: &Origin,
        file: Option<File<'a>>,
        settings: &ConvertSettings,
        meter: &mut Meter,
    ) -> Result<&mut Batch, Fault> {
        let place = match self.run {
            Run::Whole(place) => place,
            Run::Files(known, place) if known == file => place,
            _ => {
                self.run = self.find(&origin.resource, file, settings, meter)?;
                match self.run {
                    Run::Whole(place) | Run::Files(_, place) => place,
                    Run::Begins => return Err(Fault::TooCostly),
                }
            }
        };
        self.all.get_mut(place).ok_or(Fault::TooCostly)
    }

    #[inline(never)]
    fn find(
        &mut self,
        resource: &Arc<Resource>,
        file: Option<File<'a>>,
        settings: &ConvertSettings,
        meter: &mut Meter,
    ) -> Result<Run<'a>, Fault> {
        if matches!(self.run, Run::Begins)
            && let Some(stream) = stream_of(resource)
        {
            let place = self.place(stream, resource, meter)?;
            if let Some(batch) = self.all.get_mut(place) {
                let bytes = self.expected;
                batch.reserve(bytes / RECORD_BYTES, bytes);
            }
            return Ok(Run::Whole(place));
        }
        let known = self.files.get(&file);
        let place = match known {
            Some(place) => *place,
            None => {
                let len_max = settings.attribute_len_max;
                let name = file.as_ref();
                let name = name.and_then(|file| file.name(len_max, &mut self.room, meter));
                let stream = StreamKey::of(resource, name);
                let place = self.place(stream, resource, meter)?;
                meter.take(FILE_BYTES)?;
                self.files.insert(file, place);
                place
            }
        };
        Ok(Run::Files(file, place))
    }

    fn place(
        &mut self,
        stream: StreamKey,
        resource: &Arc<Resource>,
        meter: &mut Meter,
    ) -> Result<usize, Fault> {
        match self.index.entry((stream, Arc::clone(resource))) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(new) => {
                let (stream, resource) = new.key();
                let names = [&stream.environment, &stream.namespace, &stream.name];
                let names: usize = names.into_iter().map(|name| name.len()).sum();
                meter.take(BATCH_BYTES + 2 * names)?;
                let batch = Batch::new(stream.clone(), Arc::clone(resource));
                self.all.push(batch);
                Ok(*new.insert(self.all.len() - 1))
            }
        }
    }
}

/// The stream of a resource, unless it takes the file of a record to tell.
fn stream_of(resource: &Resource) -> Option<StreamKey> {
    let [one, other] = ["", "-"].map(|file| StreamKey::of(resource, Some(file)));
    (one == other).then_some(one)
}

/// The field, or the attribute of older senders.
fn event_name<'r>(
    sent: &Sent<'r>,
    settings: &ConvertSettings,
    room: &'r mut String,
    meter: &mut Meter,
) -> Option<&'r str> {
    let field = Some(sent.event_name).filter(|name| *name != Text::EMPTY);
    let name = field.or(sent.named.event_name)?;
    let name = name.read(settings.attribute_len_max, room, meter).text;
    Some(name).filter(|name| !name.is_empty() && !is_line_of_source(name))
}

/// The bridge from Rust's `tracing` to OTLP names each log after its line of source ("event
/// src/main.rs:7") unless told otherwise. That is no event: it says nothing to a reader, and the
/// next edit of the file gives it to another log.
fn is_line_of_source(name: &str) -> bool {
    let place = name
        .strip_prefix("event ")
        .and_then(|place| place.rsplit_once(".rs:"));
    place.is_some_and(|(_, line)| line.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Many records of a request have one template, whose name is kept once.
fn template<'t>(
    sent: &Sent<'_>,
    known: &'t mut HashSet<Arc<str>>,
    room: &mut String,
    settings: &ConvertSettings,
    meter: &mut Meter,
) -> Result<Option<&'t Arc<str>>, Fault> {
    let Some(name) = sent.named.template.filter(|name| *name != Text::EMPTY) else {
        return Ok(None);
    };
    let name = name.read(settings.attribute_len_max, room, meter).text;
    if !known.contains(name) {
        meter.take(TEMPLATE_BYTES + name.len())?;
        known.insert(name.into());
    }
    Ok(known.get(name))
}

fn severity(sent: &Sent<'_>, meter: &mut Meter) -> Severity {
    match Severity::from_number(sent.severity_number) {
        Severity::Unspecified if sent.severity_text != Text::EMPTY => {
            let mut room = String::new();
            let read = sent.severity_text.read(usize::MAX, &mut room, meter);
            Severity::from_text(read.text).unwrap_or_default()
        }
        given => given,
    }
}
