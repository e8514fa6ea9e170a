//! An entity: an id within a tenant.

use std::fmt;

use allsource_format::partition::{self, KEY_SEPARATOR};
use allsource_format::record::Record;
use smallvec::SmallVec;

use super::name::{EntityId, NameError, TenantId};

/// An entity: the unit of versions and state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entity {
    tenant: TenantId,
    id: EntityId,
}

impl Entity {
    /// The entity of this id in the tenant `default`.
    ///
    /// # Errors
    /// When the id breaks a rule for names.
    pub fn new(id: impl Into<Box<str>>) -> Result<Self, NameError> {
        Ok(Self { tenant: TenantId::default(), id: EntityId::new(id)? })
    }

    /// The entity of this id in a tenant.
    pub fn of(tenant: TenantId, id: EntityId) -> Self {
        Self { tenant, id }
    }

    /// The entity of a stored event: its names are taken as they are.
    pub(crate) fn of_record(record: &Record<'_>) -> Self {
        Self { tenant: TenantId::stored(record.tenant()), id: EntityId::stored(record.entity_id()) }
    }

    /// Its tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Its id within the tenant.
    pub fn id(&self) -> &EntityId {
        &self.id
    }

    /// Its partition among `partitions`, a power of two up to 1024.
    pub fn partition(&self, partitions: u32) -> u32 {
        partition::of_key(&self.key(), partitions)
    }

    pub(crate) fn key(&self) -> KeyBuffer {
        key_of(self.tenant.as_str(), self.id.as_str().as_bytes())
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.id)
    }
}

/// A key, stored inline unless it is long.
pub(crate) type KeyBuffer = SmallVec<[u8; 96]>;

/// The key of a name within a tenant. It is unique to the pair, since no tenant contains the separator.
pub(crate) fn key_of(tenant: impl AsRef<[u8]>, name: &[u8]) -> KeyBuffer {
    let tenant = tenant.as_ref();
    let mut key = KeyBuffer::with_capacity(tenant.len() + 1 + name.len());
    key.extend_from_slice(tenant);
    key.push(KEY_SEPARATOR);
    key.extend_from_slice(name);
    key
}

/// The tenant and the name of a key; `None`: it has no separator, so `key_of` did not build it.
pub(crate) fn split_key(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let separator = key.iter().position(|byte| *byte == KEY_SEPARATOR)?;
    let (tenant, rest) = key.split_at_checked(separator)?;
    Some((tenant, rest.strip_prefix(&[KEY_SEPARATOR])?))
}
