use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::message::Attributes;

const VISIBILITY: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(1);

struct Stage {
    book: Book,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        Self {
            book: Book::new(VISIBILITY),
            now: Instant::now(),
        }
    }

    fn take(&mut self, message: &str, receipt: &str) -> Option<(u64, oneshot::Receiver<()>)> {
        match self.book.take(&received(message, receipt, 1), self.now) {
            Taken::Leased(number, lost) => Some((number, lost)),
            Taken::HandedOver => None,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn look(&mut self) -> Look {
        self.book.look(self.now, true, PATIENCE)
    }

    fn extended(&mut self, extension: &Extension, end: Extended) -> bool {
        self.book.extended(extension, end, self.now)
    }
}

fn received(id: &str, receipt: &str, receive_count: u32) -> Message {
    Message {
        id: MessageId(id.to_owned()),
        receipt: Receipt(receipt.to_owned()),
        body: String::new(),
        attributes: Attributes::new(),
        receive_count,
        sent_at: Timestamp::UNIX_EPOCH,
        group_id: None,
        trace_header: None,
        failure: None,
    }
}

#[tokio::test]
async fn a_lease_remembers_the_last_receive_that_it_absorbed() {
    let mut stage = Stage::new();
    let (number, _lost) = stage.take("m", "r2").unwrap();
    for receive in [3, 5, 4] {
        let taken = stage.book.take(&received("m", "r", receive), stage.now);
        assert!(matches!(taken, Taken::HandedOver));
    }
    let ended = stage.book.end(number).unwrap().unwrap();
    assert_eq!(ended.receive_last, 5);
}

#[tokio::test]
async fn a_lease_is_extended_at_half_of_its_time_again_and_again() {
    let mut stage = Stage::new();
    let (number, _lost) = stage.take("m", "r").unwrap();
    for _ in 0..5 {
        stage.pass(29);
        assert_eq!(stage.look().batch.len(), 0);
        stage.pass(1);
        let look = stage.look();
        assert_eq!(look.batch.len(), 1);
        assert_eq!(stage.look().batch.len(), 0, "one call at a time");
        let until = stage.now + VISIBILITY;
        assert!(!stage.extended(&look.batch[0], Extended::Until(until)));
    }
    let ended = stage.book.end(number).unwrap().expect("nothing under way");
    assert_eq!(ended.deadline, stage.now + VISIBILITY);
    assert_eq!(stage.book.due.len() + stage.book.by_message.len(), 0);
}

#[tokio::test]
async fn a_failed_extension_is_tried_until_the_deadline_and_then_the_lease_is_lost() {
    let mut stage = Stage::new();
    let (number, mut lost) = stage.take("m", "r").unwrap();
    stage.pass(30);
    let (mut tries, mut lost_count) = (0, 0);
    for _ in 0..60 {
        let look = stage.look();
        lost_count += look.lost;
        for extension in &look.batch {
            tries += 1;
            stage.extended(extension, Extended::Failed);
        }
        assert!(stage.look().batch.is_empty(), "tried after a pause");
        stage.pass(1);
    }
    assert_eq!((tries, lost_count), (30, 1));
    assert!(lost.try_recv().is_err(), "the sender is gone");
    assert!(matches!(stage.book.end(number), Err(LeaseLost)));
}

#[tokio::test]
async fn a_lease_runs_out_while_its_extension_hangs_and_a_late_answer_changes_nothing() {
    let mut stage = Stage::new();
    let (number, _lost) = stage.take("m", "r").unwrap();
    stage.pass(30);
    let look = stage.look();
    assert!(matches!(stage.book.end(number), Ok(None)), "waited for");
    stage.pass(30);
    assert_eq!(stage.look().lost, 1);
    let late = Extended::Until(stage.now + VISIBILITY);
    assert!(!stage.extended(&look.batch[0], late));
    assert!(matches!(stage.book.end(number), Err(LeaseLost)));
}

#[tokio::test]
async fn a_lease_runs_out_while_no_call_can_be_made() {
    let mut stage = Stage::new();
    let _lease = stage.take("m", "r").unwrap();
    for _ in 0..60 {
        let look = stage.book.look(stage.now, false, PATIENCE);
        assert!(look.batch.is_empty() && look.lost == 0);
        assert!(look.next > stage.now, "no busy loop");
        stage.pass(1);
    }
    assert_eq!(stage.book.look(stage.now, false, PATIENCE).lost, 1);
}

#[tokio::test]
async fn a_newer_receipt_is_handed_over_and_the_failure_of_the_older_costs_nothing() {
    let mut stage = Stage::new();
    let (number, _lost) = stage.take("m", "old").unwrap();
    stage.pass(30);
    let look = stage.look();
    assert!(
        stage.take("m", "new").is_none(),
        "there is no second lease of a message"
    );
    assert!(!stage.extended(&look.batch[0], Extended::Lost));
    let look = stage.look();
    assert_eq!(look.batch[0].receipt, Receipt("new".to_owned()));
    stage.extended(&look.batch[0], Extended::Until(stage.now + VISIBILITY));
    let ended = stage.book.end(number).unwrap().unwrap();
    assert_eq!(ended.receipt, Receipt("new".to_owned()));
}

#[tokio::test]
async fn a_message_whose_lease_was_lost_can_be_taken_anew_before_its_handler_has_ended() {
    let mut stage = Stage::new();
    let (old, _lost) = stage.take("m", "1").unwrap();
    stage.pass(61);
    stage.look();
    let (new, _also) = stage.take("m", "2").expect("a lease of its own");
    stage.book.drop_lease(old);
    assert!(stage.take("m", "3").is_none(), "the newer lease holds on");
    let ended = stage.book.end(new).unwrap().unwrap();
    assert_eq!(ended.receipt, Receipt("3".to_owned()));
}

#[tokio::test]
async fn a_bounded_lease_is_not_extended_beyond_its_bound() {
    let mut stage = Stage::new();
    let (number, _lost) = stage.take("m", "r").unwrap();
    let bound = stage.now + Duration::from_secs(60);
    stage.book.keep_until(number, bound);
    stage.pass(30);
    let look = stage.look();
    stage.extended(&look.batch[0], Extended::Until(stage.now + VISIBILITY));
    stage.pass(30);
    let look = stage.look();
    assert_eq!((look.batch.len(), look.lost), (0, 0));
    assert!(look.next > stage.now, "no busy loop");
    stage.pass(30);
    assert_eq!(stage.look().lost, 1);
}

#[tokio::test]
async fn a_lease_with_less_than_half_left_asks_for_more_before_work_starts() {
    let mut stage = Stage::new();
    let (number, _lost) = stage.take("m", "r").unwrap();
    stage.look();
    stage.pass(30);
    assert_eq!(stage.book.confirm(number, stage.now), Ok(true));
    stage.now += Duration::from_millis(1);
    assert_eq!(stage.book.confirm(number, stage.now), Ok(false));
    let look = stage.look();
    stage.extended(&look.batch[0], Extended::Until(stage.now + VISIBILITY));
    assert_eq!(stage.book.confirm(number, stage.now), Ok(true));
}

#[tokio::test]
async fn what_sqs_says_is_not_ours_is_lost_at_once() {
    let mut stage = Stage::new();
    let (number, mut lost) = stage.take("m", "r").unwrap();
    stage.pass(30);
    let look = stage.look();
    assert!(stage.extended(&look.batch[0], Extended::Lost));
    assert!(lost.try_recv().is_err(), "the sender is gone");
    assert!(matches!(stage.book.end(number), Err(LeaseLost)));
}

#[tokio::test]
async fn work_that_starts_late_waits_for_the_pause_of_a_failed_extension_too() {
    let mut stage = Stage::new();
    let (number, _lost) = stage.take("m", "r").unwrap();
    stage.pass(31);
    let look = stage.look();
    stage.extended(&look.batch[0], Extended::Failed);
    assert_eq!(stage.book.confirm(number, stage.now), Ok(false));
    assert!(stage.look().batch.is_empty());
    stage.pass(1);
    assert_eq!(stage.look().batch.len(), 1);
}

#[tokio::test]
async fn leases_that_fall_due_within_a_quarter_of_a_second_share_calls_of_ten() {
    let mut stage = Stage::new();
    let mut leases = Vec::new();
    for millis in [0, 250, 251] {
        let sent = stage.now + Duration::from_millis(millis);
        let taken = stage
            .book
            .take(&received(&millis.to_string(), "r", 1), sent);
        leases.push(taken);
    }
    stage.pass(30);
    assert_eq!(stage.look().batch.len(), 2, "the third is not due yet");
    stage.pass(1);
    assert_eq!(stage.look().batch.len(), 1);

    let mut stage = Stage::new();
    let _leases: Vec<_> = (0..12).map(|n| stage.take(&n.to_string(), "r")).collect();
    stage.pass(30);
    let sizes = [(); 3].map(|()| stage.look().batch.len());
    assert_eq!(sizes, [10, 2, 0]);
}

#[tokio::test]
async fn a_lease_at_its_deadline_is_in_nobodys_way() {
    let mut stage = Stage::new();
    let _early = stage.take("early", "r").unwrap();
    stage.now += Duration::from_millis(29_900);
    let _late = stage.take("late", "r").unwrap();
    stage.now += Duration::from_millis(100);
    assert_eq!(stage.look().batch.len(), 1, "its extension hangs");
    stage.now += Duration::from_millis(29_900);
    let look = stage.look();
    assert_eq!((look.batch.len(), look.lost), (1, 0));
    stage.now += Duration::from_millis(100);
    assert_eq!(stage.look().lost, 1);
}

#[tokio::test]
async fn a_newer_receipt_gives_more_time_to_an_extension_that_hangs_and_calls_for_no_second() {
    let mut stage = Stage::new();
    let _lease = stage.take("m", "old").unwrap();
    stage.pass(30);
    assert_eq!(stage.look().batch.len(), 1);
    stage.pass(10);
    assert!(stage.take("m", "new").is_none());
    stage.pass(20);
    let look = stage.look();
    assert_eq!((look.batch.len(), look.lost), (0, 0));
    stage.pass(40);
    assert_eq!(stage.look().lost, 1);
}

#[tokio::test]
async fn the_keeper_is_woken_for_what_falls_due_before_it_looks_and_for_nothing_else() {
    let mut stage = Stage::new();
    assert!(!stage.book.is_urgent(), "there is nothing to look at");
    let first = stage.take("first", "r").unwrap();
    assert!(stage.book.is_urgent(), "nobody has looked yet");
    stage.book.drop_lease(first.0);
    let look = stage.look();
    assert_eq!(look.next, stage.now + PATIENCE);
    assert!(!stage.book.is_urgent());
    let (now, half) = (stage.now, VISIBILITY / 2);
    for (due, is_urgent) in [
        (look.next + Duration::from_millis(1), false),
        (look.next, false),
        (look.next - Duration::from_millis(1), true),
    ] {
        let message = received(&format!("{:?}", due - now), "r", 1);
        let _lease = stage.book.take(&message, due - half);
        assert_eq!(stage.book.is_urgent(), is_urgent, "{:?}", due - now);
    }
}

#[tokio::test]
async fn an_extension_that_will_never_be_heard_of_is_asked_for_again() {
    let mut stage = Stage::new();
    let (number, _lost) = stage.take("m", "r").unwrap();
    stage.pass(30);
    assert_eq!(stage.look().batch.len(), 1);
    assert!(stage.look().batch.is_empty());
    stage.book.forget_calls(stage.now);
    assert!(
        matches!(stage.book.end(number), Ok(Some(_))),
        "not waited for"
    );
    let _again = stage.take("m", "r").unwrap();
    stage.pass(30);
    assert_eq!(stage.look().batch.len(), 1);
    stage.book.forget_calls(stage.now);
    assert_eq!(stage.look().batch.len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Take(u8),
    Pass(u64),
    Look(bool),
    Answer(usize, u8),
    End(usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..6).prop_map(Step::Take),
        (0u64..40_000).prop_map(Step::Pass),
        any::<bool>().prop_map(Step::Look),
        (any::<usize>(), 0u8..3).prop_map(|(which, end)| Step::Answer(which, end)),
        any::<usize>().prop_map(Step::End),
        any::<usize>().prop_map(Step::Drop),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_lease_stands_in_the_book_once(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut stage = Stage::new();
        let (mut numbers, mut under_way) = (Vec::new(), Vec::<Extension>::new());
        for step in steps {
            match step {
                Step::Take(message) => {
                    let taken = stage.take(&message.to_string(), "r");
                    numbers.extend(taken.map(|(number, _)| number));
                }
                Step::Pass(millis) => stage.now += Duration::from_millis(millis),
                Step::Look(may_call) => {
                    let look = stage.book.look(stage.now, may_call, PATIENCE);
                    prop_assert!(look.batch.len() <= BATCH_ENTRIES_MAX);
                    prop_assert!(look.next <= stage.now + PATIENCE);
                    under_way.extend(look.batch);
                }
                Step::Answer(which, end) if !under_way.is_empty() => {
                    let extension = under_way.swap_remove(which % under_way.len());
                    let end = match end {
                        0 => Extended::Until(stage.now + VISIBILITY),
                        1 => Extended::Failed,
                        _ => Extended::Lost,
                    };
                    stage.extended(&extension, end);
                }
                Step::End(which) if !numbers.is_empty() => {
                    let which = which % numbers.len();
                    if let Ok(Some(_)) = stage.book.end(numbers[which]) {
                        numbers.swap_remove(which);
                    }
                }
                Step::Drop(which) if !numbers.is_empty() => {
                    stage.book.drop_lease(numbers.swap_remove(which % numbers.len()));
                }
                Step::Answer(..) | Step::End(_) | Step::Drop(_) => {}
            }
            let book = &stage.book;
            prop_assert_eq!(book.len(), numbers.len());
            let kept = book.leases.iter().filter(|(_, held)| held.lost.is_some());
            let due: BTreeSet<_> = kept.map(|(number, held)| (held.due, *number)).collect();
            prop_assert_eq!(&due, &book.due);
            for held in book.leases.values().filter(|held| held.lost.is_some()) {
                prop_assert!(held.due <= held.deadline);
                let copies = book.leases.values().filter(|other| {
                    other.lost.is_some() && other.message == held.message
                });
                prop_assert_eq!(copies.count(), 1);
            }
        }
    }
}
