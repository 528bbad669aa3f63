use jiff::SignedDuration;

use super::facts::{Facts, Offset};
use super::finding::{Examination, Fault, rules};

rules! {
    DATABASE_CLOCK_DIFFERS = Warning "database-clock-differs"
        "Pauses, leases and retention go by the database's clock, logs and ages of messages by that of each machine: they contradict each other (docs/metrics.md).";
    SQS_CLOCK_DIFFERS = Warning "sqs-clock-differs"
        "Lag and the age of dead letters are measured from SQS's time to this machine's; from five minutes on SQS refuses every request (AWS IAM user guide, \"Signature Version 4\": a request is good for five minutes).";
}

/// How far clocks may be apart: a machine that keeps time is within some milliseconds.
const APART_MAX: SignedDuration = SignedDuration::from_secs(1);

/// Judges this machine's clock against those of the database and of SQS.
pub(super) fn check(examination: &mut Examination, facts: &Facts) {
    let checkup = facts.database.as_ref().map(|database| &database.checkup);
    if let Some(Ok(checkup)) = checkup {
        let offset = Offset {
            ahead: checkup.server.ahead,
            give_or_take: half(checkup.server.asked_for),
        };
        let subject = format!("database {}", checkup.server.database);
        let fault = judge(offset, "the database's clock");
        examination.judge(&DATABASE_CLOCK_DIFFERS, &subject, fault);
    }
    if let Some(offset) = facts.sqs_ahead {
        let fault = judge(offset, "SQS's clock");
        examination.judge(&SQS_CLOCK_DIFFERS, "this machine", fault);
    }
}

/// Returns by how much the middle of a round trip may be wrong.
pub(super) fn half(round_trip: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(round_trip / 2).unwrap_or(SignedDuration::MAX)
}

/// Clocks differ when they do so however long each way of the question took.
fn judge(offset: Offset, whose: &str) -> Option<Fault> {
    let Offset {
        ahead,
        give_or_take,
    } = offset;
    let apart = ahead.abs();
    (apart > APART_MAX.saturating_add(give_or_take)).then(|| {
        let way = if ahead.is_negative() {
            "behind"
        } else {
            "ahead of"
        };
        let what = format!(
            "{whose} is {:.1} s {way} this machine's, give or take {:.1} s",
            apart.as_secs_f64(),
            give_or_take.as_secs_f64(),
        );
        Fault::new(
            what,
            "timedatectl set-ntp true, on the machine that is wrong",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::finding::looking::codes;
    use super::super::testing;
    use super::*;

    const MILLIS: fn(i64) -> SignedDuration = SignedDuration::from_millis;

    #[test]
    fn clocks_may_be_a_second_apart_and_no_more() {
        for (ahead, asked_for, expected) in [
            (0, 0, &[][..]),
            (1_000, 0, &[]),
            (-1_000, 0, &[]),
            (1_001, 0, &["database-clock-differs"]),
            (-1_001, 0, &["database-clock-differs"]),
            (1_500, 1_000, &[]),
            (1_501, 1_000, &["database-clock-differs"]),
        ] {
            let mut facts = testing::facts(&[]);
            let server = testing::server(&mut facts);
            server.ahead = MILLIS(ahead);
            server.asked_for = Duration::from_millis(asked_for);
            let found = codes(|examination| check(examination, &facts));
            assert_eq!(found, expected, "{ahead} {asked_for}");
        }
    }

    #[test]
    fn the_time_of_sqs_comes_in_whole_seconds() {
        for (ahead, give_or_take, expected) in [
            (-1_900, 1_000, &[][..]),
            (2_100, 1_000, &["sqs-clock-differs"]),
        ] {
            let mut facts = testing::facts(&[]);
            facts.sqs_ahead = Some(Offset {
                ahead: MILLIS(ahead),
                give_or_take: MILLIS(give_or_take),
            });
            let found = codes(|examination| check(examination, &facts));
            assert_eq!(found, expected, "{ahead}");
        }
    }
}
