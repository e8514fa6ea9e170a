//! Parses the parameters of a query.

use allsource_engine::event::{Entity, EventRef, Filter};
use allsource_engine::{Order, Position, Query};
use axum::http::Uri;
use uuid::Uuid;

use super::payload::Conditions as PayloadFilter;
use crate::admission::Caller;
use crate::http::filter::{self, Conditions};
use crate::http::params::{Params, invalid};
use crate::http::positions::{check_end, from_time};
use crate::problem::Problem;
use crate::store::{Error, Look, Store};
use crate::wire::{PageCursor, question};

/// The default and highest number of events of a page.
const PAGE_EVENTS: usize = 10_000;
/// Parameters other than the conditions of the filter.
const OTHERS: [&str; 9] =
    ["payload_filter", "tenant_id", "from", "from_time", "to", "order", "limit", "offset", "cursor"];

/// Parameters that may differ between pages of one question.
const FREE: [&str; 3] = ["cursor", "limit", "offset"];

/// A question, and where its answer continues.
pub(super) struct EventQuery {
    pub(super) query: Query,
    /// The highest position that the question covers.
    pub(super) top: u64,
    pub(super) question: Uuid,
    pub(super) limit: usize,
    /// Matching events to skip first.
    pub(super) skip: u64,
    pub(super) payload: Option<PayloadFilter>,
    /// The question as first asked, to count its matches.
    whole: Query,
}

impl EventQuery {
    pub(super) async fn of(
        uri: &Uri,
        caller: &Caller,
        store: &Store,
        is_unlimited: bool,
    ) -> Result<Self, Problem> {
        let known = [&filter::NAMES[..], &OTHERS].concat();
        let params = Params::with_lists(uri, &known, &filter::LISTS)?;
        let tenant = caller.tenant();
        let question = question(tenant.as_str(), &params.fingerprint(&FREE));
        let cursor = cursor(&params, question, store)?;
        let whole = whole(&params, store, Conditions::among(&params)?.filter(tenant)?).await?;
        let asked_to = whole.to.map_or(u64::MAX, Position::value);
        let top = cursor
            .map_or_else(|| store.watermark().map_or(0, Position::value).min(asked_to), |cursor| cursor.top);
        let whole = up_to(top, whole);
        let mut query = whole.clone();
        let next = cursor.and_then(|cursor| Position::new(cursor.next));
        match query.order {
            Order::Ascending => query.from = next.max(query.from),
            Order::Descending => query.to = next.or(query.to),
        }
        let skip = match cursor {
            Some(cursor) => cursor.skip,
            None => params.parsed("offset", "a whole number")?.unwrap_or(0),
        };
        let payload = PayloadFilter::among(&params)?;
        Ok(Self { query, top, question, limit: limit(&params, is_unlimited)?, skip, payload, whole })
    }

    /// The kind of look-up, as named in metrics.
    pub(super) fn kind(&self) -> &'static str {
        let filter = &self.query.filter;
        if filter.entity_id.is_some() {
            "entity"
        } else if !filter.types.is_empty() || !filter.type_prefixes.is_empty() {
            "type"
        } else if !filter.tags.is_empty() {
            "tag"
        } else {
            "full_scan"
        }
    }

    /// The version of the requested entity at the last position that the answer covers: its tag must not cover later
    /// appends. `None` if no entity is requested; `Some(None)` if it has no events.
    pub(super) fn entity_newest(&self, look: &Look<'_>) -> Result<Option<Option<EventRef>>, Error> {
        let Filter { tenant: Some(tenant), entity_id: Some(id), .. } = &self.query.filter else {
            return Ok(None);
        };
        let history = Query::entity(&Entity::of(tenant.clone(), id.clone()));
        let newest = up_to(self.top, history.newest_first().limit(1));
        Ok(Some(look.read(&newest)?.next().transpose()?))
    }

    /// The number of events that match the question, on all pages, if an index knows it.
    pub(super) fn total(&self, look: &Look<'_>) -> Result<Option<u64>, Error> {
        if self.payload.is_none() { look.count(&self.whole) } else { Ok(None) }
    }

    /// Whether an event that the engine found belongs to the answer.
    pub(super) fn keeps(&self, event: &EventRef) -> bool {
        self.payload.as_ref().is_none_or(|conditions| conditions.hold(event))
    }
}

/// The cursor of the page, if it is not the first.
fn cursor(params: &Params, question: Uuid, store: &Store) -> Result<Option<PageCursor>, Problem> {
    let Some(text) = params.text("cursor") else { return Ok(None) };
    if params.text("offset").is_some() {
        return Err(invalid("offset", "counts from the beginning; leave it out when there is a cursor"));
    }
    let (cursor, seen) = PageCursor::parse(text, question).map_err(|problem| invalid("cursor", problem))?;
    store.check_cursor(seen)?;
    Ok(Some(cursor))
}

/// The same query up to a position; up to 0 it finds nothing.
fn up_to(top: u64, query: Query) -> Query {
    match Position::new(top) {
        Some(to) => Query { to: Some(to), ..query },
        None => query.limit(0),
    }
}

async fn whole(params: &Params, store: &Store, filter: Filter) -> Result<Query, Problem> {
    let order = match params.text("order") {
        None | Some("asc") => Order::Ascending,
        Some("desc") => Order::Descending,
        Some(other) => return Err(invalid("order", &format!("must be asc or desc, but is `{other}`"))),
    };
    let (from, to) = (params.position("from")?, params.position("to")?);
    filter::ascending("from", from, "to", to)?;
    if let Some(from) = from {
        check_end("from", from, store)?;
    }
    let from = from.max(from_time(params, store).await?);
    Ok(Query { from, to, order, ..Query::matching(filter) })
}

fn limit(params: &Params, is_unlimited: bool) -> Result<usize, Problem> {
    let most = if is_unlimited { usize::MAX } else { PAGE_EVENTS };
    let limit = params.parsed("limit", "a whole number")?.unwrap_or(most);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    let more =
        "next_cursor leads to the next page, and `Accept: application/x-ndjson` streams without a limit";
    Err(invalid("limit", &format!("must be from 1 to {PAGE_EVENTS}, but is {limit}; {more}")))
}
