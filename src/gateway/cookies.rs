//! The `Cookie` header, split byte for byte into ours and the app's.

use http::HeaderMap;
use http::header::{self, HeaderValue};

use crate::secret::Secret;
use crate::session::COOKIE_PREFIX;

/// How many of our own cookies are looked at. A browser keeps four contexts; frames that begin at once, and know nothing of each
/// other, may make it more for a while. Beyond that it is somebody trying.
const MAX_OURS: usize = 16;

/// Our cookies, (name, value). A name that comes twice is left out altogether: one of the two was planted
/// (RFC 6265 §4.2.2 gives no order to rely on).
pub(super) fn ours(headers: &HeaderMap) -> Vec<(String, Secret)> {
    let mut found: Vec<(&str, &str, bool)> = Vec::new();
    for (name, value) in pairs(headers).filter_map(split).filter(|(name, _)| is_ours(name)) {
        match found.iter().position(|(known, _, _)| *known == name) {
            Some(at) => found[at].2 = false,
            None if found.len() < MAX_OURS => found.push((name, value, true)),
            None => {}
        }
    }
    let unique = found.into_iter().filter(|(_, _, alone)| *alone);
    unique.map(|(name, value, _)| (name.to_owned(), Secret::from(value))).collect()
}

/// The one cookie of this exact name; `None` if it comes twice.
pub(super) fn named(headers: &HeaderMap, wanted: &str) -> Option<Secret> {
    let mut values = pairs(headers).filter_map(split).filter(|(name, _)| *name == wanted).map(|(_, value)| value);
    let value = values.next().map(Secret::from);
    value.filter(|_| values.next().is_none())
}

/// Whose cookies of the app these are: those that no script can read are kept apart for each context, under `NAME~CONTEXT`.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    context: String,
    /// Names that the request brought back from there.
    carried: Vec<String>,
    /// The whole `Cookie` header: what the app was sent of it under its own name is looked for only when it sets one.
    sent: Vec<HeaderValue>,
}

impl Scope {
    /// That of a caller in a context. Costs a look at each cookie.
    pub(super) fn of(context: &str, headers: &HeaderMap) -> Self {
        let mine = |pair: &str| {
            Some(scoped(split(pair)?.0)?).filter(|(_, of)| *of == context).map(|(name, _)| name.to_owned())
        };
        let sent = headers.get_all(header::COOKIE).iter().cloned().collect();
        Self { carried: pairs(headers).filter_map(mine).collect(), context: context.to_owned(), sent }
    }

    /// The name that a cookie is kept under.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{name}~{}", self.context)
    }

    /// Whether the caller has one of this name that is not kept apart, of before or of a public route.
    pub(super) fn has_plain(&self, name: &[u8]) -> bool {
        let pairs = self.sent.iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
        let mut names = pairs.filter_map(|pair| Some(pair.trim_ascii().split_at_checked(name.len() + 1)?.0));
        names.any(|start| start.strip_suffix(b"=") == Some(name))
    }

    /// Whether the caller has such a cookie.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.carried.iter().any(|carried| carried.as_bytes() == name)
    }

    /// How a pair is passed on to the app.
    fn passed<'a>(&self, pair: &'a [u8]) -> Passed<'a> {
        let trimmed = pair.trim_ascii();
        if starts_like_ours(trimmed) {
            return Passed::Not;
        }
        let end = trimmed.iter().position(|&byte| byte == b'=').unwrap_or(0);
        let name = trimmed[..end].trim_ascii_end();
        match std::str::from_utf8(name).ok().and_then(scoped) {
            Some((name, context)) if context == self.context => Passed::As(name, &trimmed[end..]),
            Some(_) => Passed::Not,
            None if self.has(name) => Passed::Not,
            None => Passed::Whole,
        }
    }
}

/// What becomes of a cookie on its way to the app.
enum Passed<'a> {
    /// Byte for byte.
    Whole,
    /// Under another name, with the rest of it.
    As(&'a str, &'a [u8]),
    Not,
}

