//! Reads tables key by key, notes what was asked for, and complains about the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Environment;
use super::document::{Node, Value};
use super::files::Files;
use super::problem::{Place, Problems, Severity};
use super::values::{Fault, fault, suggestion};
use crate::secret::Secret;

/// Collects problems, and knows where secrets and files come from.
pub(super) struct Reader<'e> {
    environment: &'e Environment,
    folder: PathBuf,
    files: Files,
    problems: Problems,
    /// Every key that was asked for, whether it was there or not.
    #[cfg(test)]
    pub(super) asked: std::collections::BTreeSet<String>,
}

/// One table that is being read.
pub(super) struct Table<'d> {
    pub(super) path: String,
    pub(super) place: Place,
    entries: BTreeMap<&'d str, &'d Node>,
    asked: Vec<&'static str>,
}

impl<'e> Reader<'e> {
    pub(super) fn new(environment: &'e Environment, folder: &Path, problems: Problems) -> Self {
        Self {
            environment,
            folder: folder.to_owned(),
            files: Files::default(),
            problems,
            #[cfg(test)]
            asked: std::collections::BTreeSet::new(),
        }
    }

    /// How many there are so far: what depends on values that are in disorder says nothing of its own.
    pub(super) fn errors(&self) -> usize {
        self.problems.errors()
    }

    pub(super) fn line(&self, place: &Place) -> Option<usize> {
        self.problems.line(place)
    }

    /// Goes on with a list of files that was begun before.
    pub(super) fn noting(mut self, files: Files) -> Self {
        self.files = files;
        self
    }

    /// What is wrong, and every file that was looked at.
    pub(super) fn into_parts(self) -> (Problems, Files) {
        (self.problems, self.files)
    }

    pub(super) fn root<'d>(&mut self, document: &'d Node) -> Table<'d> {
        self.table(String::new(), document).unwrap_or(Table {
            path: String::new(),
            place: Place::Nowhere,
            entries: BTreeMap::new(),
            asked: Vec::new(),
        })
    }

    pub(super) fn error(&mut self, place: &Place, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.problems.add(Severity::Error, place, key, message.into(), help.into());
    }

    pub(super) fn warning(&mut self, place: &Place, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.problems.add(Severity::Warning, place, key, message.into(), help.into());
    }

    pub(super) fn fault(&mut self, place: &Place, key: &str, fault: Fault) {
        self.error(place, key, format!("{key}: {}", fault.message), fault.help);
    }

    fn table<'d>(&mut self, path: String, node: &'d Node) -> Option<Table<'d>> {
        let Value::Table(entries) = &node.value else {
            let message = format!("{path}: must be a table, not {}", node.value.kind());
            self.error(&node.place, &path, message, format!("write [{path}] on a line of its own"));
            return None;
        };
        let entries = entries.iter().map(|(key, value)| (key.as_str(), value)).collect();
        Some(Table { path, place: node.place.clone(), entries, asked: Vec::new() })
    }

    /// A secret from a variable or a file; a plain string would end up in version control.
    pub(super) fn secret(&mut self, node: &Node) -> Result<Secret, Fault> {
        let help = "write { env = \"NAME\" } or { file = \"path\" }";
        let Value::Table(table) = &node.value else {
            return fault("a secret is named here, not written out", help);
        };
        let source = table.iter().next().filter(|_| table.len() == 1).map(|(key, value)| (key.as_str(), &value.value));
        let secret = match source {
            Some(("env", Value::Text(name))) => match self.environment.get(name) {
                Some(value) => Secret::from(value.trim_end_matches(['\r', '\n'])),
                None => {
                    return fault(
                        format!("the variable {name} is not set"),
                        format!("set {name}, or use {{ file = \"path\" }}"),
                    );
                }
            },
            Some(("file", Value::Text(name))) => self.secret_file(node, name)?,
            _ => return fault("a secret is named by exactly one of `env` and `file`", help),
        };
        if secret.expose().is_empty() { fault("the secret is empty", help) } else { Ok(secret) }
    }

    /// Where a file is that the configuration names: paths count from the configuration's folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file that the configuration names. A change of it is a change of the configuration. Its content may be a secret.
    pub(super) fn file(&mut self, name: &str) -> Result<(PathBuf, Secret), Fault> {
        let path = self.folder.join(name);
        self.files.note(&path);
        match std::fs::read(&path) {
            Ok(bytes) => Ok((path, Secret::new(bytes))),
            Err(error) => fault(
                format!("{} cannot be read: {error}", path.display()),
                "check the path; it counts from the configuration's folder",
            ),
        }
    }

    fn secret_file(&mut self, node: &Node, name: &str) -> Result<Secret, Fault> {
        let (path, text) = self.file(name)?;
        if readable_by_everyone(&path) {
            let message = format!("{} can be read by everyone on this machine", path.display());
            self.warning(&node.place, "", message, format!("chmod 0400 {}", path.display()));
        }
        match text.expose_str() {
            Some(text) => Ok(Secret::from(text.trim_end_matches(['\r', '\n']))),
            None => {
                fault(format!("{} is not text", path.display()), "write the secret as text; keys as hex digits or PEM")
            }
        }
    }
}

