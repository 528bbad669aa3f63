//! Measures, and prints ratios of what was measured in one run.
//!
//! Absolute figures move with the machine and its neighbours; a ratio of two
//! figures that were taken in turn does not. Every figure of a process is what
//! the kernel counted for that process.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod meter;

mod server;

mod bare;

mod noop;

mod backlog;

mod replay;

mod report;

use std::error::Error;
use std::process::ExitCode;

use report::Report;

/// What goes wrong ends the run: a benchmark has nobody to recover for.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How often each measurement is taken; the median is printed.
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        // The two measured programs are this one under another name.
        ["bare", url, messages] => bare::run(url, messages),
        ["run", ..] => return noop::main(),
        [] => measure(),
        ["replay", messages] => measure_replay(messages),
        _ => Err("usage: bench, or bench replay MESSAGES".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn measure() -> Outcome<()> {
    println!("measuring; keep the machine quiet ({ROUNDS} rounds, medians)");
    let mut report = Report::default();
    measure_server(&mut report).await?;
    let database = noop::Database::start().await?;
    measure_runtime(&mut report, &database).await?;
    replay::measure(&mut report, &database, replay::MESSAGES).await?;
    if let Some(megabytes) = server::binary_megabytes("fleet")? {
        report.line("release binary `fleet`", megabytes, "MB", 18.0);
    }
    report.print();
    Ok(())
}

async fn measure_server(report: &mut Report) -> Outcome<()> {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        short.push(backlog::cpu_micros_a_message(1_000).await?);
        long.push(backlog::cpu_micros_a_message(200_000).await?);
    }
    let (short, long) = (report::median(short), report::median(long));
    report.line(
        "sqs-local: CPU a message, receive + delete in tens, 1 k backlog",
        short,
        "µs",
        6.0,
    );
    report.line("sqs-local: the same at 200 k backlog", long, "µs", 6.0);
    report.line("sqs-local: 200 k against 1 k", long / short, "×", 1.2);
    Ok(())
}

/// Measures a replay of so many messages alone.
#[tokio::main]
async fn measure_replay(messages: &str) -> Outcome<()> {
    let mut report = Report::default();
    let database = noop::Database::start().await?;
    replay::measure(&mut report, &database, messages.parse()?).await?;
    report.print();
    Ok(())
}

async fn measure_runtime(report: &mut Report, database: &noop::Database) -> Outcome<()> {
    let (mut bare, mut silent, mut logging) = (Vec::new(), Vec::new(), Vec::new());
    let (mut memory, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare::measure().await?);
        let quiet = noop::measure(database, "none").await?;
        let loud = noop::measure(database, "all").await?;
        silent.push(quiet.cpu_micros);
        logging.push(loud.cpu_micros);
        memory.push(quiet.rss_mib.max(loud.rss_mib));
        starts.push(quiet.start_millis);
    }
    let bare = report::median(bare);
    report.note("bare SDK loop: CPU a message", bare, "µs");
    for (log_success, cpu) in [("none", silent), ("all", logging)] {
        let cpu = report::median(cpu);
        let what = format!("no-op handler: CPU a message, LOG_SUCCESS={log_success}");
        report.note(&what, cpu, "µs");
        let what = format!("no-op handler against the bare loop, LOG_SUCCESS={log_success}");
        report.line(&what, cpu / bare, "×", 1.7);
    }
    report.line(
        "no-op handler: peak resident memory",
        report::median(memory),
        "MiB",
        40.0,
    );
    report.line(
        "process start to first message in flight",
        report::median(starts),
        "ms",
        100.0,
    );
    Ok(())
}
