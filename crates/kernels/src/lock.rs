//! The one kind of lock that the project uses: it counts how often it is taken, so that a test can say that a path takes
//! none. Not here: waiting for work, which spins and parks (`workers.rs`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How many times this process has taken a [`Lock`], or tried to.
#[doc(hidden)]
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// A mutex. A panic while it is held does not poison it: what it guards must be sound after every statement.
#[derive(Debug, Default)]
pub struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    /// A lock that no thread holds.
    pub const fn new(value: T) -> Lock<T> {
        Lock(Mutex::new(value))
    }

    /// Waits until no thread holds it, and takes it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        COUNT.fetch_add(1, Ordering::Relaxed);
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it if no thread holds it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        COUNT.fetch_add(1, Ordering::Relaxed);
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// What it guards, without the lock.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_counted_and_outlives_a_panic() {
        let (before, lock) = (count(), Lock::new(1));
        let panicked = std::thread::scope(|scope| {
            let panics = || {
                let mut value = lock.lock();
                *value += 1;
                assert_eq!(*value, 0, "as it must");
            };
            scope.spawn(panics).join().is_err()
        });
        assert!(panicked);
        {
            let held = lock.lock();
            assert!(lock.try_lock().is_none());
            assert_eq!(*held, 2);
        }
        assert!(lock.try_lock().is_some());
        // Other tests of this process take locks, too.
        assert!(count() >= before + 4);
        assert_eq!(lock.into_inner(), 2);
    }
}
