//! Mapped files whose pages may fault, because the file was cut short or the medium cannot be read. The system then
//! sends SIGBUS, which would end the process. The handler here replaces the page with zeros and marks the mapping.
//!
//! A signal handler may neither lock nor allocate: it walks a list that only grows, of ranges in atomics.

#![expect(unsafe_code, reason = "this is where memory is mapped")]

use std::fs::File;
use std::io;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

use memmap2::{Advice, Mmap};

use super::disk::Mapping;

/// Linux reads at most a device's read-ahead for one advice, however much is requested: 128 KiB by default.
const ADVISED_AT_ONCE: usize = 128 << 10;

/// The range of one mapping. Never freed: a later mapping reuses it.
struct Range {
    is_taken: AtomicBool,
    start: AtomicUsize,
    /// 0 while nothing is mapped.
    length: AtomicUsize,
    has_faulted: AtomicBool,
    next: AtomicPtr<Range>,
}

static RANGES: AtomicPtr<Range> = AtomicPtr::new(ptr::null_mut());

/// A mapped file.
pub(super) struct MappedFile {
    range: &'static Range,
    map: Mmap,
}

impl MappedFile {
    /// Maps a whole file.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        install()?;
        // SAFETY: this program never writes to a mapped file. If another program does, readers may see any bytes; every
        // reader treats them as untrusted and checks them. If another program cuts the file short, the handler below
        // replaces the missing pages with zeros.
        let map = unsafe { Mmap::map(file)? };
        // Otherwise the system would read megabytes around each page and evict pages that others need.
        map.advise(Advice::Random)?;
        let range = take_range();
        range.has_faulted.store(false, Ordering::Release);
        range.start.store(map.as_ptr() as usize, Ordering::Release);
        range.length.store(map.len(), Ordering::Release);
        Ok(Self { range, map })
    }
}

impl Mapping for MappedFile {
    fn bytes(&self) -> &[u8] {
        &self.map
    }

    fn has_faulted(&self) -> bool {
        // Orders earlier reads of the mapping before the load of the mark.
        fence(Ordering::Acquire);
        self.range.has_faulted.load(Ordering::Acquire)
    }

    fn will_need(&self, offset: usize, length: usize) {
        let end = offset.saturating_add(length).min(self.map.len());
        for start in (offset..end).step_by(ADVISED_AT_ONCE) {
            // Failed advice only makes reads slower.
            let _ = self.map.advise_range(Advice::WillNeed, start, ADVISED_AT_ONCE.min(end - start));
        }
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        self.range.length.store(0, Ordering::Release);
        self.range.is_taken.store(false, Ordering::Release);
    }
}

/// Every range there ever was.
fn ranges() -> impl Iterator<Item = &'static Range> {
    // SAFETY: the pointers come from `Box::leak` and are never freed.
    let at = |pointer: &AtomicPtr<Range>| unsafe { pointer.load(Ordering::Acquire).as_ref() };
    std::iter::successors(at(&RANGES), move |range| at(&range.next))
}

fn take_range() -> &'static Range {
    let is_free = |range: &&Range| {
        range.is_taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    if let Some(range) = ranges().find(is_free) {
        return range;
    }
    let range: &'static Range = Box::leak(Box::new(Range {
        is_taken: AtomicBool::new(true),
        start: AtomicUsize::new(0),
        length: AtomicUsize::new(0),
        has_faulted: AtomicBool::new(false),
        next: AtomicPtr::default(),
    }));
    let mut head = RANGES.load(Ordering::Acquire);
    loop {
        range.next.store(head, Ordering::Release);
        match RANGES.compare_exchange(
            head,
            ptr::from_ref(range).cast_mut(),
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => return range,
            Err(now) => head = now,
        }
    }
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// The previous action for SIGBUS.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once for the process.
fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        // SAFETY: all zeros is a valid value of this structure.
        let (mut ours, mut before): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
        ours.sa_sigaction = on_bus_error as Handler as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        // SAFETY: the handler does only what a signal handler may: it reads atomics and calls mmap and sigaction.
        let result = unsafe { libc::sigaction(libc::SIGBUS, &raw const ours, &raw mut before) };
        let _ = BEFORE.set(before);
        if result == 0 {
            Ok(())
        } else {
            #[expect(clippy::expect_used, reason = "it is the system's own error")]
            Err(io::Error::last_os_error().raw_os_error().expect("a system error has a number"))
        }
    });
    installed.map_err(io::Error::from_raw_os_error)
}

extern "C" fn on_bus_error(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system passes a valid structure, and for SIGBUS fills in the address.
    let address = unsafe { (*info).si_addr() } as usize;
    let is_inside = |range: &&Range| {
        let length = range.length.load(Ordering::Acquire);
        let start = range.start.load(Ordering::Acquire);
        (start..start + length).contains(&address)
    };
    // A range that is being reused may also seem to hold the address: all that do are marked.
    let mut is_ours = false;
    for range in ranges().filter(is_inside) {
        range.has_faulted.store(true, Ordering::SeqCst);
        is_ours = true;
    }
    if !is_ours || !put_zeros(address) {
        pass_on(signal, info, context);
    }
}

/// The fault is not ours: the previous handler decides.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    match BEFORE.get() {
        Some(before)
            if before.sa_flags & libc::SA_SIGINFO != 0
                && ![libc::SIG_DFL, libc::SIG_IGN].contains(&before.sa_sigaction) =>
        {
            // SAFETY: with this flag the address is that of a function of this type.
            let handler = unsafe { std::mem::transmute::<usize, Handler>(before.sa_sigaction) };
            handler(signal, info, context);
        }
        _ => {
            // SAFETY: the instruction is retried, and then ends the process as it should.
            unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
        }
    }
}

/// Replaces the page at an address inside one of our read-only mappings with zeros.
fn put_zeros(address: usize) -> bool {
    let page_bytes = rustix::param::page_size();
    let page = (address & !(page_bytes - 1)) as *mut libc::c_void;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: the page belongs to a live mapping of ours: its owner was just reading it. It is read-only and stays so;
    // its readers see zeros instead of a fatal signal.
    let mapped = unsafe { libc::mmap(page, page_bytes, libc::PROT_READ, flags, -1, 0) };
    mapped != libc::MAP_FAILED
}

#[cfg(test)]
mod tests;
