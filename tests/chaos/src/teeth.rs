//! Shows that the checker bites: five broken fleets that it has to find out, and ours.
//!
//! A checker that finds nothing says something only if it is known what it would find.

use std::path::{Path, PathBuf};

use crate::attack::attack;
use crate::mutant::Mutant;
use crate::options::Options;
use crate::report::{Report, say};
use crate::verdict::Kind;

/// How many transfers a fleet is sent: with all that goes wrong, dozens of each mistake's occasions.
const MESSAGES: u32 = 4_000;

/// How long they are sent, and attacked. What comes back after a kill takes a lease of 12 s more.
const STORM_SECS: u64 = 6;

/// Every worker dies some times while it has its hands full.
const KILLS: u32 = 20;

/// Kills where something else is to go wrong: who is dead makes no copies.
const KILLS_FEW: u32 = 6;

/// Nearly every copy fails while the storm lasts: 40 of the transfers ask to be refused.
const COPIES_FAIL: &str = "error rate=0.9 ops=SendMessageBatch queue=ledger-dlq";

/// Copies arrive, a little late, and so meet no other fault: a message whose copy fails waits for
/// 30 s, which is of no use where the mistake is another one.
const COPIES_ARRIVE: &str = "drip every=1ms ops=SendMessageBatch queue=ledger-dlq";

/// The same for deletes: what is deleted before its copy is deleted.
const DELETES_ARRIVE: &str = "drip every=1ms ops=DeleteMessageBatch queue=ledger";

/// Attacks each broken fleet, then ours in the same weather, says what was found, and returns whether
/// it is what should be found.
///
/// # Errors
///
/// The experiment itself could not be carried out.
///
/// # Cancellation
///
/// Ends everything that was started.
pub async fn show(seed: u64, report: &Path) -> anyhow::Result<bool> {
    let mut is_sharp = true;
    for mutant in Mutant::ALL {
        let found = attack(&options(seed, report, Some(mutant))).await?;
        let expected = betrays(mutant);
        let count = found.verdict.count(expected);
        let after = took(&found);
        match count {
            0 => {
                is_sharp = false;
                say(&format!("mutant {mutant}: not caught within {after:.1} s"));
                found.print();
            }
            count => {
                let word = word(expected);
                say(&format!(
                    "mutant {mutant}: caught after {after:.1} s: {word} {count}"
                ));
                forget(found.kept)?;
            }
        }
    }
    let ours = attack(&options(seed, report, None)).await?;
    if ours.verdict.is_whole() {
        say(&format!("no mutant: whole after {:.1} s", took(&ours)));
    } else {
        is_sharp = false;
        ours.print();
    }
    Ok(is_sharp)
}

/// Returns what a mistake comes to.
fn betrays(mutant: Mutant) -> Kind {
    match mutant {
        Mutant::AcknowledgesFirst | Mutant::ClaimsApart | Mutant::DeletesBeforeCopy => Kind::Lost,
        Mutant::KeysByMessageId | Mutant::ClaimsNothing => Kind::Doubled,
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Lost => "lost",
        Kind::Doubled => "doubled",
        _ => "broken",
    }
}

fn options(seed: u64, report: &Path, mutant: Option<Mutant>) -> Options {
    Options {
        messages: MESSAGES,
        seconds: STORM_SECS,
        kills: match mutant {
            Some(Mutant::DeletesBeforeCopy) => KILLS_FEW,
            _ => KILLS,
        },
        crashes: 1,
        seed,
        workers: 4,
        relays: 2,
        mutant,
        faults: match mutant {
            None => COPIES_FAIL.to_owned(),
            Some(Mutant::DeletesBeforeCopy) => format!("{COPIES_FAIL}; {DELETES_ARRIVE}"),
            Some(_) => COPIES_ARRIVE.to_owned(),
        },
        report: report.to_owned(),
        make: None,
    }
}

/// Returns the time from the first message to the verdict.
fn took(report: &Report) -> f64 {
    report.seconds.whole - report.seconds.start
}

/// Removes what was kept of a fleet whose mistake is known.
fn forget(kept: Option<PathBuf>) -> std::io::Result<()> {
    kept.map_or(Ok(()), std::fs::remove_dir_all)
}
