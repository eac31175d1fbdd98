//! Path patterns of routes: literals, `{name}` for one segment, `/**` for this path and everything below.

use std::fmt;

use super::target::{Target, canonical_segment};

/// A path pattern, its literals in canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
    /// Ends in `/**`.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Name(String),
}

/// How specific a pattern is, without the names of its parameters. Smaller = more specific; equal = the same paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    End,
    Literal(String),
    Name,
    Rest,
}

/// Why a text is not a path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not a path.
    #[error("a path pattern begins with `/`")]
    NotAbsolute,
    /// Something other than a whole segment or a final `/**`.
    #[error("`*` is only understood as `/**` at the end, and `{{name}}` only as a whole segment")]
    Wildcard,
    /// A literal that no canonical target can have.
    #[error("segment `{0}` can never match: empty, `.`, `..`, or holding a character that a path cannot have")]
    Segment(String),
    /// The same name twice.
    #[error("`{{{0}}}` stands twice")]
    DuplicateName(String),
    /// Ours.
    #[error("paths below `/.vestibule/` belong to the gateway and never reach the app")]
    Reserved,
}

impl PathPattern {
    /// Reads a pattern such as `/projects/{project}/**`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let rest = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
        let (rest, open) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(head) => (head.strip_suffix('/').ok_or(PatternError::Wildcard)?, true),
            None => (rest.strip_suffix('/').unwrap_or(rest), false),
        };
        let mut segments = Vec::new();
        for part in rest.split('/').filter(|_| !rest.is_empty()) {
            let segment = Segment::parse(part)?;
            if matches!(segment, Segment::Name(_)) && segments.contains(&segment) {
                return Err(PatternError::DuplicateName(part.trim_matches(['{', '}']).to_owned()));
            }
            segments.push(segment);
        }
        if segments.first() == Some(&Segment::Literal(".vestibule".into())) {
            return Err(PatternError::Reserved);
        }
        Ok(Self { text: text.to_owned(), segments, open })
    }

    /// Whether the pattern has a `{name}` segment of this name.
    pub fn names(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Whether the target's path is one of those described. A trailing slash makes no difference.
    pub(super) fn matches(&self, target: &Target) -> bool {
        let mut path = target.segments();
        let matched = self.segments.iter().all(|segment| match (segment, path.next()) {
            (Segment::Literal(literal), Some(part)) => literal == part,
            (Segment::Name(_), Some(_)) => true,
            (_, None) => false,
        });
        matched && (self.open || path.next().is_none())
    }

    /// The canonical segment of a matching target that stands where `{name}` is.
    pub(super) fn capture<'t>(&self, name: &str, target: &'t Target) -> Option<&'t str> {
        target.segments().nth(self.position(name)?)
    }

    pub(super) fn shape(&self) -> Vec<Step> {
        let step = |segment: &Segment| match segment {
            Segment::Literal(text) => Step::Literal(text.clone()),
            Segment::Name(_) => Step::Name,
        };
        let end = if self.open { Step::Rest } else { Step::End };
        self.segments.iter().map(step).chain([end]).collect()
    }

    /// Whether some path matches both patterns.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let differs = |pair: (&Segment, &Segment)| matches!(pair, (Segment::Literal(a), Segment::Literal(b)) if a != b);
        let lengths_fit = match self.segments.len().cmp(&other.segments.len()) {
            std::cmp::Ordering::Less => self.open,
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => other.open,
        };
        lengths_fit && !self.segments.iter().zip(&other.segments).any(differs)
    }

    /// Whether every path that matches `other` matches this pattern too.
    pub(super) fn contains(&self, other: &Self) -> bool {
        let covers = |(own, theirs): (&Segment, &Segment)| matches!(own, Segment::Name(_)) || own == theirs;
        let lengths_fit = if self.open {
            self.segments.len() <= other.segments.len()
        } else {
            !other.open && self.segments.len() == other.segments.len()
        };
        lengths_fit && self.segments.iter().zip(&other.segments).all(covers)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.segments.iter().position(|segment| matches!(segment, Segment::Name(own) if own == name))
    }
}

impl Segment {
    fn parse(part: &str) -> Result<Self, PatternError> {
        if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            return if valid { Ok(Self::Name(name.to_owned())) } else { Err(PatternError::Wildcard) };
        }
        if part.contains(['*', '{', '}']) {
            return Err(PatternError::Wildcard);
        }
        let unfit = || PatternError::Segment(part.to_owned());
        let decoded = super::target::decode_segment(part).ok_or_else(unfit)?;
        canonical_segment(&decoded).map(Self::Literal).ok_or_else(unfit)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
