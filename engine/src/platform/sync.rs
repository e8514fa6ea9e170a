//! Locks and atomics: parking_lot's, or loom's when every interleaving is to be explored.

#[cfg(not(loom))]
pub(crate) use parking_lot::{Condvar, Mutex};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
pub(crate) use explored::{Condvar, Mutex};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

/// loom's types under parking_lot's signatures.
#[cfg(loom)]
mod explored {
    use std::time::Duration;

    use loom::sync::MutexGuard;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no thread of a model panics")
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            replace(guard, |guard| self.0.wait(guard).expect("no thread of a model panics"));
        }

        /// Time does not pass in a model: this waits until it is notified.
        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _timeout: Duration) {
            self.wait(guard);
        }
    }

    /// Replaces a guard by the one that waiting gives back. The place is empty meanwhile; a panic there would
    /// use it twice, so it ends the process instead.
    fn replace<'a, T>(
        guard: &mut MutexGuard<'a, T>,
        wait: impl FnOnce(MutexGuard<'a, T>) -> MutexGuard<'a, T>,
    ) {
        struct EndProcess;
        impl Drop for EndProcess {
            fn drop(&mut self) {
                std::process::abort();
            }
        }
        let bomb = EndProcess;
        // SAFETY: the guard that is read out is passed on exactly once, and the place is filled again before
        // anybody can look at it: a panic between the two ends the process.
        #[allow(unsafe_code, reason = "a model needs the same signature as the real lock")]
        unsafe {
            let old = std::ptr::read(guard);
            std::ptr::write(guard, wait(old));
        }
        std::mem::forget(bomb);
    }
}
