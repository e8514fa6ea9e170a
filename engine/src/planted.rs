//! Known mistakes that a test can switch on, one at a time, to prove that the tests would notice them.
//! Without the `planted` feature every question here is `false` at compile time.

/// A mistake of the kind that loses or falsifies events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Appends are answered before they are synced.
    AckBeforeSync,
    /// The name of a new journal file is not made durable.
    SkipDirectorySync,
    /// The name of the store's own folder is not made durable.
    SkipParentSync,
    /// A sync that failed is tried again, as if that helped.
    RetryFailedSync,
    /// Recovery cuts at the first bad frame without looking for evidence behind it.
    TruncateAtFirstBadFrame,
    /// Recovery trusts the page cache and serves an unproven tail without writing it anew.
    TrustUnprovenTail,
    /// Readers see a round before it is durable.
    VisibleBeforeDurable,
    /// What a refused round left in the journal file stays there.
    BelieveRefusedRound,
    /// Versions are assigned without looking at rounds in flight.
    ForgetFlight,
    /// A refusal is answered from state that is not durable yet.
    RefuseEarly,
    /// Event ids are not looked up.
    ForgetIds,
    /// A filter does not look at the tenant.
    DropTenantFilter,
    /// A batch that is refused half way leaves its first events behind.
    KeepRefusedHeads,
    /// A block of a sealed file is believed without its checksum.
    SkipBlockChecks,
    /// A sealed file is named before it is durable.
    SkipSegmentSync,
    /// Journal files are let go of while they hold events that are not sealed.
    RetireJournalEarly,
    /// The sequencer does not look at what was sealed since the caller looked.
    ForgetSealedSince,
    /// A tail is frozen while the journal does not hold all of it for certain.
    SealWithoutJournalSync,
    /// The index of other segments is taken for the right one.
    TrustAnyIndex,
    /// The version of an entity in the cache is taken for the newest.
    KeepStaleHeads,
    /// An opening adds no incarnation to the lineage.
    ForgetIncarnation,
    /// Snapshots of a history that is not the store's are believed.
    TrustAnySnapshot,
    /// A fold takes a snapshot or a history whose count of events does not fit the versions.
    AcceptWrongCount,
    /// The stretches of an entity are searched as if no other entity had its hash.
    TrustEntityHash,
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in everything this thread does from now on; `None` removes it.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this bug is planted.
#[inline]
pub(crate) fn is(bug: Bug) -> bool {
    #[cfg(feature = "planted")]
    return PLANTED.get() == Some(bug);
    #[cfg(not(feature = "planted"))]
    {
        let _ = bug;
        false
    }
}
