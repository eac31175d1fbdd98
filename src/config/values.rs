//! How one value is read, and what is said of one that is something else.

use std::net::SocketAddr;
use std::time::Duration;

use super::document::{Node, Value};
use super::units;
use crate::access::Origin;

/// What a value should have been.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: String,
}

pub(super) fn fault<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { message: message.into(), help: help.into() })
}

/// The nearest of the words that would have been right.
pub(super) fn suggestion(given: &str, known: &[impl AsRef<str>]) -> String {
    let distance = |word: &str| strsim::damerau_levenshtein(given, word);
    let nearest = known.iter().map(AsRef::as_ref).min_by_key(|word| distance(word));
    // Part of a name is nearer to short names that have nothing to do with it.
    let longer = known.iter().map(AsRef::as_ref).filter(|word| given.len() > 2 && word.contains(given));
    let longer: Vec<_> = longer.map(|word| format!("`{word}`")).collect();
    match nearest {
        Some(word) if distance(word) <= 2.max(word.len() / 3) => format!("did you mean `{word}`?"),
        Some(_) if !longer.is_empty() => format!("did you mean {}?", longer.join(" or ")),
        Some(_) => {
            let mut words: Vec<_> = known.iter().map(|word| format!("`{}`", word.as_ref())).collect();
            words.sort();
            words.dedup();
            format!("known are {}", words.join(", "))
        }
        None => "remove it".to_owned(),
    }
}

pub(super) fn text(node: &Node) -> Result<String, Fault> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        other => fault(format!("must be a string, not {}", other.kind()), "put it into quotes"),
    }
}

/// Text where nothing would mean nothing, such as a name that is compared.
pub(super) fn filled(node: &Node) -> Result<String, Fault> {
    let written = text(node)?;
    if written.is_empty() { fault("is empty", "write what it is") } else { Ok(written) }
}

pub(super) fn boolean(node: &Node) -> Result<bool, Fault> {
    match &node.value {
        Value::Boolean(flag) => Ok(*flag),
        other => fault(format!("must be true or false, not {}", other.kind()), "write true or false, without quotes"),
    }
}

/// A whole number within bounds.
pub(super) fn number(least: u64, most: u64) -> impl Fn(&Node) -> Result<u64, Fault> {
    move |node| match &node.value {
        Value::Integer(number) => match u64::try_from(*number) {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => fault(format!("{number} is out of range"), format!("write a number from {least} to {most}")),
        },
        other => {
            fault(format!("must be a number, not {}", other.kind()), format!("write a number from {least} to {most}"))
        }
    }
}

/// A duration within bounds.
pub(super) fn duration(least: Duration, most: Duration) -> impl Fn(&Node) -> Result<Duration, Fault> {
    move |node| {
        let written = text(node)?;
        let help = format!("write a time from {} to {}, such as \"30s\"", units::show(least), units::show(most));
        match units::duration(&written) {
            Some(span) if (least..=most).contains(&span) => Ok(span),
            Some(_) => fault(format!("`{written}` is out of range"), help),
            None => fault(format!("`{written}` is no duration"), help),
        }
    }
}

/// A size of at least one byte.
pub(super) fn size(node: &Node) -> Result<u64, Fault> {
    let help = "write a size such as \"32KiB\" or \"10MiB\"";
    let bytes = match &node.value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        _ => units::size(&text(node)?),
    };
    bytes.filter(|bytes| *bytes > 0).map_or_else(|| fault("this is no size", help), Ok)
}

/// Bytes in a second.
pub(super) fn pace(node: &Node) -> Result<u64, Fault> {
    let written = text(node)?;
    let help = "write a size per second, such as \"1KiB/s\"";
    units::pace(&written).map_or_else(|| fault(format!("`{written}` is no pace"), help), Ok)
}

pub(super) fn address(node: &Node) -> Result<SocketAddr, Fault> {
    let written = text(node)?;
    written.parse().or_else(|_| {
        fault(format!("`{written}` is no address"), "write an IP address and a port, such as \"127.0.0.1:8080\"")
    })
}

pub(super) fn origin(node: &Node) -> Result<Origin, Fault> {
    let written = text(node)?;
    Origin::parse(&written).or_else(|error| fault(format!("`{written}` is no origin"), error.to_string()))
}

/// One of a few words.
pub(super) fn word<T: Copy>(choices: &'static [(&'static str, T)]) -> impl Fn(&Node) -> Result<T, Fault> {
    move |node| {
        let written = text(node)?;
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let found = choices.iter().find(|(word, _)| *word == written).map(|(_, value)| *value);
        found.map_or_else(|| fault(format!("`{written}` is not understood"), suggestion(&written, &words)), Ok)
    }
}

/// A key whose other values are planned.
pub(super) fn only<T: PartialEq>(
    read: impl Fn(&Node) -> Result<T, Fault>,
    available: T,
    written: &'static str,
) -> impl Fn(&Node) -> Result<T, Fault> {
    move |node| {
        let value = read(node)?;
        if value == available {
            Ok(value)
        } else {
            fault("this is not available in this version", format!("write {written}, or leave the key out"))
        }
    }
}
