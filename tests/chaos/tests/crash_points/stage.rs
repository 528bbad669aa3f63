use std::collections::BTreeMap;
use std::time::Duration;

use fleet::store::{MigrateOptions, Migrations, migrate};
use fleet::testing::database::TestDatabase;
use fleet_chaos::ledger;
use fleet_chaos::mutant::{MUTANT, Mutant};
use fleet_chaos::role::{DOWNSTREAM, LEDGER, ROLE, subscriptions};
use fleet_tests::books::Books;
use fleet_tests::graves::{failure, marked};
use fleet_tests::mailbox::Mailbox;
use fleet_tests::patience::until;
use fleet_tests::probe::Probe;
use fleet_tests::process::Process;
use fleet_tests::site::endpoint;
use sqs_local::http::Server;
use sqs_local::{MessageAttributes, ReceiveMessage, SendMessage, Sqs};
use tokio::process::Command;

use crate::letters::Letter;
use crate::points::Kind;

/// Longer than any lease here.
const LEASE_MAX: Duration = Duration::from_secs(61);

/// Queues, a database and programs of one case.
///
/// The queues live by the clock of the runtime, which the test may put forward.
pub(crate) struct Stage {
    pub(crate) books: Books,
    pub(crate) queue: Mailbox,
    pub(crate) dead_letters: Mailbox,
    pub(crate) downstream: Mailbox,
    kind: Kind,
    env: BTreeMap<String, String>,
    sqs: Sqs,
    _server: Server,
}

impl Stage {
    pub(crate) async fn new(kind: Kind, mutant: Option<Mutant>) -> Self {
        let database = TestDatabase::migrated("crash_points", bring_up_to_date).await;
        let books = Books::of(database.expect("a test database can be made"));
        let sqs = Sqs::default();
        let server = Server::bind("127.0.0.1:0", sqs.clone()).await;
        let server = server.expect("loopback has a free port");
        let suffix = match kind {
            Kind::Standard => "",
            Kind::Fifo => ".fifo",
        };
        let (ledger, heard) = (format!("{LEDGER}{suffix}"), format!("{DOWNSTREAM}{suffix}"));
        let (queue, dead_letters) = Mailbox::pair(&sqs, &ledger).await;
        let (downstream, _) = Mailbox::pair(&sqs, &heard).await;
        let url = |queue: &str| format!("{}/000000000000/{queue}", server.url());
        let mut env = endpoint(&server.url());
        env.extend(
            [
                (ROLE, "fleet".to_owned()),
                ("DATABASE_URL", books.url().to_owned()),
                // So many cases have one server.
                ("DATABASE_POOL_SIZE", "3".to_owned()),
                ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
                ("LEDGER_QUEUE_URL", url(&ledger)),
                ("LEDGER_RECEIVE_WAIT", "1s".to_owned()),
                ("DOWNSTREAM_QUEUE_URL", url(&heard)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let mutant = mutant.map(|mutant| (MUTANT.to_owned(), mutant.to_string()));
        env.extend(mutant);
        Self {
            books,
            queue,
            dead_letters,
            downstream,
            kind,
            env,
            sqs,
            _server: server,
        }
    }

    /// Starts a program that nobody stops.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        self.start_with(arguments, &[])
    }

    /// Starts a program and waits until it is ready.
    pub(crate) async fn start_ready(&self, arguments: &[&str]) -> Process {
        let mut process = self.start(arguments);
        Probe::of(&mut process).await.until_ready().await;
        process
    }

    /// Starts a program with more in its environment.
    pub(crate) fn start_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-chaos"));
        command.args(arguments).env_clear().envs(&self.env);
        command.envs(more.iter().copied());
        Process::start(command)
    }

    /// Sends letters in their order.
    pub(crate) async fn send(&self, letters: &[Letter]) {
        for (number, letter) in letters.iter().enumerate() {
            let none = MessageAttributes::default();
            self.post(&self.queue, number, letter, none).await;
        }
    }

    /// Puts letters into the dead-letter queue, as the fleet does.
    pub(crate) async fn bury(&self, letters: &[Letter]) {
        for (number, letter) in letters.iter().enumerate() {
            let mut failure = failure("transfer", &letter.event, "the bank was closed");
            failure.consumer = LEDGER.to_owned();
            failure.key.source = ledger::SOURCE.to_owned();
            let attributes = marked(&failure);
            self.post(&self.dead_letters, number, letter, attributes)
                .await;
        }
    }

    async fn post(
        &self,
        queue: &Mailbox,
        number: usize,
        letter: &Letter,
        message_attributes: MessageAttributes,
    ) {
        let is_fifo = self.kind == Kind::Fifo;
        let send = SendMessage {
            queue_url: queue.url().to_owned(),
            message_body: letter.body.clone(),
            message_attributes,
            message_group_id: is_fifo.then(|| letter.group.to_owned()),
            message_deduplication_id: is_fifo.then(|| number.to_string()),
            ..SendMessage::default()
        };
        self.sqs.call(send).await.expect("SQS takes it");
    }

    /// Receives some messages and leaves them where they were: nothing explains those receives.
    pub(crate) async fn receive_in_vain(&self) {
        let receive = ReceiveMessage {
            queue_url: self.queue.url().to_owned(),
            max_number_of_messages: Some(4),
            visibility_timeout: Some(0),
            ..ReceiveMessage::default()
        };
        let received = self.sqs.call(receive).await.expect("the queue is there");
        assert!(!received.messages.is_empty());
    }

    /// Waits until a process asks for messages.
    pub(crate) async fn until_asked(&self) {
        self.until_receives(|waiting| waiting > 0).await;
    }

    /// Lets every lease run out.
    pub(crate) async fn outlast_leases(&self) {
        // SQS goes on with a receive of the dead, which would take what comes back.
        self.until_receives(|waiting| waiting == 0).await;
        tokio::time::pause();
        tokio::time::advance(LEASE_MAX).await;
        tokio::time::resume();
    }

    async fn until_receives(&self, is_so: impl Fn(usize) -> bool) {
        until("the right number of receives waits", || async {
            let waiting = self.sqs.waiting_receives(self.queue.url());
            is_so(waiting.expect("the queue is there")).then_some(())
        })
        .await;
    }
}

/// Applies what `migrate` applies.
async fn bring_up_to_date(url: String) -> Result<(), fleet::store::MigrateError> {
    let sets = [Migrations::RUNTIME, ledger::migrations()];
    let migrated = migrate(&url, &MigrateOptions::default(), &sets, &subscriptions()).await;
    migrated.map(drop)
}
