//! Compares what is there with what was sent, in Jepsen's words: lost, doubled, unexpected,
//! recovered.
//!
//! It is told everything that was found in the end, piece by piece and in any order, and does no
//! I/O of its own.

use std::collections::{BTreeMap, HashSet};

use crate::deal::{event_id, number_of, transfer};
use crate::journal::{Journal, Sends};
use crate::ledger::{ACCOUNTS, REFUSED, SOURCE, Transfer};
use crate::verdict::{Kind, Verdict};

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The event that it books.
    pub event_id: String,
    /// The account that pays.
    pub from: i32,
    /// The account that is paid.
    pub to: i32,
    /// How much.
    pub amount: i64,
}

/// A message of the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its MessageId.
    pub copy_id: String,
    /// The event.
    pub event_id: String,
    /// Why it is dead.
    pub reason: String,
}

/// What is there of one event.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    booked: u8,
    claimed: u8,
    posted: u8,
    sent: bool,
    arrived: bool,
    /// Copies that are dead because it asked for it.
    refused: u8,
    /// Copies that are dead for another reason.
    dead: u8,
}

/// Everything that was found, put together by event.
#[derive(Debug)]
pub struct Checker<'a> {
    journal: &'a Journal,
    tallies: Vec<Tally>,
    /// What the entries come to, by account.
    moved: BTreeMap<i32, i64>,
    copies: HashSet<String>,
    verdict: Verdict,
}

impl<'a> Checker<'a> {
    /// Begins with what the producer knows.
    pub fn new(journal: &'a Journal) -> Self {
        Self {
            journal,
            tallies: journal.numbers().map(|_| Tally::default()).collect(),
            moved: BTreeMap::new(),
            copies: HashSet::new(),
            verdict: Verdict::default(),
        }
    }

    /// Takes a row of the ledger.
    pub fn booked(&mut self, entry: &Entry) {
        *self.moved.entry(entry.from).or_default() -= entry.amount;
        *self.moved.entry(entry.to).or_default() += entry.amount;
        let Some(number) = self.sent_number(&entry.event_id) else {
            return self.stranger(&entry.event_id, "booked, and was never sent");
        };
        let Transfer {
            from, to, amount, ..
        } = transfer(self.journal.seed, number);
        if (entry.from, entry.to, entry.amount) != (from, to, amount) {
            let known = format!("booked as {entry:?}; {}", self.known(number));
            self.verdict.add(Kind::Unexpected, &entry.event_id, known);
        }
        bump(&mut self.tally(number).booked);
    }

    /// Takes a row of the inbox.
    pub fn claimed(&mut self, source: &str, id: &str) {
        match self.sent_number(id).filter(|_| source == SOURCE) {
            Some(number) => bump(&mut self.tally(number).claimed),
            None => self
                .verdict
                .add(Kind::Inbox, id, "claimed, and was never sent"),
        }
    }

    /// Takes a row of the outbox.
    pub fn posted(&mut self, event_id: &str, is_sent: bool) {
        let transfer = event_id.strip_prefix("posted-");
        let Some(number) = transfer.and_then(|id| self.sent_number(id)) else {
            return self
                .verdict
                .add(Kind::Outbox, event_id, "in the outbox, and was never sent");
        };
        let tally = self.tally(number);
        bump(&mut tally.posted);
        tally.sent |= is_sent;
    }

    /// Takes what the observer downstream heard of.
    pub fn arrived(&mut self, number: u32) {
        if self.journal.sends(number).any() {
            self.tally(number).arrived = true;
        } else {
            self.stranger(&event_id(number), "arrived downstream, and was never sent");
        }
    }

    /// Takes what the observer could not make anything of.
    pub fn arrived_foreign(&mut self, body: &str) {
        self.stranger(body, "arrived downstream");
    }

