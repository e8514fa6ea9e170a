//! A batch in one JSON body.

use allsource_engine::AppendError;
use allsource_engine::event::Entity;
use allsource_engine::{Commit, Committed};
use axum::http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::admission::{Admitted, append_all, append_each};
use crate::app::App;
use crate::http::reply::{Reply, json as json_body};
use crate::http::routes::append::{MayLack, Terms, mark_replayed};
use crate::problem::{Kind, Problem};
use crate::wire::{parse_batch, parse_event, write_commit};

/// Problems that are listed one by one.
const LISTED_MAX: usize = 100;

pub(super) async fn append(app: &App, terms: &Terms, bytes: &[u8]) -> Reply {
    let batch = parse_batch(bytes)?;
    let admit = |(index, raw): (usize, &&serde_json::value::RawValue)| {
        let body = parse_event(raw.get().as_bytes())?;
        terms.admit(&body, index as u64, body.expected())
    };
    let admitted: Vec<Result<Admitted, Problem>> = batch.events.iter().enumerate().map(admit).collect();
    if admitted.is_empty() {
        return Err(Problem::new(
            Kind::INVALID_BATCH,
            "`events` is empty: a batch must hold at least one event",
        ));
    }
    let is_atomic = batch.atomic.unwrap_or(true);
    check_key(app, terms, &admitted, if is_atomic { MayLack::None } else { MayLack::Some }).await?;
    match is_atomic {
        true => all_or_nothing(app, terms, admitted).await,
        false => each_alone(app, terms, admitted).await,
    }
}

async fn check_key(
    app: &App,
    terms: &Terms,
    admitted: &[Result<Admitted, Problem>],
    may_lack: MayLack,
) -> Result<(), Problem> {
    if terms.key.is_none() {
        return Ok(());
    }
    let mut tenants: Vec<_> = admitted.iter().flatten().map(|one| one.entity().tenant().clone()).collect();
    tenants.sort();
    tenants.dedup();
    // With several tenants the first and last event may belong to different ones: only the end is checked then.
    let count = admitted.len() as u64;
    for tenant in tenants {
        terms.check_end(app.store(), &tenant, count, may_lack).await?;
    }
    Ok(())
}

async fn all_or_nothing(app: &App, terms: &Terms, admitted: Vec<Result<Admitted, Problem>>) -> Reply {
    let refused: Vec<(usize, &Problem)> =
        admitted.iter().enumerate().filter_map(|(index, one)| Some((index, one.as_ref().err()?))).collect();
    if let Some((index, first)) = refused.first() {
        return Err(invalid_batch(&refused, *index, first));
    }
    let admitted: Vec<Admitted> = admitted.into_iter().flatten().collect();
    let commit = append_all(app.store(), &admitted).await.map_err(|error| match error {
        AppendError::Invalid { index, problem } => {
            let problem = problem.into();
            invalid_batch(&[(index, &problem)], index, &problem)
        }
        error => terms.problem(error.into()),
    })?;
    let total = admitted.len();
    let mut out = head(total, total);
    for (place, (one, committed)) in admitted.iter().zip(&commit.events).enumerate() {
        write_one(&mut out, place, app, one.entity(), committed, &commit);
    }
    out.extend_from_slice(b"]}");
    let mut response = json_body(out);
    mark_replayed(terms, &commit, &mut response);
    Ok(response)
}

fn invalid_batch(refused: &[(usize, &Problem)], index: usize, first: &Problem) -> Problem {
    let listed = refused.iter().take(LISTED_MAX).map(|(index, problem)| {
        let text = |name| problem.member(name).and_then(Value::as_str);
        let within = text("pointer").map(str::to_owned).or_else(|| Some(format!("/{}", text("field")?)));
        json!({
            "pointer": format!("/events/{index}{}", within.unwrap_or_default()),
            "type": format!("/problems/{}", problem.kind().slug),
            "detail": problem.detail(),
        })
    });
    let how_many =
        if refused.len() == 1 { "an event is".to_owned() } else { format!("{} events are", refused.len()) };
    let detail = format!("{how_many} not valid; events[{index}]: {}", first.detail());
    let errors: Vec<Value> = listed.collect();
    let kind = if refused.len() == 1 { first.kind() } else { Kind::INVALID_BATCH };
    Problem::new(kind, detail).with("errors", errors)
}

async fn each_alone(app: &App, terms: &Terms, admitted: Vec<Result<Admitted, Problem>>) -> Reply {
    let total = admitted.len();
    let entities: Vec<Option<Entity>> =
        admitted.iter().map(|one| one.as_ref().ok().map(|one| one.entity().clone())).collect();
    let (passed, refused): (Vec<_>, Vec<_>) = admitted.into_iter().partition(Result::is_ok);
    let mut outcomes = append_each(app.store(), passed.into_iter().flatten()).await.into_iter();
    let mut refused = refused.into_iter().filter_map(Result::err);
    let (mut items, mut ingested, mut replayed) = (Vec::new(), 0, 0);
    for (place, entity) in entities.iter().enumerate() {
        let outcome = match entity {
            Some(entity) => outcomes.next().map(|outcome| (entity, outcome)),
            None => None,
        };
        let problem = match outcome {
            Some((entity, Ok(commit))) => {
                for committed in &commit.events {
                    write_one(&mut items, place, app, entity, committed, &commit);
                    replayed += usize::from(committed.replayed);
                }
                ingested += 1;
                continue;
            }
            Some((_, Err(error))) => Some(terms.problem(error.into())),
            None => refused.next(),
        };
        if place > 0 {
            items.push(b',');
        }
        let value = problem.map(|problem| problem.to_value()).unwrap_or_default();
        items.extend_from_slice(value.to_string().as_bytes());
    }
    let mut out = head(total, ingested);
    out.extend_from_slice(&items);
    out.extend_from_slice(b"]}");
    let mut response = json_body(out);
    if ingested < total {
        *response.status_mut() = StatusCode::MULTI_STATUS;
    }
    if terms.key.is_some() && replayed == total {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn head(total: usize, ingested: usize) -> Vec<u8> {
    format!("{{\"total\":{total},\"ingested\":{ingested},\"events\":[").into_bytes()
}

fn write_one(out: &mut Vec<u8>, place: usize, app: &App, entity: &Entity, one: &Committed, commit: &Commit) {
    if place > 0 {
        out.push(b',');
    }
    write_commit(out, entity, one, commit.acknowledged, app.store().partitions());
}
