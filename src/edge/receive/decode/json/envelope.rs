//! What the requests of all signals have in common: resources, in them scopes, in them items. Only
//! their names differ.

use super::super::ConvertSettings;
use super::super::envelope::Items;
use super::super::meter::Fault;
use super::super::origin::{Origin, Origins};
use super::origin;
use super::reader::Reader;

/// What the levels of a request are called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) of_resources: &'static str,
    pub(super) of_scopes: &'static str,
    pub(super) items: &'static str,
}

/// Gives each item of the request in `body` to `items`, which has to read or skip it.
pub(super) fn walk<'a, I: for<'r> Items<&'r mut Reader<'a>>>(
    body: &'a [u8],
    names: Names,
    settings: &ConvertSettings,
    items: &mut I,
) -> Result<(), Fault> {
    let mut walk = Walk {
        origins: Origins::new(settings),
        names,
        items,
    };
    let mut reader = Reader::of(body);
    reader.object(|reader, key| match key {
        _ if key == names.of_resources.as_bytes() => {
            reader.array(|reader| walk.of_resource(reader))
        }
        _ => reader.skip(),
    })?;
    reader.end()
}

struct Walk<'a, 's, 'i, I> {
    origins: Origins<'a, 's>,
    names: Names,
    items: &'i mut I,
}

impl<'a, I: for<'r> Items<&'r mut Reader<'a>>> Walk<'a, '_, '_, I> {
    fn of_resource(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
        self.items.meter().resource()?;
        let scopes = self.names.of_scopes.as_bytes();
        let mut origin = None;
        // What stands before its resource has to wait for it.
        let mut waiting = Vec::new();
        reader.object(|reader, key| match &origin {
            _ if key == b"resource" => {
                let read = origin::of(reader, &mut self.origins, self.items.meter())?;
                self.items.turn(&read)?;
                origin = Some(read);
                Ok(())
            }
            Some(origin) if key == scopes => reader.array(|reader| self.of_scope(reader, origin)),
            None if key == scopes => {
                self.items.meter().element()?;
                waiting.push(*reader);
                reader.skip()
            }
            _ => reader.skip(),
        })?;
        if waiting.is_empty() {
            return Ok(());
        }
        let origin = origin.unwrap_or_else(|| self.origins.finish(None));
        self.items.turn(&origin)?;
        for mut reader in waiting {
            reader.array(|reader| self.of_scope(reader, &origin))?;
        }
        Ok(())
    }

    fn of_scope(&mut self, reader: &mut Reader<'a>, origin: &Origin) -> Result<(), Fault> {
        self.items.meter().scope()?;
        let instance_id = self.origins.own_id();
        let items = self.names.items.as_bytes();
        let mut is_own = Some(true).filter(|_| origin.is_own);
        let mut waiting = Vec::new();
        reader.object(|reader, key| match is_own {
            _ if key == b"scope" && !origin.is_own => {
                let named = origin::instance_of_scope(reader, self.items.meter())?;
                is_own = Some(named.is_some_and(|named| *named.unescaped() == *instance_id));
                Ok(())
            }
            Some(is_own) if key == items => self.items(reader, origin, is_own),
            None if key == items => {
                self.items.meter().element()?;
                waiting.push(*reader);
                reader.skip()
            }
            _ => reader.skip(),
        })?;
        for mut reader in waiting {
            self.items(&mut reader, origin, is_own.unwrap_or_default())?;
        }
        Ok(())
    }

    fn items(
        &mut self,
        reader: &mut Reader<'a>,
        origin: &Origin,
        is_own: bool,
    ) -> Result<(), Fault> {
        reader.array(|reader| {
            self.items.meter().element()?;
            match is_own {
                true => self.items.own(reader),
                false => self.items.read(reader, origin),
            }
        })
    }
}
