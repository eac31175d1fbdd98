//! Just enough of a reader of Rust: tokens without comments, strings and test code, and the paths among them.

/// One file, read.
pub(super) struct Source {
    /// Path from the root of the repository.
    pub(super) name: String,
    text: String,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    line: usize,
}

/// A path into this crate.
pub(super) struct CratePath {
    /// Where it stands.
    pub(super) line: usize,
    /// Its names, without `crate`.
    pub(super) segments: Vec<String>,
}

impl Source {
    /// Reads a file's text.
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), tokens: without_tests(&tokens(text)) }
    }

    /// The module right below the crate that the file belongs to.
    pub(super) fn module(&self) -> &str {
        let path = self.name.strip_prefix("src/").unwrap_or(&self.name);
        path.split(['/', '.']).next().unwrap_or_default()
    }

    /// How many modules deep the file is: 1 for `src/a.rs`, 2 for `src/a/b.rs`; 0 for the crate's root.
    fn depth(&self) -> usize {
        if matches!(self.module(), "lib" | "main") { 0 } else { self.name.matches('/').count() }
    }

    /// The text up to the tests at the end of the file.
    pub(super) fn text_without_tests(&self) -> &str {
        self.text.find("\n#[cfg(test)]\nmod ").map_or(&self.text, |end| &self.text[..end])
    }

    /// How many lines are not tests.
    pub(super) fn lines_without_tests(&self) -> usize {
        self.text_without_tests().lines().count()
    }

    fn word(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| token.text.as_str())
    }

    fn reads(&self, index: usize, pattern: &[&str]) -> bool {
        pattern.iter().enumerate().all(|(offset, word)| self.word(index + offset) == *word)
    }
}

/// Whether a text is a lower-case name such as `not_routed`.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// Lines in which the tokens of a pattern follow each other. Lifetimes are skipped, and so is the way to a type's name:
/// `&'a mut http::HeaderMap` is `& mut HeaderMap`.
pub(super) fn find(source: &Source, pattern: &[&str]) -> Vec<usize> {
    (0..source.tokens.len())
        .filter(|&start| matches_at(source, start, pattern))
        .map(|start| source.tokens[start].line)
        .collect()
}

fn matches_at(source: &Source, start: usize, pattern: &[&str]) -> bool {
    let mut at = start;
    for (index, wanted) in pattern.iter().enumerate() {
        while index > 0 && source.word(at).starts_with('\'') {
            at += 1;
        }
        // A qualified type: skip `http::request::` before the name that is wanted.
        while index > 0 && *wanted != "::" && source.word(at) != *wanted && source.word(at + 1) == "::" {
            at += 2;
        }
        if source.word(at) != *wanted {
            return false;
        }
        at += 1;
    }
    true
}

/// Where a struct of this name is made: `Name {` that is not a definition, an `impl` or a function's return type.
pub(super) fn literals(source: &Source, name: &str) -> Vec<String> {
    let is_literal = |&index: &usize| {
        let before = if index == 0 { "" } else { source.word(index - 1) };
        source.reads(index, &[name, "{"]) && !matches!(before, "struct" | "impl" | "for" | "->" | "enum")
    };
    let found = (0..source.tokens.len()).filter(is_literal);
    found.map(|index| format!("{}:{}", source.name, source.tokens[index].line)).collect()
}

/// What `#[derive(…)]` gives the struct of this name.
pub(super) fn derives(source: &Source, name: &str) -> Vec<String> {
    let Some(at) = (0..source.tokens.len()).find(|&index| source.reads(index, &["struct", name])) else {
        return Vec::new();
    };
    let before = source.tokens[..at].iter().rev();
    let attributes: Vec<String> =
        before.take_while(|token| !matches!(token.text.as_str(), ";" | "}")).map(|token| token.text.clone()).collect();
    if attributes.iter().any(|word| word == "derive") { attributes } else { Vec::new() }
}

