//! What a caller reads.

use allsource_engine::error::{AppendError, ReadError, SealError};
use allsource_engine::event::Entity;
use allsource_engine::{ExpectedVersion, Unavailable, Version};
use serde_json::json;

use super::{Kind, Problem, nearest};

#[test]
fn a_conflict_says_both_versions_and_the_word_clients_look_for() {
    let entity = Entity::new("order-1").unwrap();
    let actual = Version::new(3);
    let expected = ExpectedVersion::Empty;
    let problem = Problem::from(AppendError::Conflict { entity, expected, actual, in_batch: None });
    let body = problem.to_value();
    assert_eq!(body["status"], 409);
    assert_eq!(body["error"], "version_conflict");
    assert_eq!(body["expected_version"], 0);
    assert_eq!(body["current_version"], 3);
    assert_eq!(body["type"], "/problems/version-conflict");
}

#[test]
fn the_error_member_has_the_form_of_old_servers() {
    let body = Problem::new(Kind::ENTITY_NOT_FOUND, "order-1").to_value();
    assert_eq!(body["error"], "Entity not found: order-1");
    assert_eq!(
        body,
        json!({"type": "/problems/entity-not-found", "title": "There is no such entity", "status": 404,
            "detail": "order-1", "error": "Entity not found: order-1"})
    );
}

#[test]
fn why_nothing_is_sealed_is_told_by_what_helps() {
    let check = |error: SealError, slug: &str, detail: &str| {
        let problem = Problem::from(error);
        assert_eq!((problem.status(), problem.kind().slug, problem.detail()), (503, slug, detail));
    };
    check(SealError::Failed("no room".to_owned()), "not-sealing", "sealing failed: no room");
    check(SealError::Fenced("a sync failed".to_owned()), "fenced", "the store is fenced: a sync failed");
    check(SealError::Closed, "fenced", "the store is closed");
}

#[test]
fn what_cannot_be_read_now_is_worth_another_try() {
    let unavailable = || Unavailable {
        operation: "open",
        file: "segments/file".to_owned(),
        error: "Too many open files".to_owned(),
    };
    for problem in
        [Problem::from(ReadError::from(unavailable())), Problem::from(AppendError::from(unavailable()))]
    {
        assert_eq!((problem.status(), problem.kind().slug), (503, "unavailable"));
        assert_eq!(problem.member("retry_after"), Some(&1.into()));
        assert_eq!(problem.detail(), "segments/file cannot be read now: open: Too many open files");
    }
}

#[test]
fn a_mistyped_name_leads_to_the_right_one_and_a_strange_one_to_none() {
    assert_eq!(nearest("entityid", &["event_type", "entity_id"]), Some("entity_id"));
    assert_eq!(nearest("Limit", &["limit", "offset"]), Some("limit"));
    assert_eq!(nearest("zzz", &["event_type", "entity_id"]), None);
}
