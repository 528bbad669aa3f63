//! What README.md shows and names is there and works.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use fleet::message::Outgoing;
use fleet::queue::{ClientOptions, Queue as _, Sqs};
use fleet::store::{PostgresOptions, PostgresStore};
use fleet::{Event, EventKey, NewEvent};
use serde_json::Value;

/// The program that `build.rs` took out of README.md.
const PROGRAM: &str = env!("CARGO_BIN_EXE_first_handler");

/// What "a first handler in 20 lines" means.
const LINES_MAX: usize = 20;

/// What programs started here are given of this test's environment.
const KEPT: [&str; 3] = ["PATH", "TMPDIR", "FLEET_PG_BIN"];

/// The event of the first handler, which a producer describes for itself.
#[derive(serde::Serialize, serde::Deserialize)]
struct ParcelSent {
    parcel_id: String,
}

impl Event for ParcelSent {
    const TYPE: &'static str = "parcel.sent";
}

/// The first handler under `dev`.
struct Dev {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    endpoint: String,
    queue_url: String,
    database_url: String,
}

#[test]
fn the_first_handler_fits_into_twenty_lines() {
    let lines = program().lines().count();
    assert!(
        lines <= LINES_MAX,
        "{lines} lines are more than {LINES_MAX}"
    );
}

