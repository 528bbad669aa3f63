use std::fmt::Write as _;

use fleet_tests::books::Books;
use fleet_tests::probe::Probe;
use fleet_tests::process::Ended;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::marks::MARK;

/// How much around a mark a report shows.
const AROUND: usize = 160;

/// How the mark lies in base64 at each of three places, without what its neighbours decide.
const IN_BASE64: [&str; 3] = ["Y25ye", "Nucn", "jbnJ5"];

/// What a program answers over HTTP, and what it refuses.
const REQUESTS: [(&str, &str); 9] = [
    ("GET", "/"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/startupz"),
    ("GET", "/metrics"),
    ("GET", "/nothing"),
    ("GET", "/../../etc/passwd"),
    ("POST", "/readyz"),
    ("NONSENSE", "\u{0}"),
];

/// Tables in which reasons stand; those that hold messages on purpose are left out.
const TABLES: [&str; 7] = [
    "inbox",
    "attempts",
    "dead_letters",
    "processes",
    "pauses",
    "replays",
    "replay_entries",
];

/// Everything that came out while things went wrong.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pieces: Vec<Piece>,
    /// What must not come out either, such as a password that works.
    secrets: Vec<String>,
}

#[derive(Debug)]
struct Piece {
    path: String,
    channel: String,
    bytes: Vec<u8>,
}

impl Evidence {
    /// Says what else must not come out.
    pub(super) fn forbid(&mut self, secret: &str) {
        self.secrets.push(secret.to_owned());
    }

    /// Adds what came out of one channel while something went wrong.
    pub(super) fn add(&mut self, path: &str, channel: &str, bytes: impl Into<Vec<u8>>) {
        self.pieces.push(Piece {
            path: path.to_owned(),
            channel: channel.to_owned(),
            bytes: bytes.into(),
        });
    }

    /// Adds what a program has written.
    pub(super) fn add_ended(&mut self, path: &str, ended: &Ended) {
        self.add(path, "stdout", ended.stdout.as_str());
        self.add(path, "stderr", ended.stderr.as_str());
    }

    /// Asks a program everything that can be asked over HTTP, and adds the answers.
    pub(super) async fn add_answers(&mut self, path: &str, probe: Probe) {
        for (method, target) in REQUESTS {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: fleet\r\n\r\n");
            let mut stream = TcpStream::connect(probe.addr())
                .await
                .expect("it answers while it runs");
            let sent = stream.write_all(request.as_bytes()).await;
            sent.expect("it reads a request");
            let mut answer = Vec::new();
            // A request that is none may be hung up on.
            let _ = stream.read_to_end(&mut answer).await;
            self.add(path, &format!("HTTP {method} {target:?}"), answer);
        }
    }

    /// Adds every row in which a reason may stand.
    pub(super) async fn add_tables(&mut self, path: &str, books: &Books) {
        for table in TABLES {
            let rows = books.rows(&format!("select * from fleet.{table}")).await;
            let text = serde_json::Value::from(rows).to_string();
            self.add(path, &format!("table {table}"), text);
        }
    }

    /// Returns all that came out of a channel whose name begins so.
    pub(super) fn of(&self, channel: &str) -> String {
        let pieces = self
            .pieces
            .iter()
            .filter(|piece| piece.channel.starts_with(channel));
        pieces.fold(String::new(), |all, piece| {
            all + &String::from_utf8_lossy(&piece.bytes)
        })
    }

    /// Checks that no mark came out anywhere.
    ///
    /// # Panics
    ///
    /// One did: the report names the path, the channel and what stands there.
    #[track_caller]
    pub(super) fn assert_clean(&self) {
        assert!(!self.pieces.is_empty(), "nothing was looked at");
        let mut report = String::new();
        for piece in &self.pieces {
            for found in piece.marks(&self.secrets) {
                let Piece { path, channel, .. } = piece;
                let _ = writeln!(report, "{path}: {channel}: …{found}…");
            }
        }
        assert!(report.is_empty(), "what must not come out did:\n{report}");
    }
}

impl Piece {
    /// Finds what must not be there: as text in any case, as a list of bytes, or in base64.
    fn marks(&self, secrets: &[String]) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let lower = text.to_ascii_lowercase();
        let listed = format!("{:?}", MARK.as_bytes());
        let listed = listed.trim_matches(['[', ']']);
        let plain = [MARK, listed]
            .into_iter()
            .flat_map(|form| lower.match_indices(form));
        let encoded = IN_BASE64
            .into_iter()
            .chain(secrets.iter().map(String::as_str))
            .flat_map(|form| text.match_indices(form));
        plain
            .chain(encoded)
            .map(|(at, _)| {
                let from = text.floor_char_boundary(at.saturating_sub(AROUND));
                let to = text.ceil_char_boundary((at + AROUND).min(text.len()));
                text[from..to].to_owned()
            })
            .collect()
    }
}

#[test]
fn a_mark_is_found_in_every_form() {
    let check = |bytes: &[u8], count: usize| {
        let mut evidence = Evidence::default();
        evidence.add("path", "channel", bytes);
        assert_eq!(evidence.pieces[0].marks(&[]).len(), count, "{bytes:?}");
    };
    check(b"all is well", 0);
    check(b"\xff\xfecnryCard and CNRYEMAIL", 2);
    check(format!("{:?}", "a cnryCard".as_bytes()).as_bytes(), 1);
    for encoded in ["Y25yeUVtYWls", "eGNucnlFbWFpbA==", "eHhjbnJ5RW1haWw="] {
        check(encoded.as_bytes(), 1);
    }
}