/// Whether a cookie of this name would be taken for one that is kept apart, for whichever context.
pub(super) fn is_scoped(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| scoped(name).is_some())
}

/// Name and context of a cookie of the app that is kept apart.
fn scoped(name: &str) -> Option<(&str, &str)> {
    let (name, context) = name.rsplit_once('~')?;
    let is_context = context.len() == 10 && context.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    (is_context && !name.is_empty()).then_some((name, context))
}

/// The caller's cookies as the app set them: without ours, and of those that are kept apart only this context's. The others and their
/// order are untouched. HTTP/2 sends each as a field of its own, which only HTTP/2 understands, so they are put together
/// again (RFC 9113 §8.2.3).
pub(super) fn for_the_app(headers: &HeaderMap, scope: &Scope) -> Option<HeaderValue> {
    let mut values = headers.get_all(header::COOKIE).iter().filter_map(|value| value_for_the_app(value, scope));
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(first) };
    let mut all = first.as_bytes().to_vec();
    for value in [second].into_iter().chain(values) {
        all.extend_from_slice(b"; ");
        all.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&all).ok()
}

fn value_for_the_app(value: &HeaderValue, scope: &Scope) -> Option<HeaderValue> {
    let bytes = value.as_bytes();
    let has_ours = bytes.windows(COOKIE_PREFIX.len()).any(|part| part.eq_ignore_ascii_case(COOKIE_PREFIX.as_bytes()));
    if !has_ours && scope.carried.is_empty() && !bytes.contains(&b'~') {
        return Some(value.clone());
    }
    let pairs = bytes.split(|&byte| byte == b';');
    let kept = pairs.filter_map(|pair| match scope.passed(pair) {
        Passed::Whole => Some(pair.to_vec()),
        Passed::As(name, rest) => {
            let blank = if pair.starts_with(b" ") { &b" "[..] } else { b"" };
            Some([blank, name.as_bytes(), rest].concat())
        }
        Passed::Not => None,
    });
    let joined = kept.collect::<Vec<_>>().join(&b';');
    let trimmed = joined.trim_ascii();
    if trimmed.is_empty() { None } else { HeaderValue::from_bytes(trimmed).ok() }
}

/// Whether a trimmed `name=value` could be taken for one of ours. A cookie without a name is sent as its bare value,
/// which some browsers send back as if it were one.
pub(super) fn starts_like_ours(pair: &[u8]) -> bool {
    let pair = pair.strip_prefix(b"=").unwrap_or(pair).trim_ascii_start();
    pair.get(..COOKIE_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(COOKIE_PREFIX.as_bytes()))
}

/// The contexts that somebody signed out of in this browser, as it says: nothing that is decided may rest on it.
pub(super) fn left(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let names = pairs(headers).filter_map(split).map(|(name, _)| name);
    names.filter_map(|name| name.strip_prefix(COOKIE_PREFIX)?.strip_prefix("-ended."))
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    // Each by itself: a browser sends the app's cookies in UTF-8, and one of those must not hide ours.
    let values = headers.get_all(header::COOKIE).iter();
    let parts = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
    parts.filter_map(|part| std::str::from_utf8(part).ok()).map(str::trim_ascii)
}

fn split(pair: &str) -> Option<(&str, &str)> {
    pair.split_once('=').map(|(name, value)| (name.trim_ascii_end(), value.trim_ascii_start()))
}

