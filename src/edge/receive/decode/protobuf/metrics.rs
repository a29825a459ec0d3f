//! `ExportMetricsServiceRequest`.

use super::super::envelope::Items;
use super::super::meter::{Fault, Meter};
use super::super::metrics::{Gatherer, SentPoint, Sort};
use super::super::origin::Origin;
use super::super::text::Text;
use super::super::{ConvertSettings, Decoded};
use super::envelope::walk;
use super::fields::{Fields, bytes, fixed64, varint};
use super::values::Attribute;

/// Fields of `Metric`; it holds one of the sorts of data.
const NAME: u32 = bytes(1);
const DESCRIPTION: u32 = bytes(2);
const UNIT: u32 = bytes(3);
const GAUGE: u32 = bytes(5);
const SUM: u32 = bytes(7);
const HISTOGRAM: u32 = bytes(9);
const EXPONENTIAL_HISTOGRAM: u32 = bytes(10);
const SUMMARY: u32 = bytes(11);
const METADATA: u32 = bytes(12);

/// The field of each sort of data that is read.
const POINT: u32 = bytes(1);

/// Fields of points. Their attributes have another number in each message.
const TIME: u32 = fixed64(3);
const AS_DOUBLE: u32 = fixed64(4);
const AS_INT: u32 = fixed64(6);
const COUNT: u32 = fixed64(4);
const SUM_OF_POINT: u32 = fixed64(5);

/// Decodes the request in `body`.
pub(in super::super) fn metrics(body: &[u8], settings: &ConvertSettings) -> Result<Decoded, Fault> {
    let mut gatherer = Gatherer::new(settings, body.len());
    walk(body, settings, &mut gatherer)?;
    Ok(gatherer.finish())
}

/// A metric: its name, and where the last run of data of one sort begins. What came before another
/// sort of data is gone, as in every protobuf decoder.
struct Sent<'a> {
    name: Text<'a>,
    data: Option<(u32, Fields<'a>)>,
}

impl<'a> Sent<'a> {
    fn of(item: &'a [u8]) -> Result<Self, Fault> {
        let mut sent = Self {
            name: Text::EMPTY,
            data: None,
        };
        let mut fields = Fields::of(item);
        let mut before = fields;
        while let Some(key) = fields.key()? {
            match key {
                NAME => sent.name = Text::plain(fields.bytes()?),
                GAUGE | SUM | HISTOGRAM | EXPONENTIAL_HISTOGRAM | SUMMARY => {
                    fields.bytes()?;
                    if sent.data.is_none_or(|(sort, _)| sort != key) {
                        sent.data = Some((key, before));
                    }
                }
                DESCRIPTION | UNIT | METADATA => {
                    fields.bytes()?;
                }
                _ => fields.skip(key, |number| matches!(number, 1..=3 | 5 | 7 | 9..=12))?,
            }
            before = fields;
        }
        Ok(sent)
    }

    /// Gives each point to `each`, with the key of the data it is in.
    fn points(
        &self,
        mut each: impl FnMut(u32, &'a [u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Some((sort, mut fields)) = self.data else {
            return Ok(());
        };
        while let Some(key) = fields.key()? {
            if key != sort {
                fields.skip(key, |_| false)?;
                continue;
            }
            let mut data = Fields::of(fields.bytes()?);
            while let Some(key) = data.key()? {
                match key {
                    POINT => each(sort, data.bytes()?)?,
                    _ => data.skip(key, |number| number == 1)?,
                }
            }
        }
        Ok(())
    }
}

impl<'a> Items<&'a [u8]> for Gatherer<'_> {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn turn(&mut self, _origin: &Origin) -> Result<(), Fault> {
        Ok(())
    }

    fn own(&mut self, item: &'a [u8]) -> Result<(), Fault> {
        Sent::of(item)?.points(|_, _| {
            self.own_point();
            Ok(())
        })
    }

    fn read(&mut self, item: &'a [u8], origin: &Origin) -> Result<(), Fault> {
        let sent = Sent::of(item)?;
        sent.points(|sort, message| {
            self.meter.element()?;
            let (sort, attribute, flags) = match sort {
                GAUGE | SUM => (Sort::Number, bytes(7), varint(8)),
                HISTOGRAM => (Sort::Many, bytes(9), varint(10)),
                EXPONENTIAL_HISTOGRAM => (Sort::Many, bytes(1), varint(10)),
                _ => (Sort::Many, bytes(7), varint(8)),
            };
            let mut point = SentPoint::default();
            let mut fields = Fields::of(message);
            while let Some(key) = fields.key()? {
                match key {
                    TIME => point.time = fields.fixed64()?,
                    AS_DOUBLE if sort == Sort::Number => {
                        point.number = Some(f64::from_bits(fields.fixed64()?));
                    }
                    AS_INT if sort == Sort::Number => {
                        point.number = Some(fields.fixed64()?.cast_signed() as f64);
                    }
                    COUNT => point.count = fields.fixed64()?,
                    SUM_OF_POINT if sort == Sort::Many => {
                        point.sum = f64::from_bits(fields.fixed64()?);
                    }
                    key if key == attribute => {
                        self.meter.element()?;
                        let attribute = Attribute::of(fields.bytes()?)?;
                        let value = attribute.value(&mut self.meter)?;
                        self.attributes
                            .keep(attribute.key, &value, &mut self.meter)?;
                    }
                    key if key == flags => point.flags = fields.varint()?,
                    _ => fields.skip(key, |_| false)?,
                }
            }
            self.point(point, sort)
        })?;
        self.metric(sent.name, origin)
    }
}
