//! Parses the parameters of a stream.

use allsource_engine::event::{Filter, TenantId};
use allsource_engine::{Cursor, Position, Start};
use axum::http::{HeaderMap, Uri};

use crate::admission::Caller;
use crate::http::filter::{self, Conditions};
use crate::http::headers::invalid_header;
use crate::http::params::{Params, invalid};
use crate::http::positions::{check_end, from_time};
use crate::problem::Problem;
use crate::store::Store;

/// Parameters other than the conditions of the filter.
const OTHERS: [&str; 4] = ["cursor", "from", "from_time", "tenant_id"];

const CURSOR_FORM: &str = "a cursor that a stream of this server gave";

/// Where a stream begins, and which events it carries.
pub(super) struct StreamRequest {
    pub(super) tenant: TenantId,
    pub(super) start: Start,
    pub(super) filter: Filter,
    /// Whether the request has no parameters: a v0.6 client, which expects bare events.
    pub(super) is_bare: bool,
}

impl StreamRequest {
    pub(super) async fn of(
        caller: &Caller,
        uri: &Uri,
        headers: &HeaderMap,
        store: &Store,
    ) -> Result<Self, Problem> {
        let known = [&filter::NAMES[..], &OTHERS].concat();
        let params = Params::with_lists(uri, &known, &filter::LISTS)?;
        let tenant = caller.tenant();
        let filter = Conditions::among(&params)?.filter(tenant.clone())?;
        let start = match (last_seen(headers)?, params.parsed::<Cursor>("cursor", CURSOR_FORM)?) {
            // A client that reconnects repeats its first request, and says how far it has got since.
            (Some(cursor), _) | (None, Some(cursor)) => {
                store.check_cursor(cursor)?;
                Start::Cursor(cursor)
            }
            (None, None) => start(&params, store).await?,
        };
        let mut starts =
            ["from", "from_time", "cursor"].into_iter().filter(|name| params.text(name).is_some());
        if let (Some(one), Some(other)) = (starts.next(), starts.next()) {
            return Err(invalid(one, &format!("and {other} both say where to begin; give one of them")));
        }
        Ok(Self { tenant, start, filter, is_bare: params.is_empty() })
    }
}

async fn start(params: &Params, store: &Store) -> Result<Start, Problem> {
    if let Some(first) = from_time(params, store).await? {
        return Ok(Start::At(first));
    }
    match params.text("from") {
        None | Some("now") => Ok(Start::Now),
        Some("beginning") => Ok(Start::Beginning),
        Some(_) => {
            let number: Option<u64> = params.parsed("from", "a position, `beginning` or `now`")?;
            let Some(first) = number.and_then(Position::new) else { return Ok(Start::Beginning) };
            check_end("from", first, store)?;
            Ok(Start::At(first))
        }
    }
}

/// The last cursor that a reconnecting client has seen.
fn last_seen(headers: &HeaderMap) -> Result<Option<Cursor>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let cursor = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let problem = || invalid_header("Last-Event-ID", "must be the id of an event of this stream");
    cursor.map(Some).ok_or_else(problem)
}
