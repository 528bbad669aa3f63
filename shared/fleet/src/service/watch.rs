//! A value that tasks wait on, who wake in the order in which they began to wait.

use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Notify;

/// Where a value changes.
///
/// It does what tokio's channel of this name does, but for one thing: that one
/// wakes those who wait in a random order, to spread the load of thousands, and
/// no seeded run could be repeated. A clone changes the same value.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// A view of a value that can be waited on.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// A look at a value, which does not change meanwhile.
#[derive(Debug)]
pub(crate) struct Ref<'a, T>(RwLockReadGuard<'a, State<T>>);

#[derive(Debug)]
struct Shared<T> {
    state: RwLock<State<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    version: u64,
}

impl<T> Sender<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Shared {
            state: RwLock::new(State { value, version: 0 }),
            changed: Notify::new(),
        }))
    }

    /// Changes the value, and wakes those who wait if that says so; tells whether it did.
    pub(crate) fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut state = (self.0.state.write()).unwrap_or_else(PoisonError::into_inner);
        let is_modified = modify(&mut state.value);
        state.version += u64::from(is_modified);
        drop(state);
        if is_modified {
            self.0.changed.notify_waiters();
        }
        is_modified
    }

    /// Changes the value, and wakes those who wait.
    pub(crate) fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    pub(crate) fn borrow(&self) -> Ref<'_, T> {
        self.0.look()
    }

    /// Returns a view that has seen the value as it is.
    pub(crate) fn subscribe(&self) -> Receiver<T> {
        Receiver {
            seen: self.0.look().0.version,
            shared: Arc::clone(&self.0),
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Receiver<T> {
    /// Looks at the value, which counts as seen from now on.
    pub(crate) fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let state = self.shared.look();
        self.seen = state.0.version;
        state
    }

    /// Takes the value as seen.
    pub(crate) fn mark_unchanged(&mut self) {
        self.seen = self.shared.look().0.version;
    }

    /// Completes when the value has changed since it was seen, and takes it as seen.
    ///
    /// # Cancellation
    ///
    /// A later call completes for the same change.
    pub(crate) async fn changed(&mut self) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // What changes between the look and the wait is not missed.
            changed.as_mut().enable();
            let version = self.shared.look().0.version;
            if version != self.seen {
                self.seen = version;
                return;
            }
            changed.await;
        }
    }

    /// Completes when the value fulfils a condition.
    ///
    /// # Cancellation
    ///
    /// A later call looks again.
    pub(crate) async fn wait_for(&mut self, mut is_met: impl FnMut(&T) -> bool) {
        while !is_met(&self.borrow_and_update()) {
            self.changed().await;
        }
    }
}

impl<T> Shared<T> {
    fn look(&self) -> Ref<'_, T> {
        Ref(self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_wake_in_the_order_in_which_they_came() {
        let (sender, woken) = (Sender::new(0), Arc::new(Mutex::new(Vec::new())));
        let mut waiting = JoinSet::new();
        for number in 0..20 {
            let (mut value, woken) = (sender.subscribe(), Arc::clone(&woken));
            waiting.spawn(async move {
                value.wait_for(|value| *value == 1).await;
                woken.lock().unwrap().push(number);
            });
        }
        tokio::task::yield_now().await;
        sender.send_modify(|value| *value = 1);
        waiting.join_all().await;
        assert_eq!(*woken.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_change_is_seen_once_and_one_that_is_none_never() {
        let sender = Sender::new(0);
        let mut receiver = sender.subscribe();
        sender.clone().send_modify(|value| *value = 7);
        receiver.changed().await;
        assert_eq!(*receiver.borrow_and_update(), 7);
        assert!(!sender.send_if_modified(|_| false));
        let again = tokio::time::timeout(std::time::Duration::ZERO, receiver.changed());
        assert!(again.await.is_err());
        sender.send_modify(|_| {});
        receiver.mark_unchanged();
        let again = tokio::time::timeout(std::time::Duration::ZERO, receiver.changed());
        assert!(again.await.is_err());
        assert_eq!(*sender.borrow(), 7);
    }
}
