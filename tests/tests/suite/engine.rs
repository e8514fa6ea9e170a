//! The engine through its public interface, on a real disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use allsource_engine::event::{Entity, Filter, NewEvent, Tag, TenantId, Timestamp};
use allsource_engine::platform::sim::{Faults, SimDisk};
use allsource_engine::platform::{
    Clock, Disk, DiskFile, DiskLock, LocalDisk, Mapping, SystemClock, SystemEntropy,
};
use allsource_engine::{
    AppendError, AsOf, Batch, Durability, Engine, ExpectedVersion, Health, Message, OpenError, Options,
    Query, Start,
};
use uuid::Uuid;

fn options() -> Options {
    Options { journal_file_bytes: 256 << 10, mark_after: Duration::from_millis(5), ..Options::default() }
}

fn store() -> (tempfile::TempDir, Engine) {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open_with(folder.path(), options()).unwrap();
    (folder, engine)
}

fn event(event_type: &str, payload: &str) -> NewEvent {
    NewEvent::json(event_type, payload).unwrap()
}

fn entity(id: &str) -> Entity {
    Entity::new(id).unwrap()
}

fn types(engine: &Engine, query: &Query) -> Vec<String> {
    engine.read(query).unwrap().map(|event| event.unwrap().event_type().to_owned()).collect()
}

#[test]
fn appended_events_are_there_after_reopening() {
    let (folder, engine) = store();
    for n in 0..100 {
        let commit = engine
            .append(Batch::to(&entity("a")).event(event("t", &format!("{{\"n\":{n}}}"))))
            .wait()
            .unwrap();
        assert_eq!(commit.events[0].version.value(), n + 1);
    }
    drop(engine);
    for round in 0..3 {
        let engine = Engine::open_with(folder.path(), options()).unwrap();
        assert_eq!(engine.stats(None).unwrap().events, 100 + round);
        let positions: Vec<u64> =
            engine.read(&Query::all()).unwrap().map(|event| event.unwrap().position().value()).collect();
        assert_eq!(positions, (1..=100 + round).collect::<Vec<_>>());
        engine.append(Batch::to(&entity("a")).event(event("t", "{}"))).wait().unwrap();
    }
}

#[test]
fn expected_versions_are_checked_and_a_refused_batch_leaves_no_trace() {
    let (_folder, engine) = store();
    let (a, b) = (entity("a"), entity("b"));
    let first = Batch::to(&a).expect(ExpectedVersion::Empty).event(event("t", "1"));
    engine.append(first.clone()).wait().unwrap();
    let error = engine.append(first).wait().unwrap_err();
    assert_eq!(error.to_string(), "version conflict on default/a: expected 0, but it is at 1");
    let half = Batch::to(&b)
        .event(event("t", "1"))
        .and_to(&a)
        .expect(ExpectedVersion::number(7))
        .event(event("t", "1"));
    assert!(matches!(engine.append(half).wait(), Err(AppendError::Conflict { .. })));
    assert_eq!(engine.head(&b).unwrap(), None);
    let exists = Batch::to(&b).expect(ExpectedVersion::Exists).event(event("t", "1"));
    assert!(matches!(engine.append(exists).wait(), Err(AppendError::Conflict { .. })));
    let both = Batch::to(&a).expect(ExpectedVersion::number(1)).event(event("t", "2"));
    let both = both.and_to(&a).expect(ExpectedVersion::number(2)).event(event("t", "3"));
    let commit = engine.append(both).wait().unwrap();
    assert_eq!(commit.events.iter().map(|e| e.position.value()).collect::<Vec<_>>(), [2, 3]);
}

/// The expectation of a repeated first event must not apply to a second event that expects nothing.
#[test]
pub(crate) fn an_expectation_is_of_one_event_and_not_of_those_behind_it() {
    let (_folder, engine) = store();
    let (a, id) = (entity("a"), Uuid::from_u128(5));
    let first = || event("t", "1").id(id);
    engine.append(Batch::to(&a).expect(ExpectedVersion::Empty).event(first())).wait().unwrap();
    let both = Batch::to(&a).expect(ExpectedVersion::Empty).event(first()).event(event("t", "2"));
    let commit = engine.append(both).wait().unwrap();
    assert_eq!(
        commit.events.iter().map(|e| (e.version.value(), e.replayed)).collect::<Vec<_>>(),
        [(1, true), (2, false)]
    );
    let own = Batch::to(&a).event(first()).expect(ExpectedVersion::number(1)).event(event("t", "3"));
    let error = engine.append(own).wait().unwrap_err();
    assert_eq!(error.to_string(), "version conflict on default/a: expected 1, but it is at 2");
}

