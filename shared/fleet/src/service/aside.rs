//! A thread of its own, with a runtime of its own, for what must go on when a
//! handler blocks every worker thread: heartbeats, probes, signals.

use std::future::Future;
use std::io;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A named thread that runs a single-threaded runtime until it is stopped or dropped.
#[derive(Debug)]
pub struct Aside {
    handle: Handle,
    tasks: TaskTracker,
    stopping: CancellationToken,
    /// Ends the thread, with whatever still runs on it.
    end: DropGuard,
    ended: oneshot::Receiver<()>,
}

impl Aside {
    /// Starts the thread under `name`, of which `top` shows 15 bytes.
    ///
    /// # Errors
    ///
    /// Fails when the operating system gives no thread or no poller.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let end = CancellationToken::new();
        let (confirm_end, ended) = oneshot::channel();
        let until = end.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(until.cancelled());
                runtime.shutdown_background();
                // Nobody listens when the Aside was dropped instead of stopped.
                let _ = confirm_end.send(());
            })?;
        Ok(Self {
            handle,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            end: end.drop_guard(),
            ended,
        })
    }

    /// Runs a task on the thread; [`Aside::stop`] waits for it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.handle);
    }

    /// Returns the token that asks the thread's tasks to end.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Returns the runtime's handle, for what must be made on the thread's runtime.
    ///
    /// What is spawned on it directly is cancelled by [`Aside::stop`] without
    /// being waited for.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Asks the tasks to end, waits for them at most `patience`, and ends the
    /// thread; tells whether they all ended in time.
    ///
    /// # Cancellation
    ///
    /// Ends the thread at once, with the tasks that still run.
    pub async fn stop(self, patience: Duration) -> bool {
        let Self {
            tasks,
            stopping,
            end,
            ended,
            ..
        } = self;
        stopping.cancel();
        tasks.close();
        let in_time = tokio::time::timeout(patience, tasks.wait()).await.is_ok();
        drop(end);
        // An error would mean that the thread is gone, which is what is waited for.
        let _ = ended.await;
        in_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn tasks_go_on_while_the_callers_runtime_is_blocked() {
        let aside = Aside::start("beside").expect("a thread");
        let (answer, answered) = std::sync::mpsc::channel();
        aside.spawn(async move {
            answer
                .send(thread::current().name().map(str::to_owned))
                .unwrap()
        });
        // Blocks this test's only thread until the other one has answered.
        let name = answered.recv_timeout(PATIENCE).expect("an answer");
        assert_eq!(name.as_deref(), Some("beside"));
        assert!(aside.stop(PATIENCE).await);
    }

    #[tokio::test]
    async fn stopping_waits_for_tasks_that_end() {
        let aside = Aside::start("beside").expect("a thread");
        let stopping = aside.stopping();
        let (done, is_done) = oneshot::channel();
        aside.spawn(async move {
            stopping.cancelled().await;
            done.send(()).unwrap();
        });
        assert!(aside.stop(PATIENCE).await);
        assert_eq!(is_done.await, Ok(()));
    }

    #[tokio::test]
    async fn stopping_leaves_a_task_behind_that_does_not_end() {
        let aside = Aside::start("beside").expect("a thread");
        aside.spawn(std::future::pending());
        assert!(!aside.stop(Duration::ZERO).await);
    }
}