impl<'d> Table<'d> {
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key, which is known from now on.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'d Node> {
        self.asked.push(key);
        self.entries.get(key).copied()
    }

    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        reader: &mut Reader<'_>,
        read: impl FnOnce(&Node) -> Result<T, Fault>,
    ) -> Option<T> {
        let node = self.node(key)?;
        match read(node) {
            Ok(value) => Some(value),
            Err(fault) => {
                reader.fault(&node.place, &self.key(key), fault);
                None
            }
        }
    }

    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        reader: &mut Reader<'_>,
        read: impl FnOnce(&Node) -> Result<T, Fault>,
    ) -> T {
        self.optional(key, reader, read).unwrap_or(default)
    }

    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        reader: &mut Reader<'_>,
        read: impl FnOnce(&Node) -> Result<T, Fault>,
    ) -> Option<T> {
        if !self.entries.contains_key(key) {
            self.asked.push(key);
            let path = self.key(key);
            reader.error(&self.place, &path, format!("{path} is missing"), format!("write {key} = {example}"));
            return None;
        }
        self.optional(key, reader, read)
    }

    /// A key that is planned.
    pub(super) fn not_yet(&mut self, key: &'static str, reader: &mut Reader<'_>) {
        let _: Option<()> =
            self.optional(key, reader, |_| fault("this is not available in this version", "leave the key out"));
    }

    /// A secret that must be there; `example` is the variable that a remedy names.
    pub(super) fn secret(&mut self, key: &'static str, example: &str, reader: &mut Reader<'_>) -> Option<Secret> {
        let Some(node) = self.node(key) else {
            let path = self.key(key);
            let help = format!("write {key} = {{ env = \"{example}\" }}");
            reader.error(&self.place, &path, format!("{path} is missing"), help);
            return None;
        };
        match reader.secret(node) {
            Ok(secret) => Some(secret),
            Err(fault) => {
                reader.fault(&node.place, &self.key(key), fault);
                None
            }
        }
    }

    /// Secrets under names of the operator's choice, each with its place.
    pub(super) fn secrets(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Vec<(String, Place, Secret)> {
        let all = self.table(key, reader);
        #[cfg(test)]
        reader.asked.insert(all.key("*"));
        let mut secrets = Vec::new();
        for (name, node) in &all.entries {
            match reader.secret(node) {
                Ok(secret) => secrets.push(((*name).to_owned(), node.place.clone(), secret)),
                Err(fault) => reader.fault(&node.place, &all.key(name), fault),
            }
        }
        secrets
    }

    /// A table inside this one; an empty one if it is left out.
    pub(super) fn table(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Table<'d> {
        let path = self.key(key);
        let given = self.node(key).and_then(|node| reader.table(path.clone(), node));
        given.unwrap_or(Table { path, place: Place::Nowhere, entries: BTreeMap::new(), asked: Vec::new() })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where a key's value stands; the table's own place if it is left out.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.entries.get(key).map_or(&self.place, |node| &node.place).clone()
    }

    /// A list whose items are read alike, each with its own problems.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        reader: &mut Reader<'_>,
        read: impl Fn(&Node) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let items = self.optional(key, reader, |node| match &node.value {
            Value::List(items) => Ok(items.clone()),
            other => fault(format!("must be a list, not {}", other.kind()), "write [\"one\", \"two\"]"),
        })?;
        let path = self.key(key);
        let mut read_items = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match read(item) {
                Ok(value) => read_items.push(value),
                Err(fault) => reader.fault(&item.place, &format!("{path}[{index}]"), fault),
            }
        }
        (read_items.len() == items.len()).then_some(read_items)
    }

    /// `[[key]]`, in order.
    pub(super) fn tables(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Vec<Table<'d>> {
        let path = self.key(key);
        match self.node(key).map(|node| (&node.value, &node.place)) {
            None => Vec::new(),
            Some((Value::List(list), _)) => {
                let item = |(index, node): (usize, &'d Node)| reader.table(format!("{path}[{index}]"), node);
                list.iter().enumerate().filter_map(item).collect()
            }
            Some((other, place)) => {
                let message = format!("{path}: must be a list of tables, not {}", other.kind());
                reader.error(place, &path, message, format!("write [[{path}]] on a line of its own for each"));
                Vec::new()
            }
        }
    }

    /// `[key.NAME]` for names of the operator's choice.
    pub(super) fn named_tables(&mut self, key: &'static str, reader: &mut Reader<'_>) -> Vec<(&'d str, Table<'d>)> {
        let all = self.table(key, reader);
        let path = all.path;
        all.entries
            .iter()
            .filter_map(|(name, node)| Some((*name, reader.table(format!("{path}.{name}"), node)?)))
            .collect()
    }

    /// Complains about every key that nobody asked for.
    pub(super) fn finish(self, reader: &mut Reader<'_>) {
        #[cfg(test)]
        reader.asked.extend(self.asked.iter().map(|key| self.key(key)));
        for (name, node) in &self.entries {
            if !self.asked.contains(name) {
                let path = self.key(name);
                let section =
                    if self.path.is_empty() { "the configuration".to_owned() } else { format!("[{}]", self.path) };
                reader.error(&node.key, &path, format!("{section} has no key `{name}`"), suggestion(name, &self.asked));
            }
        }
    }
}

#[cfg(unix)]
fn readable_by_everyone(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_everyone(_: &Path) -> bool {
    false
}
