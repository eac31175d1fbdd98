//! What is wrong with a configuration, said so that it can be mended.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::json;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
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
pub struct Problem {
    /// Whether anything can be started.
    pub severity: Severity,
    /// The key, such as `server.listen`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
    pub(super) place: Place,
}

/// Everything that is wrong, with the text that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    text: String,
    file: PathBuf,
    list: Vec<Problem>,
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

    /// All of them, in the order of the file.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    pub(super) fn errors(&self) -> usize {
        self.list.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// The warnings as sentences.
    pub(super) fn warnings(&self) -> Vec<String> {
        let warnings = self.list.iter().filter(|problem| problem.severity == Severity::Warning);
        warnings.map(|problem| format!("{}: {} ({})", self.location(problem), problem.message, problem.help)).collect()
    }

    pub(super) fn sorted(mut self) -> Self {
        self.list.sort_by_key(|problem| match &problem.place {
            Place::File(range) => (0, range.start, problem.key.clone()),
            Place::Environment(name) => (1, 0, name.clone()),
            Place::Nowhere => (2, 0, problem.key.clone()),
        });
        self
    }

    /// For programs: a list of objects with `severity`, `file`, `line`, `column`, `key`, `message`, `help`.
    pub fn to_json(&self) -> String {
        let object = |problem: &Problem| {
            let position = self.position(problem);
            json!({
                "severity": word(problem.severity),
                "file": self.file,
                "line": position.map(|(line, _)| line),
                "column": position.map(|(_, column)| column),
                "key": problem.key,
                "message": problem.message,
                "help": problem.help,
            })
        };
        json!({ "problems": self.list.iter().map(object).collect::<Vec<_>>() }).to_string()
    }

    fn position(&self, problem: &Problem) -> Option<(usize, usize)> {
        let Place::File(range) = &problem.place else { return None };
        let before = self.text.get(..range.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some((line, column))
    }

    fn location(&self, problem: &Problem) -> String {
        match (&problem.place, self.position(problem)) {
            (Place::Environment(name), _) => format!("environment: {name}"),
            (_, Some((line, column))) => format!("{}:{line}:{column}", self.file.display()),
            (_, None) => self.file.display().to_string(),
        }
    }

    /// The line, and a mark under the value. Nothing is shown of a line that states a secret.
    fn excerpt(&self, problem: &Problem) -> Option<String> {
        let (Place::File(range), (line, column)) = (&problem.place, self.position(problem)?) else { return None };
        let source = self.text.lines().nth(line - 1)?;
        if states_a_secret(&problem.key) {
            return Some(format!("{line:>4} | (not shown)"));
        }
        let room = source.chars().count().saturating_sub(column - 1).max(1);
        let width = self.text.get(range.clone()).map_or(1, |text| text.chars().count()).clamp(1, room);
        Some(format!("{line:>4} | {source}\n     | {}{}", " ".repeat(column - 1), "^".repeat(width)))
    }
}

fn states_a_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or_default();
    matches!(last, "api_key" | "secret" | "token" | "assertion" | "keys") || last.contains("password")
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
            writeln!(f, "  --> {}", self.location(problem))?;
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
