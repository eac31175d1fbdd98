//! The head of a signed request: what it says before the body has come, and what of it is for the app.

use http::{HeaderMap, HeaderName};

use super::platform::{Carrier, RequestForm, Scheme};
use super::refusal::Refusal;
use super::settings::HostedSettings;
use super::{Call, rules, signed_request};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// Where Contentful lists what it signs.
const CONTENTFUL_LIST: &str = "x-contentful-signed-headers";

impl HostedSettings {
    /// Refuses a call that is out of time or cannot be read, before anything is spent on its body. Proves nothing.
    pub(super) fn glance(&self, token: &Secret, call: &Call, now: Timestamp) -> Result<(), Refusal> {
        let Scheme::SignedRequest(form) = self.platform.scheme else { return Ok(()) };
        signed_request::check_headers(call, self.signatures())?;
        match signed_request::stated_at(form, token.expose(), call)? {
            Some(made) => rules::check_age(made, now, self.max_token_age),
            None => Ok(()),
        }
    }

    /// What of a signed call is for the app: its signature, and the headers that belong to it. Where the signature names what
    /// it covers, only that.
    pub(super) fn along(&self, call: &Call) -> Vec<HeaderName> {
        let Scheme::SignedRequest(form) = self.platform.scheme else { return Vec::new() };
        let signed = self.carriers.iter().filter(|carrier| matches!(carrier, Carrier::Signature { .. }));
        let names = signed.flat_map(names).filter(|name| covers(form, name, &call.headers));
        names.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect()
    }

    /// Headers that only the platform may set.
    pub(super) fn headers(&self) -> Vec<&str> {
        let carried = self.carriers.iter().flat_map(names);
        carried.chain(self.platform.headers.iter().copied()).collect()
    }

    /// Where its signatures stand, also those that a configuration names in place of the row's.
    pub(super) fn signatures(&self) -> impl Iterator<Item = &Carrier> {
        self.platform.carriers.iter().chain(&self.carriers)
    }
}

fn names(carrier: &Carrier) -> Vec<&str> {
    match carrier {
        Carrier::Header { name, .. } => vec![name],
        Carrier::Signature { name, beside } => [&[*name], *beside].concat(),
        Carrier::Query(_) | Carrier::SignedQuery { .. } | Carrier::Form(_) | Carrier::Script => Vec::new(),
    }
}

/// Whether a header that belongs to the signature may be believed: Contentful signs those that it lists, and anybody can add
/// another of these names.
pub(super) fn covers(form: RequestForm, name: &str, headers: &HeaderMap) -> bool {
    if form != RequestForm::Contentful || matches!(name, "x-contentful-signature" | CONTENTFUL_LIST) {
        return true;
    }
    let listed = headers.get(CONTENTFUL_LIST).and_then(|list| list.to_str().ok()).unwrap_or_default();
    listed.split(',').any(|one| one.trim().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_not_in_contentfuls_list_is_not_covered() {
        let list = "x-contentful-signed-headers,x-contentful-timestamp, X-Contentful-Space-Id";
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static(CONTENTFUL_LIST), http::HeaderValue::from_static(list))]);
        let covered = |name: &str| covers(RequestForm::Contentful, name, &headers);
        assert!(covered("x-contentful-space-id") && covered("x-contentful-signature") && covered(CONTENTFUL_LIST));
        assert!(!covered("x-contentful-user-id"));
        assert!(covers(RequestForm::Slack, "x-slack-request-timestamp", &headers));
    }
}