    /// Takes a message of the dead-letter queue.
    pub fn dead(&mut self, letter: &Letter) {
        self.copies.insert(letter.copy_id.clone());
        let Some(number) = self.sent_number(&letter.event_id) else {
            let why = format!("dead for {:?}, and was never sent", letter.reason);
            return self.stranger(&letter.event_id, &why);
        };
        let asked_for_it = transfer(self.journal.seed, number).refused;
        if asked_for_it && letter.reason == REFUSED {
            bump(&mut self.tally(number).refused);
            return;
        }
        bump(&mut self.tally(number).dead);
        let known = format!("dead for {:?}; {}", letter.reason, self.known(number));
        self.verdict.add(Kind::Unexpected, &letter.event_id, known);
    }

    /// Takes a row of the dead letters on record, after all messages of their queue.
    pub fn recorded(&mut self, letter: &Letter) {
        if !self.copies.contains(&letter.copy_id) {
            let known = format!("copy {} for {:?}", letter.copy_id, letter.reason);
            self.verdict.add(Kind::DeadLetters, &letter.event_id, known);
        }
    }

    /// Takes what every account has.
    pub fn balances(&mut self, balances: &BTreeMap<i32, i64>) {
        let sum: i64 = balances.values().sum();
        if sum != 0 || balances.len() != ACCOUNTS as usize {
            let known = format!("{} accounts have {sum}", balances.len());
            self.verdict.add(Kind::Unbalanced, "all", known);
        }
        for (account, balance) in balances {
            let moved = self.moved.get(account).copied().unwrap_or(0);
            if moved != *balance {
                let known = format!("has {balance}, its entries come to {moved}");
                self.verdict
                    .add(Kind::Unbalanced, account.to_string(), known);
            }
        }
    }

    /// Takes anything else that somebody else found.
    pub fn found(&mut self, kind: Kind, what: &str, known: &str) {
        self.verdict.add(kind, what, known);
    }

    /// Judges event by event.
    pub fn verdict(mut self) -> Verdict {
        for number in self.journal.numbers() {
            self.judge(number, self.tallies[number as usize]);
        }
        self.verdict
    }

    fn judge(&mut self, number: u32, tally: Tally) {
        let sends = self.journal.sends(number);
        let is_refused = transfer(self.journal.seed, number).refused;
        let is_there = tally.booked > 0 || tally.refused > 0;
        let mut add = |kind| {
            let (id, known) = (event_id(number), describe(sends, is_refused, tally));
            self.verdict.add(kind, id, known);
        };
        // What is dead for a wrong reason was found before, and is not lost.
        if sends.acknowledged > 0 && !is_there && tally.dead == 0 {
            add(Kind::Lost);
        }
        if tally.booked > 1 {
            add(Kind::Doubled);
        }
        if tally.booked > 0 && (is_refused || tally.refused > 0) {
            add(Kind::Unexpected);
        }
        if tally.claimed != tally.booked.min(1) {
            add(Kind::Inbox);
        }
        let is_published = tally.posted == 1 && tally.sent && tally.arrived;
        let is_silent = tally.posted == 0 && !tally.arrived;
        if (tally.booked > 0 && !is_published) || (tally.booked == 0 && !is_silent) {
            add(Kind::Outbox);
        }
        self.verdict.recovered += u64::from(is_there && sends.acknowledged == 0);
    }

    /// Returns the number of an event that was sent at least once.
    fn sent_number(&self, id: &str) -> Option<u32> {
        number_of(id).filter(|number| self.journal.sends(*number).any())
    }

    fn tally(&mut self, number: u32) -> &mut Tally {
        &mut self.tallies[number as usize]
    }

    fn stranger(&mut self, what: &str, known: &str) {
        self.verdict.add(Kind::Unexpected, what, known);
    }

    fn known(&self, number: u32) -> String {
        let is_refused = transfer(self.journal.seed, number).refused;
        let tally = self.tallies[number as usize];
        describe(self.journal.sends(number), is_refused, tally)
    }
}

