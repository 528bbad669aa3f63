//! The page that is the script.

use std::fs;
use std::path::PathBuf;

use regex::Regex;

/// What a block of the page begins with.
const FENCE: &str = "```console\n$ ";

/// What it ends with.
const FENCE_END: &str = "```";

/// The page, and the commands in it.
pub(crate) struct Page {
    text: String,
    blocks: Vec<Block>,
}

/// A command, and what it says.
pub(crate) struct Block {
    /// What happens before it, or meanwhile.
    pub(crate) scene: Option<Scene>,
    /// What is typed, the program's name included.
    pub(crate) command: String,
    /// What is typed further, when the program asks.
    pub(crate) answers: Vec<Answer>,
    /// What is on the terminal at the end.
    pub(crate) output: String,
    /// Where the output is on the page.
    place: std::ops::Range<usize>,
}

/// What a person answers.
pub(crate) struct Answer {
    pub(crate) question: String,
    pub(crate) text: String,
}

/// What happens around a command, as the comment before its block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// The bad release is taken back.
    Mended,
    /// The command is killed by SIGKILL.
    KilledHalfWay,
}

impl Page {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(path()).expect("the page is there");
        let starts: Vec<usize> = text.match_indices(FENCE).map(|(at, _)| at).collect();
        let blocks = starts.into_iter().map(|at| block(&text, at)).collect();
        Self { text, blocks }
    }

    /// Returns the commands in their order.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Writes what was said in place of what stood there.
    pub(crate) fn write(&mut self, said: &[String]) {
        for (block, said) in self.blocks.iter().zip(said).rev() {
            self.text.replace_range(block.place.clone(), said);
        }
        fs::write(path(), &self.text).expect("the page can be written");
    }
}

impl Block {
    /// Returns the words of the command, without the program's name.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for c in self.command.chars() {
            match c {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                c => words.last_mut().expect("there is one").push(c),
            }
        }
        assert_eq!(words.remove(0), "fleet", "{}", self.command);
        words
    }
}

fn block(text: &str, at: usize) -> Block {
    let start = at + FENCE.len();
    let length = text[start..].find(FENCE_END).expect("a block ends");
    let (command, _) = text[start..start + length]
        .split_once('\n')
        .expect("a command stands on a line");
    let place = start + command.len() + 1..start + length;
    let output = text[place.clone()].to_owned();
    let comment = text[..at]
        .trim_end()
        .rsplit_once("<!-- ")
        .and_then(|(_, rest)| rest.strip_suffix(" -->"));
    let mut scene = None;
    let mut answers = Vec::new();
    for part in comment.into_iter().flat_map(|comment| comment.split("; ")) {
        match part {
            "the bad release is taken back" => scene = Some(Scene::Mended),
            "killed half-way" => scene = Some(Scene::KilledHalfWay),
            answer => answers.extend(answer.split_once(" -> ").map(|(question, text)| Answer {
                question: question.to_owned(),
                text: text.to_owned(),
            })),
        }
    }
    Block {
        scene,
        command: command.to_owned(),
        answers,
        output,
        place,
    }
}

/// Cuts the white space at the ends of lines, and the empty lines at the end.
pub(crate) fn trimmed(screen: &str) -> String {
    let lines: Vec<_> = screen.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

/// Replaces what differs from run to run, and returns the lines in the order of the alphabet: a
/// consumer may be done before the journal has said that it was sent.
pub(crate) fn usual(text: &str) -> Vec<String> {
    let rules = [
        (
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "ID",
        ),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),
        (r"\d\d:\d\d:\d\d", "TIME"),
        ("order-[0-9]{3}", "ORDER"),
        (r"\([0-9a-f]{7,12}\)", "(COMMIT)"),
        // A time has as many digits as it needs.
        ("[0-9]+ bytes, [0-9]+ of them", "BYTES of them"),
        // What the kill has cut in two.
        ("[█▉▊▋▌▍▎▏░]+ .*", "BAR"),
        ("running .*", "RUNNING"),
        (r"\b(2[0-9]{2}|30[0-9]|19[0-9])\b", "HALF"),
        ("ann@[^ ]+", "ann@HOST"),
        (r"[0-9]+(\.[0-9]+)? ?(ms|s|min|d|h|m|/s)\b", "SPAN"),
        ("[0-9.]+ messages a second", "RATE"),
        (" +", " "),
    ];
    let text = rules.iter().fold(text.to_owned(), |text, (pattern, with)| {
        let pattern = Regex::new(pattern).expect("the rules are well-formed");
        pattern.replace_all(&text, *with).into_owned()
    });
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/runbook/dead-letters.md")
}
