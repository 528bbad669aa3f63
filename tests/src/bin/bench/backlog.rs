use fleet::message::Receipt;
use fleet::queue::Queue as _;
use futures_util::future::try_join_all;
use std::time::Duration;

use crate::server::Server;
use crate::{Outcome, meter};

/// Messages that are received and deleted while the clock runs, a turn.
const TURN: usize = 1_000;
const TURNS: usize = 20;

/// Clients that receive and delete side by side.
const CLIENTS: usize = 4;

/// Measures sqs-local's CPU a message for receive and delete in tens, with this many messages waiting.
pub(crate) async fn cpu_micros_a_message(backlog: usize) -> Outcome<f64> {
    let server = Server::start()?;
    server.fill(backlog).await?;
    let mut total = 0.0;
    for _ in 0..TURNS {
        let before = meter::threads_cpu_micros(server.pid())?;
        try_join_all((0..CLIENTS).map(|_| work(&server, TURN / CLIENTS))).await?;
        total += meter::threads_cpu_micros(server.pid())? - before;
        // The next turn meets the same backlog.
        server.fill(TURN).await?;
    }
    #[expect(clippy::cast_precision_loss, reason = "twenty thousand is exact")]
    Ok(total / (TURN * TURNS) as f64)
}

async fn work(server: &Server, messages: usize) -> Outcome<()> {
    let queue = server.queue();
    let mut done = 0;
    while done < messages {
        let received = queue.receive(10, Duration::ZERO).await?;
        let receipts: Vec<Receipt> = received
            .into_iter()
            .map(|message| message.receipt)
            .collect();
        if receipts.is_empty() {
            continue;
        }
        done += receipts.len();
        for entry in queue.delete(&receipts).await? {
            entry?;
        }
    }
    Ok(())
}
