//! Known mistakes, planted one at a time: the suite must catch every one of them.

use std::panic::catch_unwind;

use allsource_engine::ReadMode;
use allsource_engine::planted::{Bug, plant};
use allsource_tests::crash_points::{Effort, explore};
use allsource_tests::{corruption, simulation, workloads};

const BUGS: &[Bug] = &[
    Bug::AckBeforeSync,
    Bug::SkipDirectorySync,
    Bug::SkipParentSync,
    Bug::RetryFailedSync,
    Bug::TruncateAtFirstBadFrame,
    Bug::TrustUnprovenTail,
    Bug::VisibleBeforeDurable,
    Bug::BelieveRefusedRound,
    Bug::ForgetFlight,
    Bug::RefuseEarly,
    Bug::ForgetIds,
    Bug::DropTenantFilter,
    Bug::KeepRefusedHeads,
    Bug::SkipBlockChecks,
    Bug::SkipSegmentSync,
    Bug::RetireJournalEarly,
    Bug::ForgetSealedSince,
    Bug::SealWithoutJournalSync,
    Bug::TrustAnyIndex,
    Bug::KeepStaleHeads,
    Bug::ForgetIncarnation,
    Bug::TrustAnySnapshot,
    Bug::AcceptWrongCount,
    Bug::TrustEntityHash,
];

/// What caught the bug, if anything did.
fn hunt(bug: Bug) -> Option<String> {
    plant(Some(bug));
    let found = (0..600_u64).find_map(|seed| {
        let outcome = catch_unwind(|| simulation::run(seed, 300));
        let is_caught = !matches!(outcome, Ok(Ok(_)));
        // A seed that also fails without the bug would prove nothing.
        plant(None);
        let is_clean = !is_caught || matches!(catch_unwind(|| simulation::run(seed, 300)), Ok(Ok(_)));
        plant(Some(bug));
        assert!(is_clean, "seed {seed} also fails without {bug:?}");
        is_caught.then(|| format!("seed {seed}: {:?}", outcome.map(|run| run.err())))
    });
    let found = found.or_else(|| {
        let effort = Effort { samples: 24, exhaustive_up_to: 8 };
        workloads::all().iter().find_map(|workload| explore(workload, effort).err())
    });
    let found = found.or_else(|| {
        plant(None);
        let world = crate::damage::store();
        plant(Some(bug));
        let paths = world.disk.paths();
        paths.iter().find_map(|path| corruption::sweep(&world, path, 97).err())
    });
    let found = found.or_else(|| {
        plant(None);
        let world = crate::damage::sealed_store(ReadMode::Map);
        plant(Some(bug));
        let paths: Vec<String> =
            world.disk.paths().into_iter().filter(|path| path.starts_with("segments/")).collect();
        paths.iter().find_map(|path| match corruption::lose(&world, path, &paths) {
            Ok(tried) if path.ends_with(".idx") && tried.refused > 0 => {
                Some(format!("{path} is not rebuilt"))
            }
            tried => tried.err(),
        })
    });
    let found = found.or_else(|| {
        let outcome =
            catch_unwind(crate::sealed::a_snapshot_of_events_that_a_crash_took_back_is_not_believed);
        outcome.is_err().then(|| "a snapshot of events that a crash took back is believed".to_owned())
    });
    let found = found.or_else(|| {
        let outcome =
            catch_unwind(crate::folds::a_snapshot_whose_count_does_not_fit_its_version_is_not_believed);
        outcome.is_err().then(|| "a snapshot with a wrong count is believed".to_owned())
    });
    let found = found.or_else(|| {
        let outcome = catch_unwind(crate::folds::states_of_entities_that_share_a_hash_are_complete);
        outcome.is_err().then(|| "a state lacks events of an entity that shares its hash".to_owned())
    });
    let found = found.or_else(|| {
        let outcome =
            catch_unwind(crate::sealed::contradictions::an_index_over_other_records_is_not_believed);
        outcome.is_err().then(|| "an index over other records is believed".to_owned())
    });
    plant(None);
    found
}

#[test]
fn every_planted_bug_is_caught() {
    let missed: Vec<&Bug> = BUGS
        .iter()
        .filter(|bug| {
            let found = hunt(**bug);
            println!("{bug:?}: {}", found.as_deref().unwrap_or("MISSED"));
            found.is_none()
        })
        .collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