#[test]
fn the_same_id_appends_once_also_after_reopening() {
    let (folder, engine) = store();
    let id = Uuid::from_u128(77);
    let batch = Batch::to(&entity("a")).expect(ExpectedVersion::Empty).event(event("t", "1").id(id));
    let original = engine.append(batch.clone()).wait().unwrap();
    drop(engine);
    let engine = Engine::open_with(folder.path(), options()).unwrap();
    let replayed = engine.append(batch).wait().unwrap();
    assert!(replayed.events[0].replayed);
    assert_eq!(replayed.events[0].position, original.events[0].position);
    assert_eq!(replayed.events[0].sequence, original.events[0].sequence);
    let other = Batch::to(&entity("a")).event(event("t", "2").id(id));
    assert!(matches!(engine.append(other).wait(), Err(AppendError::Duplicate { .. })));
    assert_eq!(engine.stats(None).unwrap().events, 1);
    let found = engine.event(&TenantId::default(), id).unwrap().unwrap();
    assert_eq!(found.position().value(), 1);
    assert!(engine.event(&TenantId::new("other").unwrap(), id).unwrap().is_none());
}

#[test]
fn queries_find_by_everything_they_name_in_both_directions() {
    let (_folder, engine) = store();
    let acme = TenantId::new("acme").unwrap();
    for (id, event_type, tag) in
        [("a", "order.placed", "x"), ("b", "order.paid", "y"), ("a", "user.seen", "x")]
    {
        engine
            .append(Batch::to(&entity(id)).event(event(event_type, "{}").tag(tag).unwrap()))
            .wait()
            .unwrap();
    }
    let foreign = Entity::of(acme.clone(), allsource_engine::event::EntityId::new("a").unwrap());
    engine.append(Batch::to(&foreign).event(event("order.foreign", "{}"))).wait().unwrap();
    let own = || Filter::tenant(TenantId::default());
    let check = |query: Query, expected: &[&str]| {
        assert_eq!(types(&engine, &query), expected, "{query:?}");
        let mut reversed = types(&engine, &query.clone().newest_first());
        reversed.reverse();
        assert_eq!(reversed, expected, "newest first: {query:?}");
    };
    check(Query::all(), &["order.placed", "order.paid", "user.seen", "order.foreign"]);
    check(Query::matching(own()), &["order.placed", "order.paid", "user.seen"]);
    check(Query::entity(&entity("a")), &["order.placed", "user.seen"]);
    check(Query::entity(&foreign), &["order.foreign"]);
    check(Query::matching(own().of_type_prefix("order.")), &["order.placed", "order.paid"]);
    check(Query::matching(own().tagged(Tag::new("x").unwrap())), &["order.placed", "user.seen"]);
    check(Query { from: engine.watermark(), ..Query::all() }, &["order.foreign"]);
    let second = Filter::entity(&entity("a")).since_version(allsource_engine::Version::FIRST.next());
    check(Query::matching(second), &["user.seen"]);
    assert_eq!(types(&engine, &Query::all().newest_first().limit(1)), ["order.foreign"]);
    assert_eq!(engine.count(&Query::matching(own())), Ok(Some(3)));
    assert_eq!(engine.stats(Some(&acme)).unwrap().entities, 1);
    assert_eq!(engine.stats(None).unwrap().event_types, 4);
}

