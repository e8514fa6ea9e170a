//! Known bugs that a test can switch on, one at a time, to prove that the tests detect them.
//! Without the `planted` feature, every check here is `false` at compile time.

/// A bug that loses or falsifies events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Appends are answered before they are synced.
    AckBeforeSync,
    /// The name of a new journal file is not made durable.
    SkipDirectorySync,
    /// The name of the store's own folder is not made durable.
    SkipParentSync,
    /// A failed sync is retried, although a second sync proves nothing.
    RetryFailedSync,
    /// Recovery cuts off the log at the first bad frame without looking for evidence after it.
    TruncateAtFirstBadFrame,
    /// Recovery trusts the page cache and serves an unproven tail without rewriting it.
    TrustUnprovenTail,
    /// Readers see a round before it is durable.
    VisibleBeforeDurable,
    /// The bytes that a refused round left in the journal file stay there.
    BelieveRefusedRound,
    /// Versions are assigned without regard to rounds in flight.
    ForgetFlight,
    /// A refusal is answered from state that is not durable yet.
    RefuseEarly,
    /// Event ids are not looked up.
    ForgetIds,
    /// A filter ignores the tenant.
    DropTenantFilter,
    /// A batch that is refused halfway leaves its first events in the round.
    KeepRefusedHeads,
    /// A block of a sealed file is used without checking its checksum.
    SkipBlockChecks,
    /// A sealed file is named before it is durable.
    SkipSegmentSync,
    /// Journal files are retired while they hold events that are not sealed.
    RetireJournalEarly,
    /// The sequencer ignores events sealed since the caller's look-up.
    ForgetSealedSince,
    /// A tail is frozen before the journal holds all of it durably.
    SealWithoutJournalSync,
    /// An index of other segments is accepted.
    TrustAnyIndex,
    /// The cached version of an entity is assumed to be the newest.
    KeepStaleHeads,
    /// An opening adds no incarnation to the lineage.
    ForgetIncarnation,
    /// Snapshots of another history are used.
    TrustAnySnapshot,
    /// A fold accepts a snapshot or a history whose event count does not fit the versions.
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
