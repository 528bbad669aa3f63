//! Commands as a person would type them.

use std::fmt::Write as _;

use crate::output::is_hidden;

/// Writes words as a line for a shell, which takes them for exactly these words.
pub(crate) fn line<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let quoted = words.into_iter().map(|word| quote(word.as_ref()));
    quoted.collect::<Vec<_>>().join(" ")
}

fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+@%,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains(is_hidden) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    // What a terminal must not get is named by its number; bash, zsh and ksh read that.
    let mut quoted = "$'".to_owned();
    for c in word.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if is_hidden(c) => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_that_were_meant() {
        let words = [
            "fleet",
            "",
            "it's",
            "a b",
            "$HOME",
            "`x`",
            "--id=-1",
            "a\u{1b}[2J'\\",
            "é*",
        ];
        let line = line(words);
        assert_eq!(
            line,
            r"fleet '' 'it'\''s' 'a b' '$HOME' '`x`' --id=-1 $'a\U0000001b[2J\'\\' 'é*'"
        );
        let script = format!("printf '%s\\0' {line}");
        let Ok(said) = std::process::Command::new("bash")
            .args(["-c", &script])
            .env("LC_ALL", "C.UTF-8")
            .output()
        else {
            // There is no bash here to ask.
            return;
        };
        let said = String::from_utf8(said.stdout).unwrap();
        let read: Vec<&str> = said.trim_end_matches('\0').split('\0').collect();
        assert_eq!(read, words);
    }
}
