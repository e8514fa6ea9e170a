//! The door ends reads whose caller has gone, and never runs more at once than allowed.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::{AsOf, Batch, Engine, Query};

use super::workers::Workers;
use super::{Error, LARGE_BYTES, Look, Store};
use crate::budget::{BYTES_MIN, Budget};

const PATIENCE: Duration = Duration::from_secs(10);

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(folder.path()).unwrap();
    (folder, Store::over(Arc::new(engine)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_ends_once_nobody_waits_for_it() {
    let (_folder, store) = store();
    let entity = Entity::new("e").unwrap();
    let events = (0..10).map(|_| NewEvent::json("t", "{}").unwrap());
    let batch = events.fold(Batch::to(&entity), Batch::event);
    store.append(batch).await.unwrap();
    let (begun, has_begun) = mpsc::channel();
    let (dropped, is_dropped) = mpsc::channel::<()>();
    let (ended, end) = mpsc::channel();
    let work = move |look: &Look<'_>| {
        let mut events = look.read(&Query::all())?;
        begun.send(events.next().unwrap().is_ok()).unwrap();
        is_dropped.recv_timeout(PATIENCE).unwrap();
        ended.send(events.next().unwrap().map(drop)).unwrap();
        let mut charge = Budget::new(BYTES_MIN).charge();
        ended.send(look.fold(&entity, AsOf::Now, &mut charge, None).map(drop)).unwrap();
        Ok::<_, Error>(())
    };
    let waiting = tokio::spawn(async move { store.look(work).await });
    assert!(has_begun.recv_timeout(PATIENCE).unwrap());
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    dropped.send(()).unwrap();
    assert_eq!(end.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled));
    assert_eq!(end.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_beyond_the_bound_waits_and_is_taken_back_with_its_caller() {
    let workers = Workers::at_most(1);
    let (release, released) = mpsc::channel::<()>();
    let first = workers.clone();
    let first = tokio::spawn(async move { first.run(move |_| released.recv_timeout(PATIENCE)).await });
    while workers.is_free() {
        tokio::task::yield_now().await;
    }
    let second = workers.clone();
    let second = tokio::spawn(async move { second.run(|_| panic!("the caller has gone")).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Ok(Ok(())));
    assert_eq!(workers.run(|_| 7).await, Ok(7));
}

/// On the only thread of this test's runtime, the work would wait for itself.
#[tokio::test]
async fn large_work_does_not_hold_up_the_threads_that_answer() {
    let (_folder, store) = store();
    for is_stream in [false, true] {
        let (release, released) = mpsc::channel::<()>();
        let store = store.clone();
        let working = tokio::spawn(async move {
            let work = move || released.recv_timeout(PATIENCE);
            if is_stream { store.encode(work).await } else { store.compute(LARGE_BYTES, work).await }
        });
        tokio::task::yield_now().await;
        release.send(()).unwrap();
        assert_eq!(working.await.unwrap(), Ok(Ok(())));
    }
    assert_eq!(store.compute(LARGE_BYTES - 1, || 7).await, Ok(7), "small work needs no other thread");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_out_of_a_snapshot_in_memory_is_charged_like_any_other() {
    let (_folder, store) = store();
    let entity = Entity::new("e").unwrap();
    let payload = format!("{{\"text\":\"{}\"}}", "x".repeat(3 << 20));
    store.append(Batch::to(&entity).event(NewEvent::json("t", payload).unwrap())).await.unwrap();
    let budget = Budget::new(BYTES_MIN);
    let work = move |look: &Look<'_>| {
        look.snapshot(&entity, &mut budget.charge())?;
        let mut charge = budget.charge();
        let state = look.fold(&entity, AsOf::Now, &mut charge, None)?;
        assert!(charge.bytes() >= 2 * state.unwrap().bytes(), "the state and its copy in an answer");
        let mut rest = budget.charge();
        rest.grow_to(charge.most() - charge.bytes()).unwrap();
        let refused = look.fold(&entity, AsOf::Now, &mut budget.charge(), None).map(drop);
        assert_eq!(refused, Err(Error::NoRoom { is_too_large: false }));
        Ok::<_, Error>(())
    };
    store.look(work).await.unwrap();
}
