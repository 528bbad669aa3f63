use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::Builder;

use crate::case::{Case, Told};

/// How many cases go on at a time: they mostly wait, and each has two processes at most.
const CASES_AT_A_TIME: usize = 12;

/// Runs cases, each on a thread and a clock of its own, and shows what they came to.
///
/// # Panics
///
/// One of them failed; its own panic was shown before.
#[expect(clippy::print_stdout, reason = "`--nocapture` shows each case")]
pub(crate) fn run(cases: Vec<Case>) {
    let count = cases.len();
    let waiting = Mutex::new(VecDeque::from(cases));
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    };
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..CASES_AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = next() {
                    match run_one(case) {
                        Ok(Told { redeliveries, took }) => println!(
                            "{case} redeliveries {redeliveries:>3} {:>5.1} s",
                            took.as_secs_f64()
                        ),
                        Err(_said) => failed
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(case.to_string()),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(
        failed.is_empty(),
        "{} of {count} cases failed: {failed:#?}",
        failed.len()
    );
    println!("{count} cases, all passed");
}

/// Runs one case.
///
/// # Errors
///
/// It panicked, and said this.
pub(crate) fn run_one(case: Case) -> Result<Told, String> {
    let story = move || {
        // One thread, or its clock could not be put forward.
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(case.run())
    };
    let thread = thread::Builder::new().name(case.to_string());
    let running = thread.spawn(story).expect("a thread can be started");
    running.join().map_err(|panic| {
        let said = panic.downcast_ref::<String>();
        said.cloned().unwrap_or_default()
    })
}
