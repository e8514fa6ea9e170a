//! Locks and atomics: parking_lot's, or loom's to explore every interleaving.

#[cfg(not(interleave))]
pub(crate) use parking_lot::{Condvar, Mutex};
#[cfg(not(interleave))]
pub(crate) use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

#[cfg(interleave)]
pub(crate) use explored::{Condvar, Mutex};
#[cfg(interleave)]
pub(crate) use loom::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// loom's types under parking_lot's signatures.
#[cfg(interleave)]
mod explored {
    use std::ops::{Deref, DerefMut};
    use std::time::Duration;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    /// Empty only while its thread waits.
    pub(crate) struct Guard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            Guard(Some(self.0.lock().expect("no thread of a model panics")))
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().expect("its thread does not wait")
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect("its thread does not wait")
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

        pub(crate) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
            let held = guard.0.take().expect("its thread does not wait yet");
            guard.0 = Some(self.0.wait(held).expect("no thread of a model panics"));
        }

        /// Time does not pass in a model: this waits until it is notified.
        pub(crate) fn wait_for<T>(&self, guard: &mut Guard<'_, T>, _timeout: Duration) {
            self.wait(guard);
        }
    }
}
