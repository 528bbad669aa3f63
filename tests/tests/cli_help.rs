//! The help of every command at every depth, as the binary gives it.
#![forbid(unsafe_code)]

use fleet_tests::process::Process;
use fleet_tests::site::fleet;

/// What fits into the terminals that people have.
const COLUMNS: usize = 100;

/// The help of one command, and where it stands.
struct Page {
    path: Vec<String>,
    text: String,
}

impl Page {
    async fn of(path: &[String]) -> Self {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let ended = Process::start(fleet(&arguments)).ended().await.with_code(0);
        assert_eq!(ended.stderr, "", "{path:?}");
        Self {
            path: path.to_vec(),
            text: ended.stdout,
        }
    }

    /// Returns what stands under a heading.
    fn lines_under(&self, heading: &str) -> Vec<&str> {
        let lines = self.text.lines().skip_while(|line| *line != heading);
        lines.skip(1).take_while(|line| !line.is_empty()).collect()
    }

    /// Names the commands below this one.
    fn commands(&self) -> Vec<String> {
        let lines = self.lines_under("Commands:");
        let names = lines.iter().filter_map(|line| {
            let name = line.strip_prefix("  ")?.split(' ').next()?;
            (!name.is_empty() && name != "help").then(|| name.to_owned())
        });
        names.collect()
    }

    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let words = ["fleet"].into_iter();
        let words = words.chain(self.path.iter().map(String::as_str));
        let command = words.collect::<Vec<_>>().join(" ");
        let mut complain = |what: String| complaints.push(format!("`{command} --help`: {what}"));
        let about = self.text.lines().next().unwrap_or_default();
        if about.is_empty() || about.starts_with("Usage:") {
            complain("does not begin by saying what it does".to_owned());
        }
        if !self.text.contains(&format!("Usage: {command}")) {
            complain("has no usage".to_owned());
        }
        for line in self.text.lines() {
            if line.chars().count() > COLUMNS {
                complain(format!("is wider than {COLUMNS} columns: {line}"));
            }
            if line.contains("{program}") || line.contains('\u{1b}') {
                complain(format!("is not ready to be read: {line}"));
            }
        }
        let examples = self.lines_under("Examples:");
        if examples.is_empty() {
            complain("has no examples".to_owned());
        }
        for example in examples {
            // Other programs may come before and after, through pipes.
            let is_own = example.split(" | ").any(|part| {
                let words = part.trim_start();
                match self.path.is_empty() {
                    true => words.starts_with("fleet "),
                    false => words == command || words.starts_with(&format!("{command} ")),
                }
            });
            if !is_own {
                complain(format!("shows something else: {example}"));
            }
        }
        complaints
    }
}

#[tokio::test]
async fn every_command_at_every_depth_says_what_it_does_and_shows_it() {
    let mut paths = vec![Vec::new()];
    let (mut seen, mut complaints) = (0, Vec::new());
    while let Some(path) = paths.pop() {
        let page = Page::of(&path).await;
        seen += 1;
        for command in page.commands() {
            let mut path = path.clone();
            path.push(command);
            paths.push(path);
        }
        complaints.extend(page.complaints());
    }
    assert!(seen >= 16, "only {seen} commands were found");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test]
async fn a_group_of_commands_alone_shows_its_help_and_is_a_wrong_command_line() {
    for arguments in [&[][..], &["dlq"], &["outbox"]] {
        let ended = Process::start(fleet(arguments)).ended().await.with_code(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(ended.stderr.contains("Commands:"), "{}", ended.stderr);
    }
}