#[test]
fn state_is_folded_as_of_any_moment_with_members_untouched() {
    let (_folder, engine) = store();
    let a = entity("a");
    let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
    for (n, payload) in
        [r#"{"x": 1.50,"y":[1, 2]}"#, "[1]", r#"{"y":null,"z":100000000000000000000}"#].iter().enumerate()
    {
        let new = event("t", payload).timestamp(at(10 * (n as i64 + 1)));
        engine.append(Batch::to(&a).event(new)).wait().unwrap();
    }
    let state = |as_of| engine.fold(&a, as_of).unwrap().unwrap();
    assert_eq!(state(AsOf::Now).to_json(), r#"{"x":1.50,"y":null,"z":100000000000000000000}"#);
    assert_eq!(state(AsOf::Time(at(29))).to_json(), r#"{"x":1.50,"y":[1, 2]}"#);
    assert_eq!(state(AsOf::Time(at(30))).event_count(), 3);
    assert_eq!(state(AsOf::Version(allsource_engine::Version::FIRST)).version().value(), 1);
    assert_eq!(state(AsOf::Position(allsource_engine::Position::FIRST)).event_count(), 1);
    assert!(engine.fold(&a, AsOf::Time(at(9))).unwrap().is_none());
}

#[test]
fn a_subscription_catches_up_follows_and_says_where_it_is() {
    let (_folder, engine) = store();
    let a = entity("a");
    engine.append(Batch::to(&a).event(event("wanted", "1")).event(event("other", "2"))).wait().unwrap();
    let filter = Filter::all().of_type(allsource_engine::event::EventType::new("wanted").unwrap());
    let mut live = engine.subscribe(Start::Beginning, filter).unwrap();
    let mut next = || live.next_timeout(Duration::from_secs(5)).unwrap().unwrap();
    assert!(matches!(next(), Message::Event(event) if event.position().value() == 1));
    assert!(matches!(next(), Message::CaughtUp(Some(position)) if position.value() == 2));
    engine.append(Batch::to(&a).event(event("other", "3"))).wait().unwrap();
    assert!(matches!(next(), Message::Progress(position) if position.value() == 3));
    engine.append(Batch::to(&a).event(event("wanted", "4"))).wait().unwrap();
    assert!(matches!(next(), Message::Event(event) if event.version().value() == 4));
    engine.close();
    assert!(live.next_timeout(Duration::from_secs(5)).is_none());
}

#[test]
fn many_threads_append_without_gaps() {
    let (_folder, engine) = store();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let engine = &engine;
            scope.spawn(move || {
                for n in 0..200 {
                    let target = entity(&format!("e{}", (thread + n) % 5));
                    engine.append(Batch::to(&target).event(event("t", "{}"))).wait().unwrap();
                }
            });
        }
    });
    assert_eq!(engine.stats(None).unwrap().events, 1600);
    for id in 0..5 {
        let events = engine.read(&Query::entity(&entity(&format!("e{id}")))).unwrap();
        let versions: Vec<u64> = events.map(|event| event.unwrap().version().value()).collect();
        assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>());
    }
}

#[test]
fn an_append_can_be_awaited() {
    let (_folder, engine) = store();
    let append = engine.append(Batch::to(&entity("a")).event(event("t", "1"))).into_future();
    let mut append = std::pin::pin!(append);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let commit = loop {
        if let std::task::Poll::Ready(answer) = append.as_mut().poll(&mut context) {
            break answer.unwrap();
        }
        std::thread::yield_now();
    };
    assert_eq!(commit.events.len(), 1);
}

#[test]
fn a_weaker_durability_says_so() {
    for durability in [Durability::Interval(Duration::from_millis(2)), Durability::None] {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open_with(folder.path(), Options { durability, ..options() }).unwrap();
        for _ in 0..50 {
            let commit = engine.append(Batch::to(&entity("a")).event(event("t", "1"))).wait().unwrap();
            assert_eq!(commit.acknowledged, allsource_engine::Acknowledged::Written);
        }
        drop(engine);
        assert_eq!(Engine::open(folder.path()).unwrap().stats(None).unwrap().events, 50);
    }
}

#[test]
fn a_second_opener_and_a_foreign_folder_are_refused() {
    let (folder, _engine) = store();
    assert!(matches!(Engine::open(folder.path()), Err(OpenError::InUse(_))));
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("photo.jpg"), b"x").unwrap();
    let Err(error) = Engine::open(other.path()) else { panic!("opened over a user's photo") };
    assert!(error.to_string().contains("photo.jpg"), "{error}");
}

#[test]
fn empty_batches_and_oversized_events_are_refused() {
    let (_folder, engine) = store();
    assert_eq!(engine.append(Batch::to(&entity("a"))).wait(), Err(AppendError::Empty));
    let large = event("t", &format!("\"{}\"", "x".repeat(300 << 10)));
    assert!(matches!(
        engine.append(Batch::to(&entity("a")).event(large)).wait(),
        Err(AppendError::TooLarge { .. })
    ));
}

/// A round larger than a journal file would end the committer.
#[test]
fn rounds_fit_into_the_smallest_journal_files() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { journal_file_bytes: 64 << 10, ..options() };
    let engine = Engine::open_with(folder.path(), small.clone()).unwrap();
    let payload = format!("\"{}\"", "x".repeat(20_000));
    let waiting: Vec<_> =
        (0..64).map(|_| engine.append(Batch::to(&entity("a")).event(event("t", &payload)))).collect();
    waiting.into_iter().for_each(|append| drop(append.wait().unwrap()));
    drop(engine);
    assert_eq!(Engine::open_with(folder.path(), small).unwrap().stats(None).unwrap().events, 64);
}

/// A disk whose writes panic on demand, as a bug in the engine would.
struct PanickingDisk {
    inner: LocalDisk,
    panics: Arc<AtomicBool>,
}

struct PanickingFile {
    inner: Arc<dyn DiskFile>,
    panics: Arc<AtomicBool>,
}

impl PanickingDisk {
    fn wrap(&self, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(PanickingFile { inner, panics: Arc::clone(&self.panics) })
    }
}