fn bump(count: &mut u8) {
    *count = count.saturating_add(1);
}

fn describe(sends: Sends, is_refused: bool, tally: Tally) -> String {
    let asks = match is_refused {
        true => "asks to be refused",
        false => "asks to be booked",
    };
    let Sends {
        acknowledged,
        failed,
        unknown,
    } = sends;
    let Tally {
        booked,
        claimed,
        posted,
        sent,
        arrived,
        refused,
        dead,
    } = tally;
    format!(
        "{asks}; sends: {acknowledged} acknowledged, {failed} failed, {unknown} unknown; rows: \
         {booked} booked, {claimed} claimed, {posted} in the outbox (sent: {sent}, arrived: \
         {arrived}); dead: {refused} refused, {dead} otherwise"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Answer;

    const SEED: u64 = 7;
    const EVENTS: u32 = 300;

    /// All that can be found after a run, as a test makes it up.
    #[derive(Clone)]
    struct History {
        journal: Journal,
        entries: Vec<Entry>,
        claims: Vec<(String, String)>,
        outbox: Vec<(String, bool)>,
        arrived: Vec<u32>,
        letters: Vec<Letter>,
        records: Vec<Letter>,
        balances: BTreeMap<i32, i64>,
    }

    fn good() -> u32 {
        (0..EVENTS)
            .find(|number| !transfer(SEED, *number).refused)
            .expect("most are")
    }

    fn refused() -> u32 {
        (0..EVENTS)
            .find(|number| transfer(SEED, *number).refused)
            .expect("one in a hundred is")
    }

    fn entry(number: u32) -> Entry {
        let transfer = transfer(SEED, number);
        Entry {
            event_id: event_id(number),
            from: transfer.from,
            to: transfer.to,
            amount: transfer.amount,
        }
    }

    fn letter(number: u32, reason: &str) -> Letter {
        Letter {
            copy_id: format!("copy-{number}"),
            event_id: event_id(number),
            reason: reason.to_owned(),
        }
    }

    impl History {
        /// Everything was sent once, and all is well.
        fn whole() -> Self {
            let mut history = Self {
                journal: Journal::new(SEED, EVENTS),
                entries: Vec::new(),
                claims: Vec::new(),
                outbox: Vec::new(),
                arrived: Vec::new(),
                letters: Vec::new(),
                records: Vec::new(),
                balances: (0..ACCOUNTS).map(|account| (account, 0)).collect(),
            };
            for number in 0..EVENTS {
                history.journal.record(number, Answer::Acknowledged);
                if transfer(SEED, number).refused {
                    history.letters.push(letter(number, REFUSED));
                    history.records.push(letter(number, REFUSED));
                } else {
                    history.book(number);
                }
            }
            history
        }

        fn book(&mut self, number: u32) {
            let entry = entry(number);
            self.moves(&entry);
            self.entries.push(entry);
            self.claims.push((SOURCE.to_owned(), event_id(number)));
            self.outbox
                .push((format!("posted-{}", event_id(number)), true));
            self.arrived.push(number);
        }

        fn moves(&mut self, entry: &Entry) {
            *self.balances.get_mut(&entry.from).unwrap() -= entry.amount;
            *self.balances.get_mut(&entry.to).unwrap() += entry.amount;
        }

        /// Takes away everything that there is of an event.
        fn forget(&mut self, number: u32) {
            let id = event_id(number);
            let gone: Vec<Entry> = self.entries.extract_if(.., |e| e.event_id == id).collect();
            for mut entry in gone {
                entry.amount = -entry.amount;
                self.moves(&entry);
            }
            self.claims.retain(|(_, claim)| *claim != id);
            self.outbox
                .retain(|(event, _)| *event != format!("posted-{id}"));
            self.arrived.retain(|arrived| *arrived != number);
            self.letters.retain(|letter| letter.event_id != id);
            self.records.retain(|letter| letter.event_id != id);
        }

        /// As if the only send of an event had been answered so.
        fn answered(&mut self, number: u32, answer: Answer) {
            let mut journal = Journal::new(SEED, EVENTS);
            for other in 0..EVENTS {
                journal.record(
                    other,
                    if other == number {
                        answer
                    } else {
                        Answer::Acknowledged
                    },
                );
            }
            self.journal = journal;
        }

        fn verdict(&self) -> Verdict {
            let mut checker = Checker::new(&self.journal);
            self.entries.iter().for_each(|entry| checker.booked(entry));
            for (source, id) in &self.claims {
                checker.claimed(source, id);
            }
            for (id, is_sent) in &self.outbox {
                checker.posted(id, *is_sent);
            }
            self.arrived
                .iter()
                .for_each(|number| checker.arrived(*number));
            self.letters.iter().for_each(|letter| checker.dead(letter));
            self.records
                .iter()
                .for_each(|letter| checker.recorded(letter));
            checker.balances(&self.balances);
            checker.verdict()
        }
    }

    /// Spoils a whole history and compares the kinds of what is found, with how many of each.
    #[track_caller]
    fn check(spoil: impl FnOnce(&mut History), expected: &[(Kind, u64)]) -> Verdict {
        let mut history = History::whole();
        spoil(&mut history);
        let verdict = history.verdict();
        let found = verdict.findings.iter();
        let found: Vec<_> = found.map(|(kind, found)| (*kind, found.count)).collect();
        assert_eq!(found, expected, "{verdict:?}");
        verdict
    }

    #[test]
    fn a_whole_history_is_whole() {
        let verdict = check(|_| {}, &[]);
        assert!(verdict.is_whole());
        assert_eq!(verdict.recovered, 0);
    }

    #[test]
    fn what_was_acknowledged_and_is_nowhere_is_lost() {
        check(|history| history.forget(good()), &[(Kind::Lost, 1)]);
        check(|history| history.forget(refused()), &[(Kind::Lost, 1)]);
    }

    #[test]
    fn what_was_not_acknowledged_may_be_there_or_not() {
        for answer in [Answer::Failed, Answer::Unknown] {
            for number in [good(), refused()] {
                let verdict = check(|history| history.answered(number, answer), &[]);
                assert_eq!(verdict.recovered, 1);
                let verdict = check(
                    |history| {
                        history.answered(number, answer);
                        history.forget(number);
                    },
                    &[],
                );
                assert_eq!(verdict.recovered, 0);
            }
        }
    }

    #[test]
    fn what_is_booked_twice_is_doubled() {
        let verdict = check(
            |history| {
                let entry = entry(good());
                history.moves(&entry);
                history.entries.push(entry);
            },
            &[(Kind::Doubled, 1)],
        );
        let (id, known) = &verdict.findings[&Kind::Doubled].samples[0];
        assert_eq!(*id, event_id(good()));
        assert!(
            known.contains("1 acknowledged") && known.contains("2 booked"),
            "{known}"
        );
    }

    #[test]
    fn what_nobody_sent_is_unexpected() {
        for foreign in ["t-999999", "stranger"] {
            check(
                |history| {
                    let mut entry = entry(good());
                    foreign.clone_into(&mut entry.event_id);
                    history.moves(&entry);
                    history.entries.push(entry);
                },
                &[(Kind::Unexpected, 1)],
            );
        }
        let stranger = Letter {
            copy_id: "c".to_owned(),
            event_id: "stranger".to_owned(),
            reason: REFUSED.to_owned(),
        };
        check(
            |history| history.letters.push(stranger),
            &[(Kind::Unexpected, 1)],
        );
        check(
            |history| history.arrived.push(EVENTS + 1),
            &[(Kind::Unexpected, 1)],
        );
        check(
            |history| {
                history
                    .claims
                    .push((SOURCE.to_owned(), "stranger".to_owned()))
            },
            &[(Kind::Inbox, 1)],
        );
        check(
            |history| history.outbox.push(("posted-stranger".to_owned(), true)),
            &[(Kind::Outbox, 1)],
        );
    }

    #[test]
    fn what_is_booked_with_other_content_is_unexpected() {
        check(
            |history| {
                let at = history
                    .entries
                    .iter()
                    .position(|e| e.event_id == event_id(good()));
                let at = at.expect("it is booked");
                let mut wrong = history.entries[at].clone();
                wrong.amount += 1;
                history.entries[at] = wrong;
                // The accounts agree with the wrong entry: only the content is wrong.
                let penny = Entry {
                    amount: 1,
                    ..entry(good())
                };
                history.moves(&penny);
            },
            &[(Kind::Unexpected, 1)],
        );
    }

    #[test]
    fn what_asked_to_be_refused_and_is_booked_is_unexpected() {
        check(
            |history| {
                history.forget(refused());
                history.book(refused());
            },
            &[(Kind::Unexpected, 1)],
        );
    }

    #[test]
    fn what_is_dead_for_another_reason_is_unexpected_and_not_lost() {
        for number in [good(), refused()] {
            check(
                |history| {
                    history.forget(number);
                    history.letters.push(letter(number, "too many attempts"));
                },
                &[(Kind::Unexpected, 1)],
            );
        }
        check(
            |history| history.letters.push(letter(good(), "too many attempts")),
            &[(Kind::Unexpected, 1)],
        );
    }

    #[test]
    fn a_second_copy_of_a_dead_letter_is_allowed() {
        check(
            |history| {
                let mut copy = letter(refused(), REFUSED);
                copy.copy_id.push('2');
                history.letters.push(copy);
            },
            &[],
        );
    }

    #[test]
    fn a_dead_letter_on_record_has_to_be_in_the_queue() {
        check(
            |history| {
                let mut copy = letter(refused(), REFUSED);
                copy.copy_id.push('2');
                history.records.push(copy);
            },
            &[(Kind::DeadLetters, 1)],
        );
        check(|history| history.records.clear(), &[]);
    }

    #[test]
    fn money_that_comes_from_nowhere_is_found() {
        check(
            |history| *history.balances.get_mut(&3).unwrap() += 1,
            &[(Kind::Unbalanced, 2)],
        );
        check(
            |history| {
                *history.balances.get_mut(&3).unwrap() += 1;
                *history.balances.get_mut(&4).unwrap() -= 1;
            },
            &[(Kind::Unbalanced, 2)],
        );
    }

    #[test]
    fn claims_are_exactly_the_bookings() {
        let id = event_id(good());
        check(
            |history| history.claims.retain(|(_, claim)| *claim != id),
            &[(Kind::Inbox, 1)],
        );
        check(
            |history| {
                history
                    .claims
                    .push((SOURCE.to_owned(), event_id(refused())))
            },
            &[(Kind::Inbox, 1)],
        );
        check(
            |history| history.claims.push(("elsewhere".to_owned(), id.clone())),
            &[(Kind::Inbox, 1)],
        );
    }

    #[test]
    fn each_booking_leaves_once_and_arrives() {
        let id = format!("posted-{}", event_id(good()));
        check(
            |history| history.outbox.retain(|(event, _)| *event != id),
            &[(Kind::Outbox, 1)],
        );
        check(
            |history| history.outbox.push((id.clone(), true)),
            &[(Kind::Outbox, 1)],
        );
        check(
            |history| {
                for (event, is_sent) in &mut history.outbox {
                    *is_sent &= *event != id;
                }
            },
            &[(Kind::Outbox, 1)],
        );
        check(
            |history| history.arrived.retain(|number| *number != good()),
            &[(Kind::Outbox, 1)],
        );
        check(
            |history| history.arrived.push(refused()),
            &[(Kind::Outbox, 1)],
        );
    }
}
