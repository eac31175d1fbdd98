//! The file as a tree whose every value knows where it stands, with the environment laid over it.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Environment;
use super::problem::{Place, Problems, Severity};

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// A kind of value that no key has.
    Other(&'static str),
}

impl Value {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// `None` if the text is no TOML; the problem says where.
pub(super) fn parse(text: &str, environment: &Environment, problems: &mut Problems) -> Option<Node> {
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let place = Place::File(error.span().unwrap_or(0..0));
            let message = format!("this is not TOML: {}", error.message().trim());
            problems.add(
                Severity::Error,
                &place,
                "",
                message,
                "mend the syntax; nothing behind it was looked at".into(),
            );
            return None;
        }
    };
    let mut root = Node { place: Place::Nowhere, value: Value::Table(children(table.get_ref())) };
    for (name, value) in environment.overrides() {
        let path: Vec<String> = name.split("__").skip(1).map(str::to_ascii_lowercase).collect();
        put(&mut root, &path, from_environment(name, value));
    }
    Some(root)
}

fn children(table: &DeTable<'_>) -> BTreeMap<String, Node> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), node(value, &key.span()))).collect()
}

/// Tables are pointed at by their key, since their own span may be the whole file.
fn node(value: &Spanned<DeValue<'_>>, key: &std::ops::Range<usize>) -> Node {
    let item = |item: &Spanned<DeValue<'_>>| node(item, &item.span());
    let own = Place::File(value.span());
    let (value, place) = match value.get_ref() {
        DeValue::String(text) => (Value::Text(text.to_string()), own),
        DeValue::Integer(number) => (integer(number.as_str(), number.radix()), own),
        DeValue::Boolean(flag) => (Value::Boolean(*flag), own),
        DeValue::Float(_) => (Value::Other("a fraction"), own),
        DeValue::Datetime(_) => (Value::Other("a date"), own),
        DeValue::Array(list) => (Value::List(list.iter().map(item).collect()), Place::File(key.clone())),
        DeValue::Table(table) => (Value::Table(children(table)), Place::File(key.clone())),
    };
    Node { value, place }
}

fn integer(digits: &str, radix: u32) -> Value {
    i64::from_str_radix(digits, radix).map_or(Value::Other("a number that is too large"), Value::Integer)
}

/// The text as TOML if it is some, else as a string: `VESTIBULE__SERVER__LISTEN=127.0.0.1:0` needs no quotes.
fn from_environment(name: &str, text: &str) -> Node {
    let place = Place::Environment(name.to_owned());
    let document = format!("value = {text}");
    let parsed = DeTable::parse(&document).ok().filter(|table| table.get_ref().len() == 1);
    let found = parsed.and_then(|table| children(table.get_ref()).remove("value"));
    let value = found.map_or_else(|| Value::Text(text.to_owned()), |node| node.value);
    moved(Node { value, place: place.clone() }, &place)
}

/// Everything inside a variable stands in the variable.
fn moved(node: Node, place: &Place) -> Node {
    let value = match node.value {
        Value::List(list) => Value::List(list.into_iter().map(|item| moved(item, place)).collect()),
        Value::Table(table) => Value::Table(table.into_iter().map(|(key, item)| (key, moved(item, place))).collect()),
        plain => plain,
    };
    Node { value, place: place.clone() }
}

fn put(node: &mut Node, path: &[String], value: Node) {
    let Some((first, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if !matches!(node.value, Value::Table(_)) {
        *node = Node { value: Value::Table(BTreeMap::new()), place: value.place.clone() };
    }
    if let Value::Table(table) = &mut node.value {
        let empty = Node { value: Value::Table(BTreeMap::new()), place: value.place.clone() };
        put(table.entry(first.clone()).or_insert(empty), rest, value);
    }
}
