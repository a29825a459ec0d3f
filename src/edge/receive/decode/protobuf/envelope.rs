//! What the requests of all signals have in common: resources, in them scopes, in them items. The
//! numbers of their fields are the same.

use super::super::ConvertSettings;
use super::super::envelope::Items;
use super::super::meter::Fault;
use super::super::origin::{Origin, Origins};
use super::fields::{Fields, bytes};
use super::origin;

/// The only field of a request.
const RESOURCE_ITEMS: u32 = bytes(1);

/// Fields of `ResourceLogs` and its like.
const RESOURCE: u32 = bytes(1);
const SCOPE_ITEMS: u32 = bytes(2);

/// Fields of `ScopeLogs` and its like.
const SCOPE: u32 = bytes(1);
const ITEM: u32 = bytes(2);

/// Of both.
const SCHEMA_URL: u32 = bytes(3);

/// Gives each item of the request in `body` to `items`.
pub(super) fn walk<'a, I: Items<&'a [u8]>>(
    body: &'a [u8],
    settings: &ConvertSettings,
    items: &mut I,
) -> Result<(), Fault> {
    let mut walk = Walk {
        origins: Origins::new(settings),
        items,
    };
    let mut fields = Fields::of(body);
    while let Some(key) = fields.key()? {
        match key {
            RESOURCE_ITEMS => walk.of_resource(fields.bytes()?)?,
            _ => fields.skip(key, |number| number == 1)?,
        }
    }
    Ok(())
}

struct Walk<'a, 's, 'i, I> {
    origins: Origins<'a, 's>,
    items: &'i mut I,
}

impl<'a, I: Items<&'a [u8]>> Walk<'a, '_, '_, I> {
    fn of_resource(&mut self, message: &'a [u8]) -> Result<(), Fault> {
        self.items.meter().resource()?;
        let origin = origin::of(message, &mut self.origins, self.items.meter())?;
        self.items.turn(&origin)?;
        let mut fields = Fields::of(message);
        while let Some(key) = fields.key()? {
            match key {
                SCOPE_ITEMS => self.of_scope(fields.bytes()?, &origin)?,
                RESOURCE | SCHEMA_URL => {
                    fields.bytes()?;
                }
                _ => fields.skip(key, |number| number <= 3)?,
            }
        }
        Ok(())
    }

    fn of_scope(&mut self, message: &'a [u8], origin: &Origin) -> Result<(), Fault> {
        self.items.meter().scope()?;
        let is_own = origin.is_own || self.is_own_scope(message)?;
        if !is_own {
            self.items.expect(message.len());
        }
        let mut fields = Fields::of(message);
        while let Some(key) = fields.key()? {
            match key {
                ITEM => {
                    let item = fields.bytes()?;
                    self.items.meter().element()?;
                    match is_own {
                        true => self.items.own(item)?,
                        false => self.items.read(item, origin)?,
                    }
                }
                SCOPE | SCHEMA_URL => {
                    fields.bytes()?;
                }
                _ => fields.skip(key, |number| number <= 3)?,
            }
        }
        Ok(())
    }

    /// Told by the id and never by a name, which an application could borrow to hide its logs.
    fn is_own_scope(&mut self, parent: &'a [u8]) -> Result<bool, Fault> {
        let mut instance = None;
        let mut fields = Fields::of(parent);
        while let Some(key) = fields.key()? {
            match key {
                SCOPE => {
                    let scope = fields.bytes()?;
                    let found = origin::instance_of_scope(scope, self.items.meter())?;
                    instance = found.unwrap_or(instance);
                }
                ITEM => {
                    fields.bytes()?;
                }
                _ => fields.skip(key, |_| false)?,
            }
        }
        let own = self.origins.own_id();
        Ok(instance.is_some_and(|instance| instance.bytes == own))
    }
}
