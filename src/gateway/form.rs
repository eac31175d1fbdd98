//! Forms that a host's page posts into its frame to open the app with a token.

use http::request::Parts;
use http::{HeaderMap, Method, Response, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::Gateway;
use super::body::{Body, Upload};
use super::bootstrap::{FRAMES, is_navigation_to};
use super::forward::Held;
use super::record::Exchange;
use super::respond::Rejection;
use super::route::{self, Destination, Target};
use crate::access::Origin;
use crate::hosts::Carrier;

/// The most bytes that such a form may have. Tokens are below 16 KiB; other fields, and percent-encoding, are around them.
const MAX_FORM: usize = 64 * 1024;

/// Names and values, decoded, in their order (the WHATWG URL standard's `application/x-www-form-urlencoded`).
pub(super) struct Form(Fields);

/// The same, laid open.
pub(super) type Fields = Vec<(String, String)>;

/// A body that still comes, or one that was read and kept because it could have held a token.
pub(super) enum Arrival {
    Coming(Incoming),
    Read(Upload),
}

/// What became of a body in which a token could be.
pub(super) enum Posted {
    /// There was one.
    Answer(Response<Body>),
    /// There was none: it is an ordinary request's.
    Other(Arrival),
}

impl Arrival {
    /// How many bytes it has, as far as that is known.
    pub(super) fn least(&self) -> u64 {
        match self {
            Self::Coming(incoming) => incoming.size_hint().lower(),
            Self::Read(upload) => upload.size_hint().lower(),
        }
    }
}

impl Form {
    /// Every pair has one reading, or the form has none.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Rejection> {
        let unreadable = || Rejection::MalformedRequest("a form that cannot be read");
        let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((route::decode_query(name)?, route::decode_query(value)?))
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        pairs.map(pair).collect::<Option<_>>().map(Self).ok_or_else(unreadable)
    }

    /// The pairs, if no name is there twice.
    pub(super) fn into_fields(self) -> Result<Fields, Rejection> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Rejection::MalformedRequest("a field that is repeated"));
        }
        Ok(self.0)
    }

    /// All values of a field.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl Gateway {
    /// What a page posted to ourselves, and the room that it takes.
    pub(super) async fn form(&self, headers: &HeaderMap, mut upload: Upload) -> Result<(Form, Held), Rejection> {
        if !is_urlencoded(headers) {
            return Err(Rejection::MalformedRequest("a body that is no urlencoded form"));
        }
        self.read_form(&mut upload).await
    }

    /// Forms and signed bodies share one room, which a small limit for signed bodies does not make smaller for forms.
    async fn read_form(&self, upload: &mut Upload) -> Result<(Form, Held), Rejection> {
        let (body, held) = self.gathered(upload, MAX_FORM, self.limits.signed_body.max(MAX_FORM)).await?;
        Ok((Form::parse(&body)?, held))
    }

    /// Answers a form with a token in it; hands every other body back. Only what looks like such a form is read at all.
    pub(super) async fn posted(
        &self,
        head: &Parts,
        target: &mut Target,
        incoming: Incoming,
        exchange: &mut Exchange,
    ) -> Result<Posted, Rejection> {
        let Some(page) = self.posting_page(head, target) else { return Ok(Posted::Other(Arrival::Coming(incoming))) };
        let mut upload = Upload::new(incoming, MAX_FORM as u64, self.limits.body_idle, self.limits.body_min_rate);
        let (form, _held) = self.read_form(&mut upload).await?;
        let mut tokens = self.entrances.in_form(&form);
        if tokens.is_empty() {
            return Ok(Posted::Other(Arrival::Read(upload)));
        }
        exchange.event = "bootstrap";
        // The page that it lands on is read with GET, so that is the route that has to be there.
        if let Destination::App(found) = route::destination(&self.routes, &Method::GET, target)? {
            exchange.routed(&found);
            self.take_signatures(target, found.route);
        }
        tokens.extend(self.entrances.take_parameters(target, head.uri.query()));
        let [token] = tokens.as_slice() else { return Err(Rejection::MalformedRequest("tokens in two places")) };
        let hosts = self.readers(token.carrier, |host| host.allows_origin(&page));
        let (proof, jar) = self.first_token(head, token.secret()?, &hosts, Some(page), exchange).await?;
        Ok(Posted::Answer(self.land(target, proof, &jar, exchange)))
    }

    /// The page that posts a form which may hold a token: one that a host with such forms allows, and that opens a frame.
    fn posting_page(&self, head: &Parts, target: &Target) -> Option<Origin> {
        if head.method != Method::POST || !self.entrances.have_forms() || target.is_ours() {
            return None;
        }
        let page = head.headers.get(header::ORIGIN)?.to_str().ok().and_then(|text| Origin::parse(text).ok())?;
        let is_form = is_urlencoded(&head.headers) && is_navigation_to(&FRAMES, &head.headers);
        let posts = |carrier: &Carrier| matches!(carrier, Carrier::Form(_));
        let allowed = self
            .hosts
            .iter()
            .any(|host| host.opens_session() && host.carriers().iter().any(posts) && host.allows_origin(&page));
        (is_form && allowed && !self.leaves_tokens(target)).then_some(page)
    }

    /// Whether a token at this address is the app's own affair.
    fn leaves_tokens(&self, target: &Target) -> bool {
        let ignores = |method| self.routes.find(&method, target).is_ok_and(|found| found.route.ignore_host_token);
        ignores(Method::GET) || ignores(Method::POST)
    }
}

fn is_urlencoded(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let essence = only.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_in_one_way_or_not_at_all() {
        let form = Form::parse(b"a=1&b=x%2By+z&&a=%C3%BC&c&%61=3").expect("a form");
        let values = |name| form.values(name).collect::<Vec<_>>();
        assert_eq!((values("a"), values("b"), values("c")), (vec!["1", "\u{fc}", "3"], vec!["x+y z"], vec![""]));
        assert!(values("d").is_empty());
        for odd in [&b"a=%"[..], b"a=%4", b"%zz=1", b"a=%ff", b"a=\xff"] {
            assert!(Form::parse(odd).is_err(), "{odd:?}");
        }
        assert!(Form::parse(b"").is_ok_and(|form| form.values("").next().is_none()));
        let fields = |body: &[u8]| Form::parse(body).and_then(Form::into_fields);
        assert_eq!(fields(b"b=1&a=2"), Ok(vec![("b".into(), "1".into()), ("a".into(), "2".into())]));
        assert!(fields(b"a=1&b=1&%61=1").is_err());
    }

    #[test]
    fn only_one_kind_of_form_is_looked_at() {
        let typed = |types: &[&str]| {
            let types = types.iter().map(|text| (header::CONTENT_TYPE, text.parse().expect("a value")));
            is_urlencoded(&types.collect::<Vec<_>>().into_iter().fold(
                HeaderMap::new(),
                |mut headers, (name, value)| {
                    headers.append(name, value);
                    headers
                },
            ))
        };
        let plain = "application/x-www-form-urlencoded";
        assert!(typed(&[plain]) && typed(&["Application/X-WWW-Form-Urlencoded ; charset=UTF-8"]));
        for types in [&[][..], &[plain, plain], &["multipart/form-data; boundary=x"], &["text/plain"], &[""]] {
            assert!(!typed(types), "{types:?}");
        }
    }
}
