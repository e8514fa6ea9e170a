//! Extracts the caller from a request. The query string or a header names the tenant; if both do, they must agree.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use crate::admission::{Caller, contradiction};
use crate::app::App;
use crate::http::headers;
use crate::problem::Problem;
use allsource_engine::event::TenantId;

const HEADER: &str = "X-Tenant-ID";

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        let header = headers::only(&parts.headers, HEADER)?;
        let parameter = named_in_query(parts);
        if let (Some(one), Some(other)) = (&parameter, header)
            && one != other
        {
            return Err(contradiction("the parameter tenant_id", one, "the header X-Tenant-ID", other));
        }
        let tenant = parameter.as_deref().or(header).map(TenantId::new).transpose()?;
        Ok(Self::client(tenant))
    }
}

/// The tenant that the query string names. [`Params`](super::params::Params) reports a malformed string.
fn named_in_query(parts: &Parts) -> Option<String> {
    if parts.uri.query().is_none_or(str::is_empty) {
        return None;
    }
    let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).ok()?;
    given.into_iter().find(|(name, value)| name == "tenant_id" && !value.is_empty()).map(|(_, value)| value)
}
