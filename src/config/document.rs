//! The file as a tree whose every value knows where it stands, with the environment laid over it.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Environment;
use super::problem::{Place, Problems, Severity};
use super::values::{Fault, fault, suggestion};

/// Tables whose keys are names of the operator's choice. A variable cannot add one: it would be a misspelt one.
const NAMED: [&str; 3] = ["hosts", "roles", "permissions.headers"];

fn is_named(at: &str) -> bool {
    NAMED.contains(&at) || (at.starts_with("hosts.") && at.ends_with(".secrets"))
}

/// A value, its place, and the place of its key.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
    pub(super) key: Place,
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

/// `None` if the text is no TOML; the problems say where.
pub(super) fn parse(text: &str, environment: &Environment, problems: &mut Problems) -> Option<Node> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    // What follows on the line of a fault of syntax is mostly a consequence of it.
    let line = |start: usize| text.get(..start).map(|before| before.matches('\n').count());
    errors.dedup_by_key(|error| error.span().and_then(|span| line(span.start)));
    for error in &errors {
        let place = Place::File(error.span().unwrap_or(0..0));
        let message = format!("this is not TOML: {}", error.message().trim());
        let help = "mend the syntax; the meaning is looked at after that".to_owned();
        problems.add(Severity::Error, &place, "", message, help);
    }
    if !errors.is_empty() {
        return None;
    }
    let mut root = Node::empty(&Place::Nowhere);
    root.value = Value::Table(children(table.get_ref()));
    for (name, value) in environment.overrides() {
        let path: Vec<String> = name.split("__").skip(1).map(str::to_ascii_lowercase).collect();
        let place = Place::Environment(name.to_owned());
        if let Err(Fault { message, help }) = put(&mut root, "", &path, from_environment(value, &place)) {
            problems.add(Severity::Error, &place, &path.join("."), message, help);
        }
    }
    Some(root)
}

impl Node {
    fn empty(place: &Place) -> Self {
        Self { value: Value::Table(BTreeMap::new()), place: place.clone(), key: place.clone() }
    }
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
    Node { value, place, key: Place::File(key.clone()) }
}

fn integer(digits: &str, radix: u32) -> Value {
    i64::from_str_radix(digits, radix).map_or(Value::Other("a number that is too large"), Value::Integer)
}

/// The text as TOML if it is some, else as a string: `VESTIBULE__SERVER__LISTEN=127.0.0.1:0` needs no quotes.
fn from_environment(text: &str, place: &Place) -> Node {
    let document = format!("value = {text}");
    let parsed = DeTable::parse(&document).ok().filter(|table| table.get_ref().len() == 1);
    let found = parsed.and_then(|table| children(table.get_ref()).remove("value"));
    let value = found.map_or_else(|| Value::Text(text.to_owned()), |node| node.value);
    moved(value, place)
}

/// Everything inside a variable stands in the variable.
fn moved(value: Value, place: &Place) -> Node {
    let value = match value {
        Value::List(list) => Value::List(list.into_iter().map(|item| moved(item.value, place)).collect()),
        Value::Table(table) => {
            Value::Table(table.into_iter().map(|(key, item)| (key, moved(item.value, place))).collect())
        }
        plain => plain,
    };
    Node { value, ..Node::empty(place) }
}

/// Lays a value over the tree. Tables on the way are made; what is in the way is replaced, and judged by its reader.
fn put(node: &mut Node, at: &str, path: &[String], value: Node) -> Result<(), Fault> {
    let Some((first, rest)) = path.split_first() else {
        *node = Node { key: node.key.clone(), ..value };
        return Ok(());
    };
    if let Value::List(items) = &mut node.value {
        let (count, index) = (items.len(), first.parse().ok());
        return match index.and_then(|index: usize| items.get_mut(index)) {
            Some(item) => put(item, &format!("{at}[{first}]"), rest, value),
            None => fault(
                format!("there is no {at}[{first}]; {at} has {count} items, counted from 0"),
                "correct the number, or give the whole list in one variable",
            ),
        };
    }
    if !matches!(node.value, Value::Table(_)) {
        *node = Node::empty(&value.place);
    }
    let Value::Table(table) = &mut node.value else { return Ok(()) };
    let key = spelling(table, first);
    if is_named(at) && !table.contains_key(&key) {
        let known: Vec<&String> = table.keys().collect();
        return fault(format!("there is no [{at}.{first}]"), suggestion(first, &known));
    }
    if rest.is_empty() && names_a_secret(&key) {
        table.retain(|other, _| !names_a_secret(other));
        node.place = value.place.clone();
    }
    let Value::Table(table) = &mut node.value else { return Ok(()) };
    let inner = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
    put(table.entry(key).or_insert_with(|| Node::empty(&value.place)), &inner, rest, value)
}

/// A variable's name is all capitals and has no `-`; a name in the file may have both.
fn spelling(table: &BTreeMap<String, Node>, part: &str) -> String {
    let plain = |key: &&String| key.to_ascii_lowercase().replace('-', "_") == part;
    if table.contains_key(part) {
        return part.to_owned();
    }
    table.keys().find(plain).map_or_else(|| part.to_owned(), Clone::clone)
}

/// A secret has one source: naming another in a variable takes the place of the one in the file.
fn names_a_secret(key: &str) -> bool {
    matches!(key, "env" | "file")
}
