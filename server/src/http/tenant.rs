//! Whose data a request is about: said in the body, the query string or a header, and the same in all of them.

use allsource_engine::event::TenantId;
use axum::http::HeaderMap;

use super::params::Params;
use crate::problem::{Kind, Problem};

const HEADER: &str = "x-tenant-id";

/// The tenant that query string and header name; `None`: neither does.
pub(super) fn named(params: &Params, headers: &HeaderMap) -> Result<Option<TenantId>, Problem> {
    let header = match headers.get(HEADER) {
        None => None,
        Some(value) => Some(value.to_str().map_err(|_| {
            Problem::new(Kind::INVALID_HEADER, "X-Tenant-ID is not text").with("header", "X-Tenant-ID")
        })?),
    };
    let parameter = params.text("tenant_id");
    if let (Some(one), Some(other)) = (parameter, header)
        && one != other
    {
        return Err(contradiction("the parameter tenant_id", one, "the header X-Tenant-ID", other));
    }
    Ok(parameter.or(header).map(TenantId::new).transpose()?)
}

/// The tenant of a read: the one named, or the default.
pub(super) fn of_read(params: &Params, headers: &HeaderMap) -> Result<TenantId, Problem> {
    Ok(named(params, headers)?.unwrap_or_default())
}

/// The tenant of what a body is about: as the body says, or else as the request does, or the default.
pub(super) fn of_body(named: Option<&TenantId>, body: Option<&str>) -> Result<TenantId, Problem> {
    match (named, body) {
        (Some(named), Some(body)) if named.as_str() != body => {
            Err(contradiction("the body", body, "the request", named.as_str()))
        }
        (_, Some(body)) => Ok(TenantId::new(body)?),
        (named, None) => Ok(named.cloned().unwrap_or_default()),
    }
}

fn contradiction(one_place: &str, one: &str, other_place: &str, other: &str) -> Problem {
    let detail = format!("{one_place} names the tenant `{one}`, {other_place} names `{other}`");
    Problem::new(Kind::TENANT_CONTRADICTION, detail)
}