fn is_ours(name: &str) -> bool {
    name.strip_prefix(COOKIE_PREFIX).is_some_and(|rest| rest.starts_with('.') || rest.starts_with("-ended."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    fn headers_of(value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(value).expect("a value"))])
    }

    #[test]
    fn a_name_that_comes_twice_is_no_cookie() {
        let names = |values: &[&str]| ours(&headers(values)).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(
            names(&["a=1; __Host-vestibule.x=1; __Host-vestibule.y=2"]),
            ["__Host-vestibule.x", "__Host-vestibule.y"]
        );
        assert_eq!(names(&["__Host-vestibule.x=1; __Host-vestibule.x=2"]), [""; 0]);
        assert_eq!(names(&["__Host-vestibule.x=1", "__Host-vestibule.x=1"]), [""; 0]);
        assert_eq!(names(&["__Host-vestibule=1; x__Host-vestibule.x=1; =__Host-vestibule.x"]), [""; 0]);
    }

    #[test]
    fn a_cookie_of_the_app_that_is_not_ascii_hides_none_of_ours() {
        for value in [&b"name=\xc3\xbc; __Host-vestibule.x=1"[..], b"__Host-vestibule.x=1; name=\xfc"] {
            assert_eq!(ours(&headers_of(value)), [("__Host-vestibule.x".to_owned(), Secret::from("1"))], "{value:?}");
        }
        // A blank of another alphabet is part of a name that any page of a sub-domain may set.
        assert_eq!(ours(&headers_of("\u{a0}__Host-vestibule.x=1".as_bytes())), []);
    }

    #[test]
    fn the_apps_cookies_keep_bytes_and_order() {
        let kept = |values: &[&str]| {
            let kept =
                for_the_app(&headers(values), &Scope::default()).map(|kept| kept.to_str().expect("ASCII").to_owned());
            kept.unwrap_or_default()
        };
        assert_eq!(kept(&["b=2;  a=\"1\" ;c"]), "b=2;  a=\"1\" ;c");
        assert_eq!(kept(&["b=2; __Host-vestibule.x=s; a=1"]), "b=2; a=1");
        assert_eq!(kept(&["= __Host-vestibule.x=s; a=1"]), "a=1");
        assert_eq!(kept(&["__Host-vestibule.x=s", "__HOST-Vestibule.y=s; a=1", "=__Host-vestibule.z=1"]), "a=1");
        assert_eq!(kept(&["b=2", "__Host-vestibule.x=s", "a=1", "c; d=4"]), "b=2; a=1; c; d=4");
        assert_eq!(kept(&["__Host-vestibule.x=s"]), "");
    }

    #[test]
    fn cookies_that_are_kept_apart_come_back_to_their_own_context_alone() {
        let (mine, other) = ("aaaaaaaaaa", "bbbbbbbbbb");
        let sent =
            headers(&["a=1; sid~aaaaaaaaaa=x=y; sid~bbbbbbbbbb=z; sid=old; b~c=2; __Host-vestibule.aaaaaaaaaa=s"]);
        let seen = |context: &str| {
            let kept = for_the_app(&sent, &Scope::of(context, &sent)).expect("some are left");
            kept.to_str().expect("ASCII").to_owned()
        };
        assert_eq!(seen(mine), "a=1; sid=x=y; b~c=2");
        assert_eq!(seen(other), "a=1; sid=z; b~c=2");
        assert_eq!(seen("cccccccccc"), "a=1; sid=old; b~c=2");
        let nobody = for_the_app(&sent, &Scope::default()).expect("some are left");
        assert_eq!(nobody, "a=1; sid=old; b~c=2", "a public route");
    }

    proptest! {
        /// Whatever comes, no cookie of ours reaches the app under any spelling, and none of its own is lost.
        #[test]
        fn ours_never_pass_and_the_apps_always_do(
            parts in prop::collection::vec(
                prop_oneof!["[a-z]{1,3}=[a-z]{0,3}", "(__Host-vestibule|__HOST-VESTIBULE)[.][a-z]{2}=[a-z]{1,3}", "=__host-vestibule[.]x", "[;= ]{0,3}"],
                0..8,
            ),
        ) {
            let kept = for_the_app(&headers(&[&parts.join(";")]), &Scope::default()).map(|v| v.to_str().expect("ASCII").to_owned());
            let kept = kept.unwrap_or_default();
            prop_assert!(!kept.to_ascii_lowercase().contains("__host-vestibule"), "{}", kept);
            for own in parts.iter().filter(|part| part.starts_with(|c: char| c.is_ascii_lowercase())) {
                prop_assert!(kept.split(';').any(|pair| pair.trim() == own.trim()), "{} is not in {}", own, kept);
            }
        }
    }
}
