//! Every way to say no, and how it is said: one exhaustive table from [`Rejection`] to status, code and sentence.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::body::Body;

/// The header that repeats a refusal's code, so that scripts need not read the body.
pub(super) const ERROR_HEADER: HeaderName = HeaderName::from_static("x-vestibule-error");

/// Why a request was not passed on. What is inside a variant is for the log, never for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// The request cannot be read in one safe way.
    MalformedRequest(&'static str),
    /// A token was expected and none came.
    TokenMissing,
    /// The token is not accepted; all reasons look the same.
    TokenInvalid,
    /// An authenticated token says that it is over.
    TokenExpired,
    /// Nobody is signed in here.
    SessionMissing,
    /// The answer of a host to a login belongs to none that this browser began, or is an error.
    LoginLost(&'static str),
    /// There was a session, and it ended.
    SessionExpired,
    /// The caller is known and may not do this.
    Forbidden(&'static str),
    /// The page that frames or connects is not one of those allowed.
    OriginRefused,
    /// A request with a credential came from another site.
    CrossSiteRefused,
    /// A staff preview tried to change something.
    PreviewReadOnly,
    /// No route has this path.
    NotRouted,
    /// The route of this path does not take the method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// Several sessions are alive and nothing says which one is meant.
    ContextAmbiguous,
    /// The token belongs to another context than the one that asked.
    ContextMismatch,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The target is longer than the limit.
    UriTooLong,
    /// An `Expect` other than `100-continue`.
    ExpectationFailed,
    /// The request names a host that is not ours.
    WrongHost,
    /// Too many refused tokens from this address, or open WebSockets of this session.
    RateLimited,
    /// The head is larger than the limit, or has too many fields.
    HeadersTooLarge,
    /// A fault of our own.
    InternalError(&'static str),
    /// The app cannot be reached, or broke off before an answer.
    UpstreamUnavailable(String),
    /// The host platform cannot be asked.
    HostUnavailable,
    /// A permission source cannot be asked.
    PermissionsUnavailable(String),
    /// The app has as many requests as it may have.
    Overloaded,
    /// The app did not answer in time.
    UpstreamTimeout,
}

/// What the caller sees of a rejection.
struct Face {
    status: StatusCode,
    code: &'static str,
    sentence: &'static str,
}

impl Rejection {
    /// HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        self.face().status
    }

    /// The stable code: the same in body, header, log, metric and documentation.
    pub(super) fn code(&self) -> &'static str {
        self.face().code
    }

    /// Whether a fresh token of the host would end it.
    pub(super) fn is_renewable(&self) -> bool {
        matches!(self, Self::SessionMissing | Self::SessionExpired | Self::ContextAmbiguous)
    }

    /// What only the log may know.
    pub(super) fn cause(&self) -> Option<&str> {
        match self {
            Self::MalformedRequest(cause)
            | Self::Forbidden(cause)
            | Self::InternalError(cause)
            | Self::LoginLost(cause) => Some(cause),
            Self::UpstreamUnavailable(cause) | Self::PermissionsUnavailable(cause) => Some(cause),
            _ => None,
        }
    }

    fn face(&self) -> Face {
        let (status, code, sentence) = match self {
            Self::MalformedRequest(_) => (400, "malformed_request", "The request could not be read."),
            Self::TokenMissing => (401, "token_missing", "A session token is needed here."),
            Self::TokenInvalid => (
                401,
                "token_invalid",
                "The session token was not accepted. Reload the page in the app that contains it.",
            ),
            Self::TokenExpired => {
                (401, "token_expired", "The session token has expired. Reload the page in the app that contains it.")
            }
            Self::SessionMissing => {
                (401, "session_missing", "You are not signed in here. Open this page from the app that contains it.")
            }
            Self::LoginLost(_) => (
                401,
                "session_missing",
                "Your sign-in was not finished: it took longer than ten minutes, the browser kept no cookie of it, or the app that contains this page did not confirm it. Open this page again from there.",
            ),
            Self::SessionExpired => {
                (401, "session_expired", "Your session has ended. Reload the page in the app that contains it.")
            }
            Self::Forbidden(_) => (403, "forbidden", "You do not have access to this."),
            Self::OriginRefused => (403, "origin_refused", "This page may not be opened from there."),
            Self::CrossSiteRefused => (403, "cross_site_refused", "A request from another site was refused."),
            Self::PreviewReadOnly => {
                (403, "preview_read_only", "You are previewing as a client and can look, but not change anything.")
            }
            Self::NotRouted => (404, "not_routed", "There is nothing here."),
            Self::MethodNotAllowed => (405, "method_not_allowed", "This cannot be done here."),
            Self::RequestTimeout => (408, "request_timeout", "The request did not arrive in time."),
            Self::ContextAmbiguous => (
                409,
                "context_ambiguous",
                "You are signed in more than once, and it is not clear which session this belongs to. Reload the page in the app that contains it.",
            ),
            Self::ContextMismatch => (
                409,
                "context_mismatch",
                "The token belongs to another session than this page. Reload the page in the app that contains it.",
            ),
            Self::BodyTooLarge => (413, "body_too_large", "This is larger than what is accepted here."),
            Self::UriTooLong => (414, "uri_too_long", "The address is too long."),
            Self::ExpectationFailed => {
                (417, "expectation_failed", "The request expects something that is not offered.")
            }
            Self::WrongHost => (421, "wrong_host", "This host name is not served here."),
            Self::RateLimited => (429, "rate_limited", "Too much at once. Wait a minute and reload the page."),
            Self::HeadersTooLarge => (431, "headers_too_large", "The request's headers are too large."),
            Self::InternalError(_) => (500, "internal_error", "Something went wrong here."),
            Self::UpstreamUnavailable(_) => {
                (502, "upstream_unavailable", "The app cannot be reached now. Try again in a moment.")
            }
            Self::HostUnavailable => {
                (503, "host_unavailable", "Your sign-in cannot be checked now. Try again in a moment.")
            }
            Self::PermissionsUnavailable(_) => {
                (503, "permissions_unavailable", "Your access cannot be looked up now. Try again in a moment.")
            }
            Self::Overloaded => (503, "overloaded", "There is too much to do now. Try again in a moment."),
            Self::UpstreamTimeout => (504, "upstream_timeout", "The app took too long to answer."),
        };
        Face { status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, sentence }
    }
}

/// Writes the answer: a page where a person navigates, `application/problem+json` (RFC 9457) everywhere else.
pub(super) fn refuse(rejection: &Rejection, as_page: bool, request_id: &str) -> Response<Body> {
    let face = rejection.face();
    let (kind, text) = if as_page {
        ("text/html; charset=utf-8", fill(include_str!("respond/page.html"), rejection, request_id, &[]))
    } else {
        ("application/problem+json", problem(&face, request_id))
    };
    let mut answer = own(face.status, kind, text);
    let headers = answer.headers_mut();
    headers.insert(ERROR_HEADER, HeaderValue::from_static(face.code));
    if face.status == StatusCode::UNAUTHORIZED {
        // RFC 9110 §15.5.2 wants a challenge; a scheme that browsers do not know opens no password dialog.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Vestibule"));
    }
    if matches!(
        rejection,
        Rejection::RateLimited
            | Rejection::HostUnavailable
            | Rejection::PermissionsUnavailable(_)
            | Rejection::Overloaded
    ) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    answer
}

/// An answer of our own, never cached and never sniffed.
pub(super) fn own(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut answer = Response::new(Body::full(Bytes::from(text)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
    answer
}

fn problem(face: &Face, request_id: &str) -> String {
    serde_json::json!({
        "title": face.status.canonical_reason().unwrap_or("Refused"),
        "status": face.status.as_u16(),
        "code": face.code,
        "detail": face.sentence,
        "request_id": request_id,
    })
    .to_string()
}

/// How our pages look: readable at 300 pixels, light and dark.
pub(super) const STYLE: &str = include_str!("respond/page.css");

/// A page of ours that says why not: the template with what it says in place of `{names}`.
pub(super) fn fill(template: &str, rejection: &Rejection, request_id: &str, more: &[(&str, &str)]) -> String {
    let face = rejection.face();
    let status = face.status.as_u16().to_string();
    let own = [
        ("status", status.as_str()),
        ("code", face.code),
        ("sentence", face.sentence),
        ("request_id", request_id),
        ("style", STYLE),
    ];
    let value = |name: &str| own.iter().chain(more).find(|(own, _)| *own == name).map_or("", |(_, value)| value);
    let (mut page, mut rest) = (String::with_capacity(template.len() * 2), template);
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}').unwrap_or((behind, ""));
        page.push_str(before);
        page.push_str(value(name));
        rest = after;
    }
    page + rest
}

/// A text as it may stand in a page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each, in the order of the enum.
    fn every_rejection() -> Vec<Rejection> {
        use Rejection as R;
        vec![
            R::MalformedRequest("x"),
            R::TokenMissing,
            R::TokenInvalid,
            R::TokenExpired,
            R::SessionMissing,
            R::LoginLost("x"),
            R::SessionExpired,
            R::Forbidden("x"),
            R::OriginRefused,
            R::CrossSiteRefused,
            R::PreviewReadOnly,
            R::NotRouted,
            R::MethodNotAllowed,
            R::RequestTimeout,
            R::ContextAmbiguous,
            R::ContextMismatch,
            R::BodyTooLarge,
            R::UriTooLong,
            R::ExpectationFailed,
            R::WrongHost,
            R::RateLimited,
            R::HeadersTooLarge,
            R::InternalError("x"),
            R::UpstreamUnavailable("x".into()),
            R::HostUnavailable,
            R::PermissionsUnavailable("x".into()),
            R::Overloaded,
            R::UpstreamTimeout,
        ]
    }

    #[test]
    fn every_code_is_distinct_and_documented() {
        let documented = include_str!("../../docs/errors.md");
        let mut codes: Vec<_> = every_rejection().iter().map(Rejection::code).collect();
        for code in &codes {
            assert!(documented.contains(&format!("`{code}`")), "docs/errors.md lacks {code}");
        }
        codes.sort_unstable();
        codes.dedup();
        // One code has two sentences: nobody is signed in, before or after a login.
        assert_eq!(codes.len(), every_rejection().len() - 1);
    }

    #[test]
    fn a_cause_never_reaches_the_caller() {
        let secret = Rejection::UpstreamUnavailable("10.0.0.7 refused".into());
        let face = secret.face();
        let page = fill(include_str!("respond/page.html"), &secret, "r", &[]);
        assert!(!page.contains("10.0.0.7") && !problem(&face, "r").contains("10.0.0.7"));
    }
}