/// Every path into this crate: after `crate::`, after the crate's own name in `main`, and after enough `super::`.
pub(super) fn paths(source: &Source) -> Vec<CratePath> {
    let mut found = Vec::new();
    let mut inner_modules: Vec<usize> = Vec::new();
    let mut braces = 0_usize;
    let mut at = 0;
    while at < source.tokens.len() {
        match source.word(at) {
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                inner_modules.retain(|&opened_at| opened_at < braces);
            }
            "mod" if source.word(at + 2) == "{" => inner_modules.push(braces),
            "super" if source.word(at + 1) == "::" && (at == 0 || source.word(at - 1) != "::") => {
                let mut ups = 0;
                while source.reads(at, &["super", "::"]) {
                    ups += 1;
                    at += 2;
                }
                if ups >= source.depth() + inner_modules.len() {
                    tree(source, at, &[], &mut found);
                }
                continue;
            }
            "crate" if source.word(at + 1) == "::" => {
                tree(source, at + 2, &[], &mut found);
            }
            "vestibule" if source.word(at + 1) == "::" && source.module() == "main" => {
                tree(source, at + 2, &[], &mut found);
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads `a::b`, `a::{b, c::d}` or `{a, b}` from a token on, and returns where it ends.
fn tree(source: &Source, start: usize, prefix: &[String], found: &mut Vec<CratePath>) -> usize {
    let mut segments = prefix.to_vec();
    let mut at = start;
    loop {
        let word = source.word(at);
        if word == "{" {
            return group(source, at + 1, &segments, found);
        }
        if !word.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '*') {
            break;
        }
        if word != "self" {
            segments.push(word.to_owned());
        }
        at += 1;
        if source.word(at) != "::" {
            break;
        }
        at += 1;
    }
    if !segments.is_empty() {
        found.push(CratePath { line: source.tokens[start.min(source.tokens.len() - 1)].line, segments });
    }
    at
}

fn group(source: &Source, start: usize, prefix: &[String], found: &mut Vec<CratePath>) -> usize {
    let mut at = start;
    while at < source.tokens.len() && source.word(at) != "}" {
        at = tree(source, at, prefix, found);
        while !matches!(source.word(at), "," | "}" | "") {
            at += 1; // `as name`
        }
        if source.word(at) == "," {
            at += 1;
        }
    }
    at + 1
}

/// Drops every item under `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let marked =
            MARK.iter().enumerate().all(|(offset, word)| tokens.get(at + offset).is_some_and(|t| t.text == *word));
        if marked {
            at = end_of_item(tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The token after an item: after its closing brace, or after `;` where it has none.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth <= 1 => return index + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let end = at + token_length(&text[at..]).max(1);
        let piece = &text[at..end];
        let is_code = !piece.trim().is_empty() && !piece.starts_with("//") && !piece.starts_with("/*");
        if is_code && !piece.contains('"') {
            found.push(Token { text: piece.to_owned(), line });
        }
        line += piece.matches('\n').count();
        at = end;
    }
    found
}

/// Length of the comment, string, character, lifetime, word or sign that a text begins with.
fn token_length(text: &str) -> usize {
    let first = text.chars().next().unwrap_or(' ');
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return comment_length(text);
    }
    if let Some(length) = raw_string_length(text) {
        return length;
    }
    if first == '"' || text.starts_with("b\"") {
        return string_length(text);
    }
    if first == '\'' {
        return character_length(text);
    }
    if first.is_alphanumeric() || first == '_' {
        return text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    }
    if text.starts_with("::") || text.starts_with("->") { 2 } else { first.len_utf8() }
}

fn comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn raw_string_length(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = rest.bytes().take_while(|&b| b == b'#').count();
    let body = rest[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |end| end + close.len());
    Some(text.len() - body.len() + end)
}

fn string_length(text: &str) -> usize {
    let start = text.find('"').unwrap_or(0) + 1;
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(start) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// `'a'` and `'\n'` are characters, `'a` is a lifetime.
fn character_length(text: &str) -> usize {
    let mut rest = text.char_indices().skip(1);
    match rest.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(text.len(), |end| end + 4),
        Some((_, _)) => match rest.next() {
            Some((end, '\'')) => end + 1,
            _ => 1 + text[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len() - 1),
        },
        None => 1,
    }
}
