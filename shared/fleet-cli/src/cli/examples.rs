//! Every example in the help is a command line of this program.

use clap::CommandFactory as _;

use super::{Cli, with_name};

const NAME: &str = "shop";

/// Returns all examples, with the command they stand at.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string);
    let lines = help.iter().flat_map(|help| help.lines());
    let of_help = lines.filter(|line| line.starts_with("  "));
    let below = command.get_subcommands().flat_map(examples);
    of_help.map(str::to_owned).chain(below).collect()
}

/// Splits a line as a shell would, as far as examples need it: quotes, and nothing inside them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Returns what our program is given: what stands before a pipe or behind a redirection is not ours.
fn arguments(line: &str) -> Vec<String> {
    let words = words(line);
    let own = words
        .split(|word| word == "|")
        .find(|part| part.first().is_some_and(|word| word == NAME));
    let own = own.unwrap_or_default().iter();
    own.take_while(|word| !word.starts_with(['>', '<']))
        .cloned()
        .collect()
}

fn check(line: clap::Command) {
    let line = with_name(line, NAME);
    let examples = examples(&line);
    assert!(examples.len() > 10, "{examples:?}");
    for example in examples {
        let arguments = arguments(&example);
        assert!(
            !arguments.is_empty(),
            "`{example}` does not name the program"
        );
        if let Err(error) = line.clone().try_get_matches_from(arguments) {
            panic!("`{example}` cannot be typed: {error}");
        }
    }
}

#[test]
fn every_example_can_be_typed() {
    check(Cli::command());
}

#[cfg(feature = "dev")]
#[test]
fn every_example_with_a_front_door_can_be_typed() {
    check(crate::dev::with_intake(Cli::command(), "orders"));
}

#[test]
fn examples_are_split_as_a_shell_does() {
    let line = "  make it | shop pause a --reason 'two words' --for \"1h\" > file";
    let expected = ["shop", "pause", "a", "--reason", "two words", "--for", "1h"];
    assert_eq!(arguments(line), expected);
    assert!(arguments("  make it").is_empty());
}
