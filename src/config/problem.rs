//! What is wrong with a configuration, said so that it can be mended.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::json;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Nothing is started.
    Error,
    /// Probably not meant.
    Warning,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Bytes of the file.
    File(Range<usize>),
    /// An environment variable.
    Environment(String),
    /// Nowhere: it is missing.
    Nowhere,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    severity: Severity,
    /// Such as `server.listen`.
    key: String,
    message: String,
    /// What to do.
    help: String,
    place: Place,
}

/// Everything that is wrong, with the text that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    text: String,
    file: PathBuf,
    list: Vec<Problem>,
}

impl Problem {
    fn variable(&self) -> Option<&str> {
        match &self.place {
            Place::Environment(name) => Some(name),
            Place::File(_) | Place::Nowhere => None,
        }
    }
}

impl Problems {
    pub(super) fn new(text: &str, file: &Path) -> Self {
        Self { text: text.to_owned(), file: file.to_owned(), list: Vec::new() }
    }

    /// A fault before there is a text.
    pub(super) fn general(message: &str, help: &str) -> Self {
        let mut problems = Self::new("", Path::new(""));
        problems.add(Severity::Error, &Place::Nowhere, "", message.to_owned(), help.to_owned());
        problems
    }

    pub(super) fn add(&mut self, severity: Severity, place: &Place, key: &str, message: String, help: String) {
        self.list.push(Problem { severity, key: key.to_owned(), message, help, place: place.clone() });
    }

    pub(super) fn errors(&self) -> usize {
        self.list.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// The warnings as sentences.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.all(Severity::Warning)
    }

    /// What has to be mended, each as one sentence with its place and remedy.
    pub fn sentences(&self) -> Vec<String> {
        self.all(Severity::Error)
    }

    fn all(&self, severity: Severity) -> Vec<String> {
        let list = self.list.iter().filter(|problem| problem.severity == severity);
        let place = |problem| self.location(problem).map(|place| format!("{place}: ")).unwrap_or_default();
        list.map(|problem| format!("{}{} ({})", place(problem), problem.message, problem.help)).collect()
    }

    pub(super) fn sorted(mut self) -> Self {
        self.list.sort_by_key(|problem| match &problem.place {
            Place::File(range) => (0, range.start, problem.key.clone()),
            Place::Environment(name) => (1, 0, name.clone()),
            Place::Nowhere => (2, 0, problem.key.clone()),
        });
        self
    }

    /// For programs: a list of objects with `severity`, `file`, `line`, `column`, `variable`, `key`, `message`, `help`.
    /// A problem of an environment variable has its name and no line.
    pub fn to_json(&self) -> String {
        let object = |problem: &Problem| {
            let position = self.position(&problem.place);
            let file = problem.variable().is_none().then_some(&self.file);
            json!({
                "severity": word(problem.severity),
                "file": file,
                "line": position.map(|(line, _)| line),
                "column": position.map(|(_, column)| column),
                "variable": problem.variable(),
                "key": problem.key,
                "message": problem.message,
                "help": problem.help,
            })
        };
        json!({ "problems": self.list.iter().map(object).collect::<Vec<_>>() }).to_string()
    }

    /// The line of a place, to be named in another problem.
    pub(super) fn line(&self, place: &Place) -> Option<usize> {
        self.position(place).map(|(line, _)| line)
    }

    fn position(&self, place: &Place) -> Option<(usize, usize)> {
        let Place::File(range) = place else { return None };
        let before = self.text.get(..range.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some((line, column))
    }

    /// `None` where there is not even a file.
    fn location(&self, problem: &Problem) -> Option<String> {
        if let Some(name) = problem.variable() {
            return Some(format!("environment: {name}"));
        }
        let file = self.file.display();
        let position = self.position(&problem.place).map(|(line, column)| format!("{file}:{line}:{column}"));
        position.or_else(|| (!self.file.as_os_str().is_empty()).then(|| file.to_string()))
    }

    /// The line, and a mark under the value. What stands beside the value may be a secret, so it is shown as dots.
    fn excerpt(&self, problem: &Problem) -> Option<String> {
        let (Place::File(range), (line, column)) = (&problem.place, self.position(&problem.place)?) else {
            return None;
        };
        let source = self.text.lines().nth(line - 1)?;
        let room = source.chars().count().saturating_sub(column - 1).max(1);
        let width = self.text.get(range.clone()).map_or(1, |text| text.chars().count()).clamp(1, room);
        // Without a key this is a fault of syntax, and nobody knows what the value would have been; a whole list or table
        // may hold a secret somewhere.
        let is_whole = self.text.get(range.clone()).is_some_and(|text| text.starts_with(['[', '{']));
        let hidden = problem.key.is_empty() || is_whole || states_a_secret(&problem.key);
        let marked = if hidden { 0..0 } else { column - 1..column - 1 + width };
        let shown = dotted(source, &marked);
        Some(format!("{line:>4} | {shown}\n     | {}{}", " ".repeat(column - 1), "^".repeat(width)))
    }
}

/// Behind the first `=`, letters and digits outside of the range become dots; without a `=`, all outside of it do.
fn dotted(line: &str, shown: &Range<usize>) -> String {
    let keys_end = line.find('=').map_or(0, |at| line[..at].chars().count());
    let is_header = line.trim_start().starts_with('[') && !line.contains(['"', '\'', '=']);
    let dot = |(at, c): (usize, char)| {
        let open = at < keys_end || is_header || shown.contains(&at) || !c.is_alphanumeric();
        if open { c } else { '·' }
    };
    line.chars().enumerate().map(dot).collect()
}

fn states_a_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or_default();
    let name = name.split('[').next().unwrap_or_default();
    matches!(name, "api_key" | "secret" | "token" | "assertion" | "keys") || name.contains("password")
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(f, "{}: {}", word(problem.severity), problem.message)?;
            if let Some(location) = self.location(problem) {
                writeln!(f, "  --> {location}")?;
            }
            if let Some(excerpt) = self.excerpt(problem) {
                writeln!(f, "{excerpt}")?;
            }
            writeln!(f, "  help: {}\n", problem.help)?;
        }
        let (errors, warnings) = (self.errors(), self.list.len() - self.errors());
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        write!(f, "{errors} error{}, {warnings} warning{}; nothing was started", plural(errors), plural(warnings))
    }
}

impl std::error::Error for Problems {}