#[tokio::test]
async fn the_first_handler_takes_events_in_every_way_that_is_shown() {
    let mut dev = Dev::start();
    let store = PostgresStore::connect(&dev.database_url, PostgresOptions::default()).unwrap();

    dev.enqueue(r#"{"parcel_id":"P-0"}"#);
    assert_eq!(dev.next_outcome(), "processed");

    let shipments = "create table shipments (id text primary key)";
    store.query(shipments, &[]).await.unwrap();
    ship(&store).await.unwrap();
    assert_eq!(dev.next_outcome(), "processed");

    store.query(&block("sql"), &[]).await.unwrap();
    assert_eq!(dev.next_outcome(), "processed");

    for expected in ["processed", "duplicate"] {
        dev.send(block("json")).await;
        assert_eq!(dev.next_outcome(), expected);
    }

    let sql = "select id from parcels order by id";
    let rows = store.query(sql, &[]).await.unwrap();
    let ids: Vec<String> = rows.iter().map(|row| row.get("id")).collect();
    assert_eq!(ids, ["P-0", "P-1", "P-2", "P-3"]);
    dev.end();
}

/// Publishes through the outbox, by the statements of README.md.
async fn ship(store: &PostgresStore) -> Result<(), Box<dyn Error>> {
    let parcel = ParcelSent {
        parcel_id: "P-1".to_owned(),
    };
    let tx = store.begin().await?;
    tx.execute("insert into shipments (id) values ($1)", &[&"S-1"])
        .await?;
    let event = NewEvent::new(EventKey::new("/depot/shipments", "S-1"), &parcel)?;
    tx.publish_all(&[event]).await?;
    tx.commit().await?;
    Ok(())
}

#[test]
fn the_statements_for_the_outbox_are_those_of_this_test() {
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let shown = readme();
    let shown = blocks(&shown, "rust").find(|block| block.contains("publish_all"));
    let shown = shown.expect("README.md shows how to publish through the outbox");
    assert!(dense(include_str!("readme.rs")).contains(&dense(shown)));
}

#[test]
fn the_output_that_is_shown_adds_up_to_the_sample() {
    let file = root().join("examples/orders/expected.json");
    let expected: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let shown = block("text");
    // Columns are apart by two spaces or more; a sum has single ones.
    let rows = shown.lines().map(|line| {
        let cells = line
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect::<Vec<_>>()
    });
    let shown: BTreeSet<Vec<String>> = rows.collect();
    let row = |cells: &[&str]| {
        cells
            .iter()
            .map(|cell| (*cell).to_owned())
            .collect::<Vec<_>>()
    };
    for (kind, member) in [("invoices", "invoices"), ("credit notes", "credit_notes")] {
        for (currency, of) in expected[member].as_object().unwrap() {
            let sum = format!("{currency} {}", grouped(&of["total_minor"].to_string()));
            let row = row(&[kind, &of["count"].to_string(), &sum]);
            assert!(shown.contains(&row), "{row:?}");
        }
    }
    for (reason, count) in expected["dead_lettered"].as_object().unwrap() {
        let what = format!("dead-lettered by billing: {reason}");
        let row = row(&[&what, &count.to_string()]);
        assert!(shown.contains(&row), "{row:?}");
    }
    assert!(shown.contains(&row(&["placed", &expected["placed"].to_string()])));
}

#[test]
fn every_command_that_is_named_exists() {
    let help = run(Command::new(PROGRAM).arg("--help"));
    let (commands, _) = help.split_once("\nOptions:").expect("it has options");
    let known = first_words(commands, "  ");
    let text = readme();
    let named: BTreeSet<&str> = names_after(&text, "fleet ").collect();
    assert!(named.len() >= 8, "{named:?}");
    for command in &named {
        assert!(known.contains(command), "there is no `fleet {command}`");
    }
    let is_silent = |command: &&&str| !named.contains(**command) && **command != "help";
    let silent: Vec<&&str> = known.iter().filter(is_silent).collect();
    assert!(silent.is_empty(), "README.md does not name {silent:?}");
}

#[test]
fn every_target_that_is_named_exists() {
    let help = run(Command::new("make")
        .args(["--no-print-directory", "help"])
        .current_dir(root()));
    let known = first_words(&help, "  make ");
    let text = readme();
    let named: BTreeSet<&str> = names_after(&text, "make ").collect();
    assert!(named.len() >= 6, "{named:?}");
    for target in named {
        assert!(known.contains(target), "there is no `make {target}`");
    }
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut pages = vec![root().join("README.md")];
    let mut seen = BTreeSet::new();
    while let Some(page) = pages.pop() {
        if !seen.insert(page.clone()) {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page
                    .parent()
                    .unwrap()
                    .join(file)
                    .canonicalize()
                    .unwrap_or_else(|_| panic!("{}: {link} leads nowhere", page.display())),
            };
            if target.extension().is_none_or(|ending| ending != "md") {
                continue;
            }
            let has = anchor.is_empty() || anchors(&target).contains(anchor);
            assert!(has, "{}: {link} has no such heading", page.display());
            pages.push(target);
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
}

impl Dev {
    /// Starts it and waits until it has printed its addresses.
    fn start() -> Self {
        let mut child = clean(PROGRAM)
            .arg("dev")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cargo built the program for this test");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let log = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let mut after = |what: &str| {
            let mut lines = lines.by_ref().map_while(Result::ok);
            let found = lines.find_map(|line| Some(line.strip_prefix(what)?.trim().to_owned()));
            found.unwrap_or_else(|| panic!("`dev` does not say: {what}"))
        };
        Self {
            endpoint: after("SQS"),
            database_url: after("Postgres"),
            queue_url: after("queue of tracking"),
            child,
            log,
        }
    }

    /// Sends a line by the program's own `enqueue`.
    fn enqueue(&self, line: &str) {
        let mut child = clean(PROGRAM)
            .args(["enqueue", &self.queue_url, "--type", ParcelSent::TYPE])
            .env("AWS_ENDPOINT_URL_SQS", &self.endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdin(Stdio::piped())
            .spawn()
            .expect("cargo built the program for this test");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(line.as_bytes()).expect("stdin is read");
        drop(stdin);
        assert!(child.wait().expect("a child ends once").success());
    }

    /// Sends a body straight to the queue.
    async fn send(&self, body: String) {
        let sqs = Sqs::local(&self.endpoint);
        let queue = sqs.queue(&self.queue_url, ClientOptions::calling());
        let mut sent = queue.send(&[Outgoing::new(body)]).await;
        let entry = sent.as_mut().ok().and_then(Vec::pop);
        assert!(entry.is_some_and(|entry| entry.is_ok()), "{sent:?}");
    }

    /// Waits for the next message to end and returns how.
    fn next_outcome(&mut self) -> String {
        let outcome = |line: String| {
            let line: Value = serde_json::from_str(&line).ok()?;
            Some(line.get("outcome")?.as_str()?.to_owned())
        };
        let mut lines = self.log.by_ref().map_while(Result::ok);
        lines.find_map(outcome).expect("each message has a line")
    }

    fn end(mut self) {
        let pid = self.child.id().to_string();
        run(Command::new("kill").args(["-INT", &pid]));
        self.log.by_ref().for_each(drop);
        assert!(self.child.wait().expect("a child ends once").success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It is gone already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program in an environment that names nobody's database, queue or make.
fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn run(command: &mut Command) -> String {
    // Under `make test` these would make the inner make a part of the outer one.
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        command.env_remove(name);
    }
    let output = command.output().expect("the program is there");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("help is UTF-8")
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tests.parent().expect("the tests lie in the workspace");
    root.canonicalize().expect("the workspace is readable")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md is readable")
}

fn program() -> String {
    let text = readme();
    let program = blocks(&text, "rust").find(|block| block.contains("fn main("));
    program.expect("README.md shows a program").to_owned()
}

/// Returns the first block of a language.
fn block(language: &str) -> String {
    let text = readme();
    let block = blocks(&text, language).next();
    block.expect("README.md shows one").trim().to_owned()
}

fn blocks<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let starts: Vec<usize> = text.match_indices(&fence).map(|(at, _)| at).collect();
    starts.into_iter().map(move |at| {
        let block = &text[at + fence.len()..];
        block.split("```").next().unwrap_or_default()
    })
}

/// The lower-case words that follow `before` at the start of code.
fn names_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let starts = move |at: &usize| {
        let front = text[..*at].chars().next_back();
        front == Some('`') || text[..*at].ends_with("$ ")
    };
    let places = text.match_indices(before).map(|(at, _)| at);
    places.filter(starts).filter_map(move |at| {
        let rest = &text[at + before.len()..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-');
        Some(&rest[..end.unwrap_or(rest.len())]).filter(|name| !name.is_empty())
    })
}

/// The first words of the lines that begin like this.
fn first_words<'a>(text: &'a str, begin: &str) -> BTreeSet<&'a str> {
    let rest = text.lines().filter_map(|line| line.strip_prefix(begin));
    let words = rest.filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    words.filter_map(|rest| rest.split(' ').next()).collect()
}

/// The targets of the links of a page that lead to no other host.
fn links(text: &str) -> Vec<&str> {
    let mut in_code = false;
    let prose = text.lines().filter(|line| {
        in_code ^= line.starts_with("```");
        !in_code
    });
    let targets = prose.flat_map(|line| line.split("](").skip(1));
    let targets = targets.filter_map(|rest| rest.split(')').next());
    targets.filter(|link| !link.contains("://")).collect()
}

/// Writes a number in groups of three digits.
fn grouped(digits: &str) -> String {
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(" ")
}

/// The anchors of a page's headings, as code hosts make them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).expect("a page that exists is readable");
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let kept = line.trim_start_matches('#').trim().chars();
        let kept = kept.filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}
