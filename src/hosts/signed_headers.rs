//! Which headers of a signed request its signature covers.

use http::HeaderMap;

use super::platform::RequestForm;

/// Where Contentful lists what it signs.
const CONTENTFUL_LIST: &str = "x-contentful-signed-headers";

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
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(CONTENTFUL_LIST),
            http::HeaderValue::from_static(list),
        )]);
        let covered = |name: &str| covers(RequestForm::Contentful, name, &headers);
        assert!(covered("x-contentful-space-id") && covered("x-contentful-signature") && covered(CONTENTFUL_LIST));
        assert!(!covered("x-contentful-user-id"));
        assert!(covers(RequestForm::Slack, "x-slack-request-timestamp", &headers));
    }
}
