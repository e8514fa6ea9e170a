//! Who sends a request, and whose data it concerns.

use allsource_engine::event::TenantId;

use crate::problem::{Kind, Problem};

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Client,
    System,
}

/// The sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    origin: Origin,
    tenant: Option<TenantId>,
}

impl Caller {
    /// A client; `tenant` is the tenant that the request as a whole names.
    pub fn client(tenant: Option<TenantId>) -> Self {
        Self { origin: Origin::Client, tenant }
    }

    /// The server itself: it alone may use names that begin with `_`.
    pub fn system() -> Self {
        Self { origin: Origin::System, tenant: None }
    }

    /// Whether the caller may use names that begin with `_`.
    pub fn owns_reserved_names(&self) -> bool {
        self.origin == Origin::System
    }

    /// The tenant that the request names, if any.
    pub fn named_tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// The tenant to read: the one that the request names, or the default.
    pub fn tenant(&self) -> TenantId {
        self.tenant.clone().unwrap_or_default()
    }

    /// The tenant of a body: the one it names, else the one that the request names, else the default.
    ///
    /// # Errors
    /// When body and request name different tenants, or the name breaks a rule.
    pub fn tenant_of(&self, body: Option<&str>) -> Result<TenantId, Problem> {
        match (&self.tenant, body) {
            (Some(named), Some(body)) if named.as_str() != body => {
                Err(contradiction("the body", body, "the request", named.as_str()))
            }
            (_, Some(body)) => Ok(TenantId::new(body)?),
            (_, None) => Ok(self.tenant()),
        }
    }
}

/// The problem of a request that names two different tenants.
pub(crate) fn contradiction(one_place: &str, one: &str, other_place: &str, other: &str) -> Problem {
    let detail = format!("{one_place} names the tenant `{one}`, {other_place} names `{other}`");
    Problem::new(Kind::TENANT_CONTRADICTION, detail)
}
