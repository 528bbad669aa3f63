//! `completions` and `man`: what shells and readers of manuals are given.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fleet_tests::process::{Ended, Process};
use fleet_tests::site::fleet;
use tokio::process::Command;

async fn run(arguments: &[&str]) -> Ended {
    Process::start(fleet(arguments)).ended().await.with_code(0)
}

/// Returns the script of a shell, having looked that nothing else was said.
async fn script(shell: &str) -> String {
    let ended = run(&["completions", shell]).await;
    assert_eq!(ended.stderr, "", "{shell}");
    ended.stdout
}

/// Runs bash with a file to source and something to do then.
async fn bash(file: &Path, then: &str) -> String {
    let mut command = Command::new("bash");
    let script = format!("source \"$1\" || exit 9; {then}");
    command
        .args(["--norc", "-u", "-c", &script, "bash"])
        .arg(file);
    let ended = Process::start(command).ended().await.with_code(0);
    assert_eq!(ended.stderr, "", "{then}");
    ended.stdout
}

/// Names the commands that the program has below these.
async fn commands_below(path: &[&str]) -> Vec<String> {
    let arguments: Vec<&str> = path.iter().copied().chain(["--help"]).collect();
    let help = run(&arguments).await.stdout;
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| line.starts_with(' '))
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn bash_completes_commands_at_every_depth_and_flags() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("fleet.bash");
    fs::write(&file, script("bash").await).expect("there is room");
    let complete = |words: &str, index: usize, word: &str| {
        format!(
            "COMP_WORDS=({words}); COMP_CWORD={index};
             _fleet fleet '{word}' fleet; echo \"${{COMPREPLY[*]}}\""
        )
    };
    let completed = bash(&file, &complete("fleet que", 1, "que")).await;
    assert_eq!(completed, "queues");
    let completed = bash(&file, &complete("fleet dlq st", 2, "st")).await;
    assert_eq!(completed, "stats");
    let completed = bash(&file, &complete("fleet top --ev", 2, "--ev")).await;
    assert_eq!(completed, "--every");
}

#[tokio::test]
async fn every_shell_is_told_every_command() {
    let commands = commands_below(&[]).await;
    assert!(commands.len() >= 14, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = script(shell).await;
        for command in commands.iter().chain(&commands_below(&["dlq"]).await) {
            assert!(script.contains(command.as_str()), "{shell}: no {command}");
        }
        assert!(!script.contains("{program}"), "{shell}");
    }
}

#[tokio::test]
async fn a_shell_that_nobody_knows_is_refused_with_those_that_are() {
    let ended = Process::start(fleet(&["completions", "tcsh"]))
        .ended()
        .await;
    let ended = ended.with_code(2);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains("bash, elvish, fish"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn every_command_has_a_manual_page_that_renders_without_a_warning() {
    let folder = tempfile::tempdir().expect("there is room");
    // The folder is made.
    let folder = folder.path().join("man1");
    let name = folder.to_str().expect("its name is text");
    let ended = run(&["man", "--dir", name]).await;
    assert_eq!(ended.stdout, "");
    let pages: BTreeSet<String> = fs::read_dir(&folder)
        .expect("it was made")
        .map(|file| file.expect("it is readable").file_name())
        .map(|name| name.into_string().expect("its name is text"))
        .collect();
    assert_eq!(ended.stderr, format!("{} pages written", pages.len()));

    let mut expected = BTreeSet::from(["fleet.1".to_owned()]);
    let mut groups = vec![Vec::new()];
    while let Some(group) = groups.pop() {
        let path: Vec<&str> = group.iter().map(String::as_str).collect();
        for command in commands_below(&path).await {
            let mut path = group.clone();
            path.push(command);
            expected.insert(format!("fleet-{}.1", path.join("-")));
            groups.push(path);
        }
    }
    assert_eq!(pages, expected);
    for page in &pages {
        check(&folder.join(page)).await;
    }
}

/// Looks at a page as a reader of manuals would, or, where no such program is, at its macros.
async fn check(page: &Path) {
    let text = fs::read_to_string(page).expect("it was written");
    for heading in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH EXAMPLES"] {
        let there = text.lines().any(|line| line.starts_with(heading));
        assert!(there, "{}: no {heading}", page.display());
    }
    let mut groff = Command::new("groff");
    groff.args(["-man", "-ww", "-z", "-Tutf8"]).arg(page);
    match groff.output().await {
        Ok(rendered) => {
            let said = String::from_utf8_lossy(&rendered.stderr);
            assert_eq!(said, "", "{}", page.display());
            assert!(rendered.status.success(), "{}", page.display());
        }
        Err(_) => {
            let known = ["TH", "SH", "TP", "RS", "RE", "PP", "br", "ie", "el", "IP"];
            let macros = text.lines().filter_map(|line| line.strip_prefix('.'));
            for name in macros.map(|line| line.split(' ').next().unwrap_or_default()) {
                assert!(known.contains(&name), "{}: .{name}", page.display());
            }
        }
    }
}

#[tokio::test]
async fn the_page_of_the_program_goes_to_stdout() {
    let ended = run(&["man"]).await;
    assert_eq!(ended.stderr, "");
    assert!(ended.stdout.contains(".TH fleet 1"), "{}", ended.stdout);
    for command in commands_below(&[]).await {
        let line = format!("fleet\\-{command}(1)");
        assert!(ended.stdout.contains(&line), "{command}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().expect("there is room");
    let name = file.path().to_str().expect("its name is text");
    let ended = Process::start(fleet(&["man", "--dir", name])).ended().await;
    assert!(ended.with_code(1).stderr.contains(name));
}
