//! Which faults happen, and when.

/// A small generator of pseudo-random numbers (SplitMix64, Steele, Lea and Flood 2014): the same on every machine.
#[derive(Debug, Clone)]
pub struct Seeded {
    state: u64,
}

impl Seeded {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    #[expect(clippy::should_implement_trait, reason = "a generator never ends, an iterator may")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// True `per_mille` times in a thousand.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }
}

/// How often operations fail, in thousandths, and what fails for certain. All zero: a perfect disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// A read answers EIO.
    pub read_error: u32,
    /// A write answers EIO; part of it may have been written.
    pub write_error: u32,
    /// A write answers ENOSPC although the file has the room: file systems that copy on write need new room even to
    /// overwrite. Part of it may have been written.
    pub full_write: u32,
    /// A sync answers EIO. The cache goes on showing the new bytes; a crash brings the old ones back.
    pub sync_error: u32,
    /// One read shows a flipped bit; the next one does not.
    pub read_flip: u32,
    /// A write lands somewhere else in the file.
    pub misdirected_write: u32,
    /// A write is acknowledged and never happens, also when synced.
    pub lost_write: u32,
    /// Room on the disk in bytes; files do not get longer beyond it. `None`: enough.
    pub room: Option<u64>,
    /// Most files that may be open at once; more are refused with EMFILE. `None`: any number.
    pub descriptors: Option<usize>,
    /// Creating a file panics: a bug, as far as the engine can tell.
    pub panic_at_create: bool,
    /// Making the names of manifests durable panics.
    pub panic_at_manifest: bool,
    /// The operation of this number, counted from 0, and all after it fail as if the power were gone.
    pub power_cut_at: Option<u64>,
}