impl Disk for PanickingDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.create_dir(dir)
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
    fn sync_parent(&self) -> io::Result<()> {
        self.inner.sync_parent()
    }
    fn create(&self, path: &str, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.create(path, length).map(|file| self.wrap(file))
    }
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.open(path).map(|file| self.wrap(file))
    }
    fn open_read_only(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.open_read_only(path)
    }
    fn map(&self, path: &str) -> io::Result<Arc<dyn Mapping>> {
        self.inner.map(path)
    }
    fn open_past_cache(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.open_past_cache(path)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.inner.remove(path)
    }
    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        self.inner.lock(path)
    }
    fn lock_shared(&self, path: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.inner.lock_shared(path)
    }
}

impl DiskFile for PanickingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        assert!(!self.panics.load(Ordering::Relaxed), "a planted panic, to see how the store copes");
        self.inner.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }
    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }
    fn truncate(&self, length: u64) -> io::Result<()> {
        self.inner.truncate(length)
    }
}

/// A thread's panic must not leave the store looking healthy, or callers and `close` waiting forever.
#[test]
fn a_panic_inside_ends_appends_but_not_reads_or_close() {
    let folder = tempfile::tempdir().unwrap();
    let panics = Arc::new(AtomicBool::new(false));
    let disk = PanickingDisk { inner: LocalDisk::new(folder.path()), panics: Arc::clone(&panics) };
    let (clock, entropy) = (Arc::new(SystemClock::default()), Arc::new(SystemEntropy));
    let engine = Engine::open_on(Arc::new(disk), clock, entropy, options()).unwrap();
    engine.append(Batch::to(&entity("a")).event(event("t", "1"))).wait().unwrap();
    panics.store(true, Ordering::Relaxed);
    let waiting: Vec<_> =
        (0..50).map(|_| engine.append(Batch::to(&entity("a")).event(event("t", "2")))).collect();
    for append in waiting {
        let error = append.wait().unwrap_err();
        assert!(matches!(error, AppendError::Unknown(_) | AppendError::Fenced(_)), "{error}");
    }
    // Callers may be answered while the thread is still unwinding.
    let began = SystemClock::default();
    while !matches!(engine.health(), Health::Fenced(_)) {
        assert!(began.monotonic() < Duration::from_secs(10), "{:?}", engine.health());
        std::thread::yield_now();
    }
    let refused = engine.append(Batch::to(&entity("a")).event(event("t", "3"))).wait().unwrap_err();
    assert!(matches!(refused, AppendError::Fenced(_)), "{refused}");
    assert_eq!(types(&engine, &Query::all()), ["t"]);
    panics.store(false, Ordering::Relaxed);
    engine.close();
    drop(engine);
    assert!(Engine::open_with(folder.path(), options()).unwrap().stats(None).unwrap().events >= 1);
}

/// A new journal file needs a new manifest; lack of room for that must not fence the store for good.
#[test]
fn a_full_disk_refuses_appends_serves_reads_and_recovers_by_itself() {
    let disk = SimDisk::new(1);
    let (clock, entropy) = (Arc::new(SystemClock::default()), Arc::new(SystemEntropy));
    let small = Options { journal_file_bytes: 64 << 10, ..options() };
    let engine = Engine::open_on(Arc::new(disk.clone()), clock, entropy, small).unwrap();
    let payload = format!("\"{}\"", "x".repeat(20_000));
    let append = || engine.append(Batch::to(&entity("a")).event(event("t", &payload))).wait();
    append().unwrap();
    disk.set_faults(Faults { room: Some(0), ..Faults::default() });
    let outcomes: Vec<_> = (0..12).map(|_| append()).collect();
    assert_eq!(outcomes.last(), Some(&Err(AppendError::StorageFull)));
    let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || *outcome == Err(AppendError::StorageFull)));
    assert_eq!(types(&engine, &Query::all()).len(), 1 + 12 - refused);
    assert!(matches!(engine.health(), Health::StorageFull { needed_bytes } if needed_bytes == 64 << 10));
    disk.set_faults(Faults::default());
    let taken = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        append().is_ok()
    });
    assert!(taken, "appends resume once there is room");
}

/// Such an event must not end the thread that indexes it, at every start again.
#[test]
fn a_tag_given_twice_finds_its_event_once() {
    let (folder, engine) = store();
    let twice = event("t", "1").tag("x").unwrap().tag("y").unwrap().tag("x").unwrap();
    engine.append(Batch::to(&entity("a")).event(twice)).wait().unwrap();
    drop(engine);
    let engine = Engine::open_with(folder.path(), options()).unwrap();
    let tagged = Filter::tenant(TenantId::default()).tagged(Tag::new("x").unwrap());
    assert_eq!(types(&engine, &Query::matching(tagged)), ["t"]);
}
