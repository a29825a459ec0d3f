//! `ExportMetricsServiceRequest`.

use super::super::envelope::Items;
use super::super::meter::{Fault, Meter};
use super::super::metrics::{Gatherer, SentPoint, Sort};
use super::super::origin::Origin;
use super::super::text::Text;
use super::super::{ConvertSettings, Decoded};
use super::envelope::{Names, walk};
use super::reader::Reader;
use super::values::{attributes, double, signed, unsigned};

const NAMES: Names = Names {
    of_resources: "resourceMetrics",
    of_scopes: "scopeMetrics",
    items: "metrics",
};

/// Decodes the request in `body`.
pub(in super::super) fn metrics(body: &[u8], settings: &ConvertSettings) -> Result<Decoded, Fault> {
    let mut gatherer = Gatherer::new(settings, body.len());
    walk(body, NAMES, settings, &mut gatherer)?;
    Ok(gatherer.finish())
}

impl<'a> Items<&mut Reader<'a>> for Gatherer<'_> {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn turn(&mut self, _origin: &Origin) -> Result<(), Fault> {
        Ok(())
    }

    fn own(&mut self, item: &mut Reader<'a>) -> Result<(), Fault> {
        item.object(|reader, key| match sort(key) {
            Some(_) => points(reader, |reader| {
                self.own_point();
                reader.skip()
            }),
            None => reader.skip(),
        })
    }

    fn read(&mut self, item: &mut Reader<'a>, origin: &Origin) -> Result<(), Fault> {
        let mut name = Text::EMPTY;
        item.object(|reader, key| match sort(key) {
            Some(sort) => points(reader, |reader| {
                let sent = self.sent(reader)?;
                self.point(sent, sort)
            }),
            None if key == b"name" => {
                name = reader.text()?;
                Ok(())
            }
            None => reader.skip(),
        })?;
        self.metric(name, origin)
    }
}

fn sort(key: &[u8]) -> Option<Sort> {
    match key {
        b"gauge" | b"sum" => Some(Sort::Number),
        b"histogram" | b"exponentialHistogram" | b"summary" => Some(Sort::Many),
        _ => None,
    }
}

fn points<'a>(
    reader: &mut Reader<'a>,
    mut each: impl FnMut(&mut Reader<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    reader.object(|reader, key| match key {
        b"dataPoints" => reader.array(&mut each),
        _ => reader.skip(),
    })
}

impl Gatherer<'_> {
    /// Reads a point; its attributes are kept until it is taken.
    fn sent(&mut self, reader: &mut Reader<'_>) -> Result<SentPoint, Fault> {
        let meter = &mut self.meter;
        meter.element()?;
        let mut point = SentPoint::default();
        reader.object(|reader, key| {
            if reader.is_null()? {
                return Ok(());
            }
            match key {
                b"timeUnixNano" => point.time = unsigned(reader)?,
                b"asDouble" => point.number = Some(double(reader)?),
                b"asInt" => point.number = Some(signed(reader)? as f64),
                b"count" => point.count = unsigned(reader)?,
                b"sum" => point.sum = double(reader)?,
                b"flags" => point.flags = unsigned(reader)?,
                b"attributes" => attributes(reader, meter, |name, value, meter| {
                    self.attributes.keep(name, &value, meter)
                })?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(point)
    }
}
