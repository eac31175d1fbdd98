//! What a page shows below a command is what the command prints: each line as a whole, in this order, others between them.

use std::fs;

use super::{as_run, blocks, complain, pages, shell, write_files};

/// A command, and the lines that the page shows below it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    command: String,
    lines: Vec<String>,
}

fn shown(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    for block in blocks(text).into_iter().filter(|block| block.info == "console") {
        for line in block.body.replace("\\\n", " ").lines() {
            match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(command), _) => found.push(Shown { command: command.into(), lines: Vec::new() }),
                (None, last) => last.expect("a command is above").lines.push(line.into()),
            }
        }
    }
    found
}

/// Runs everything but servers; what the command of index `N` prints goes to the file `N`.
fn script(all: &[Shown]) -> String {
    let line = |(index, one): (usize, &Shown)| match as_run(&one.command) {
        Ok(Some(line)) if line.starts_with("export ") => line,
        Ok(Some(line)) if line.starts_with("vestibule ") => format!("{line} >{index}"),
        _ => String::new(),
    };
    let lines: Vec<String> = all.iter().enumerate().map(line).collect();
    ["set -euo pipefail\n", &lines.join("\n"), "\n"].concat()
}

/// The first line that is not printed, or not in its place.
fn first_missing<'a>(lines: &'a [String], output: &str) -> Option<&'a str> {
    let mut printed = output.lines();
    lines.iter().find(|line| !printed.any(|one| one == line.as_str())).map(String::as_str)
}

#[test]
fn what_a_page_shows_of_an_answer_is_what_is_printed() {
    let mut compared = 0;
    for page in pages() {
        let all = shown(&page.text);
        if all.iter().all(|one| one.lines.is_empty()) {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        write_files(&page, folder.path());
        complain(&shell(&script(&all), folder.path()), &page.name);
        for (index, one) in all.iter().enumerate().filter(|(_, one)| !one.lines.is_empty()) {
            let printed = fs::read_to_string(folder.path().join(index.to_string())).unwrap_or_default();
            let missing = first_missing(&one.lines, &printed);
            assert_eq!(missing, None, "{}: {} prints\n{printed}", page.name, one.command);
            compared += 1;
        }
    }
    assert!(compared > 15, "only {compared} answers are compared");
}

#[test]
fn an_answer_that_is_not_printed_is_noticed() {
    let all = shown("```console\n$ vestibule a\none\ntwo\n$ export B=c\n```\n```toml\nx = 1\n```\n");
    let first = Shown { command: "vestibule a".into(), lines: vec!["one".into(), "two".into()] };
    assert_eq!(all, [first, Shown { command: "export B=c".into(), lines: Vec::new() }]);
    assert_eq!(script(&all), "set -euo pipefail\nvestibule a >0\nexport B=c\n");
    let lines = &all[0].lines;
    assert_eq!(first_missing(lines, "zero\none\nbetween\ntwo\n"), None);
    assert_eq!(first_missing(lines, "two\none\n"), Some("two"));
    assert_eq!(first_missing(lines, "one two\n"), Some("one"));
}
