//! Promise 1, never deaf: whatever becomes of a connection, the call on it ends, and the next one
//! has another.

use std::sync::Arc;
use std::time::Duration;

use fleet::message::{Outgoing, Receipt};
use fleet::queue::{ClientOptions, EntryError, Queue, QueueErrorKind, Sqs as Account};
use fleet_tests::gate::{Gate, Way};
use fleet_tests::mailbox::Mailbox;
use fleet_tests::patience::until;
use futures_util::future::join_all;
use sqs_local::Sqs;
use sqs_local::http::Server;
use tokio::time::Instant;

use crate::job::{Job, Keeper, numbered};
use crate::scene::Scene;
use fleet::Consumer;

/// How long the receives wait.
const WAIT: Duration = Duration::from_secs(1);

/// How much longer than its wait a call may take.
const DETECTED_WITHIN: Duration = Duration::from_secs(5);

/// By how much a timer may be late on a machine that is busy.
const BUSY: Duration = Duration::from_secs(2);

/// What becomes of the connection; all but the last are faults of sqs-local.
const FAULTS: [&str; 6] = ["hang", "truncate", "drip", "reset", "lost", "black-hole"];

const CALLS: [Call; 4] = [
    Call::Receive,
    Call::Send,
    Call::Delete,
    Call::ChangeVisibility,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Receive,
    Send,
    Delete,
    ChangeVisibility,
}

/// One fault and one call, on a queue and a client of their own.
struct Case {
    fault: &'static str,
    call: Call,
    mailbox: Mailbox,
    queue: Arc<dyn Queue>,
    gate: Gate,
}

impl Call {
    fn operation(self) -> &'static str {
        match self {
            Self::Receive => "ReceiveMessage",
            Self::Send => "SendMessageBatch",
            Self::Delete => "DeleteMessageBatch",
            Self::ChangeVisibility => "ChangeMessageVisibilityBatch",
        }
    }

    /// Makes the call; the receipt is one of a message in flight.
    async fn run(self, queue: &dyn Queue, receipt: &Receipt) -> Result<(), QueueErrorKind> {
        let all_done = |entries: Vec<Result<(), EntryError>>| {
            assert!(entries.iter().all(Result::is_ok), "{self:?}: {entries:?}");
        };
        let done = match self {
            Self::Receive => queue.receive(1, WAIT).await.map(|messages| {
                assert_eq!(messages.len(), 1);
            }),
            Self::Send => queue
                .send(&[Outgoing::new("sent")])
                .await
                .map(|sent| all_done(sent.into_iter().map(|entry| entry.map(drop)).collect())),
            Self::Delete => queue
                .delete(std::slice::from_ref(receipt))
                .await
                .map(all_done),
            Self::ChangeVisibility => queue
                .change_visibility(&[(receipt.clone(), Duration::from_secs(60))])
                .await
                .map(all_done),
        };
        done.map_err(|error| error.kind)
    }

    fn wait(self) -> Duration {
        match self {
            Self::Receive => WAIT,
            _ => Duration::ZERO,
        }
    }
}

impl Case {
    async fn new(sqs: &Sqs, server: &Server, fault: &'static str, call: Call) -> Self {
        let name = format!("{fault}-{}", call.operation());
        let mailbox = Mailbox::create(sqs, &name, &[]).await;
        let gate = Gate::closed(server.addr()).await;
        gate.open();
        // A reset would not come through the gate as one.
        let addr = if fault == "black-hole" {
            gate.addr()
        } else {
            server.addr()
        };
        let options = match call {
            Call::Receive => ClientOptions::receiving(WAIT),
            _ => ClientOptions::calling(),
        };
        let queue = Account::local(&format!("http://{addr}")).queue(mailbox.url(), options);
        Self {
            fault,
            call,
            mailbox,
            queue: Arc::new(queue),
            gate,
        }
    }

    /// Returns the rule by which sqs-local does it to the first such call.
    fn rule(&self) -> Option<String> {
        let (fault, call) = (self.fault, self.call.operation());
        let rule = format!("{fault} ops={call} queue={fault}-{call} count=1");
        (fault != "black-hole").then_some(rule)
    }

    async fn check(&self) {
        let what = format!("{} of {:?}", self.fault, self.call);
        // A message in flight, a connection that is warm, and messages to receive.
        self.mailbox.send("first", Default::default()).await;
        let mut first = self.mailbox.peek().await;
        let receipt = Receipt(first.remove(0).receipt_handle.to_string());
        self.queue.attributes().await.unwrap();
        for _ in 0..2 {
            self.mailbox.send("another", Default::default()).await;
        }
        if self.fault == "black-hole" {
            self.gate.turn(Way::Stuck);
        }
        let begun = Instant::now();
        let answer = self.call.run(self.queue.as_ref(), &receipt).await;
        let took = begun.elapsed();
        assert_eq!(answer, Err(QueueErrorKind::Unreachable), "{what}");
        let limit = self.call.wait() + DETECTED_WITHIN;
        assert!(took <= limit + BUSY, "{what} took {took:?}");
        self.gate.open();
        let again = self.call.run(self.queue.as_ref(), &receipt).await;
        assert_eq!(again, Ok(()), "the call after {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_on_a_stuck_socket_ends_in_time_and_the_next_one_goes_through() {
    let sqs = Sqs::default();
    let server = Server::bind("127.0.0.1:0", sqs.clone()).await.unwrap();
    let mut cases = Vec::new();
    for fault in FAULTS {
        for call in CALLS {
            cases.push(Case::new(&sqs, &server, fault, call).await);
        }
    }
    assert_eq!(cases.len(), 24);
    let plan: Vec<String> = cases.iter().filter_map(Case::rule).collect();
    sqs.set_faults(plan.join(";").parse().unwrap());
    join_all(cases.iter().map(Case::check)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_its_receive_hangs_a_worker_lives_keeps_its_leases_and_hears_again_afterwards() {
    // Heartbeats every two seconds: the receive hangs for six.
    let scene = Scene::on("hung", Duration::from_secs(4)).await;
    let keeper = Keeper::default();
    let play = scene.start(Consumer::new("jobs").handler(keeper.clone()), None);
    scene.health.set_started();
    scene.send([("held".to_owned(), Job::Wait)]).await;
    keeper
        .begun
        .subscribe()
        .wait_for(|begun| *begun == 1)
        .await
        .unwrap();

    scene.faults("hang ops=ReceiveMessage");
    let failed = |count| scene.counted("fleet_receives_total", "failed") >= count;
    until("a receive is given up", || async {
        assert!(scene.health.live().ok, "{:?}", scene.health.live());
        failed(1).then_some(())
    })
    .await;
    let extended = scene.counted("fleet_lease_extensions_total", "extended");
    assert!(extended >= 2, "{extended} heartbeats in six seconds");
    scene.sqs.clear_faults();
    scene.send(numbered(&Job::Keep, 3)).await;
    until("the others are done", || async {
        (scene.effects().await == (3, 3)).then_some(())
    })
    .await;

    keeper.gate.add_permits(1);
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (4, 4));
    assert_eq!(*keeper.begun.borrow(), 4, "nothing ran twice");
    assert_eq!(scene.counted("fleet_leases_lost_total", ""), 0);
    assert!(scene.health.live().ok);
    scene.end(play).await;
}
