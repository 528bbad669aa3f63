//! The terminal in which other tests run programs.
#![forbid(unsafe_code)]

use fleet_tests::process::Signal;
use fleet_tests::site::{Site, fleet};
use fleet_tests::terminal::{Key, Terminal};
use tokio::process::Command;

fn shell(script: &str) -> Terminal {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Terminal::start(command)
}

#[tokio::test]
async fn what_is_typed_reaches_the_program_and_what_it_writes_the_screen() {
    let mut terminal = shell("stty size; printf 'name? '; read name; clear; echo \"hello $name\"");
    terminal.shows("30 100\nname?").await;
    terminal.types("ann").await;
    terminal.presses(Key::Enter).await;
    terminal.hides("name?").await;
    terminal.shows("hello ann").await;
    let left = terminal.ended().await.with_code(0);
    assert!(left.raw.contains("name? ann\r\n"), "{:?}", left.raw);
}

#[tokio::test]
async fn escape_sequences_are_carried_out_on_the_screen_and_kept_in_the_raw_text() {
    let left = shell("printf 'before\\033[2Jafter'")
        .ended()
        .await
        .with_code(0);
    assert_eq!(left.screen.trim(), "after");
    assert_eq!(left.raw, "before\u{1b}[2Jafter");
}

#[tokio::test]
async fn a_program_is_told_of_a_new_size() {
    let mut terminal = shell("trap 'stty size' WINCH; echo ready; while :; do read line; done");
    terminal.shows("ready").await;
    terminal.resize(80, 24);
    // The shell runs the trap when its builtin comes back.
    terminal.presses(Key::Enter).await;
    terminal.shows("24 80").await;
    terminal.signal(Signal::Kill);
}

#[tokio::test]
async fn ctrl_c_interrupts_what_has_the_terminal() {
    let mut terminal = shell("trap 'echo interrupted; exit 130' INT; echo ready; read line");
    terminal.shows("ready").await;
    terminal.presses(Key::CtrlC).await;
    let left = terminal.ended().await.with_code(130);
    assert!(left.screen.contains("interrupted"), "{}", left.screen);
}

#[tokio::test]
#[should_panic(expected = "it kept the cursor hidden")]
async fn a_program_that_leaves_the_terminal_altered_is_caught() {
    shell("printf '\\033[?25l'").ended().await.with_code(0);
}

#[tokio::test]
async fn the_program_finds_a_terminal_on_all_three_streams() {
    let mut terminal = shell("test -t 0 && test -t 1 && test -t 2 && echo \"all, $TERM\"");
    terminal.shows("all, xterm-256color").await;
    let left = Terminal::start(fleet(&["--version"])).ended().await;
    assert!(left.with_code(0).screen.starts_with("fleet "));
}

#[tokio::test]
async fn a_site_starts_its_program_in_a_terminal() {
    let site = Site::unmigrated().await;
    let mut terminal = site.start_in_terminal(&["migrate", "--plan"]);
    terminal.shows("0001").await;
    terminal.ended().await.with_code(0);
}
