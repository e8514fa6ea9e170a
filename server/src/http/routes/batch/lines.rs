//! Imports a body of lines.

mod split;

use axum::body::Body;
use axum::http::HeaderValue;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use crate::admission::{Import, Terms};
use crate::app::App;
use crate::http::body::broken_off;
use crate::http::reply::{Reply, json};
use crate::problem::Problem;
use crate::wire::to_json;
use split::{Line, Lines};

pub(super) async fn append(app: &App, terms: Terms, mut body: Body) -> Reply {
    let has_key = terms.key().is_some();
    let mut import = app.admission().import(terms, app.budget().charge());
    let mut lines = Lines::new(app.budget());
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Err(import.interrupted(broken_off(&error))),
        };
        let Ok(data) = frame.into_data() else { continue };
        lines.push(data);
        while let Some(line) = next(&mut import, &mut lines).await? {
            take(&mut import, line).await?;
        }
    }
    if let Some(line) = lines.finish().map_err(|exhausted| import.interrupted(exhausted.into()))? {
        take(&mut import, line).await?;
    }
    let imported = import.finish().await?;
    let mut response = json(to_json(&imported));
    if has_key && imported.total > 0 && imported.replayed == imported.total {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The next complete line. An import that has no room for it first appends what it holds.
async fn next(import: &mut Import, lines: &mut Lines) -> Result<Option<Line>, Problem> {
    if let Ok(line) = lines.next() {
        return Ok(line);
    }
    import.flush().await?;
    lines.next().map_err(|exhausted| import.interrupted(exhausted.into()))
}

async fn take(import: &mut Import, line: Line) -> Result<(), Problem> {
    match line {
        Line::Short(text) => import.take(Ok(text)).await,
        Line::Long(text) => import.take(Ok(text)).await,
        Line::TooLong(problem) => import.take::<Bytes>(Err(problem)).await,
    }
}
