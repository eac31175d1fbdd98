//! Forms of other sites' pages, read strictly: what cannot be decoded, or stands twice, has no reading.

use http::{HeaderMap, header};

use super::body::Upload;
use super::endpoints::collect;
use super::respond::Rejection;
use super::route::decode_query;

/// The most bytes that a form may have: a token of 16 KiB, whose alphabet needs no escapes, and what is around it.
const MAX_FORM: usize = 24 * 1024;

/// Names and values, each name once.
pub(super) type Fields = Vec<(String, String)>;

/// The value of a field.
pub(super) fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// Reads a query, or the body of a form that is written like one (WHATWG URL §5.1).
pub(super) fn fields(text: &str) -> Result<Fields, Rejection> {
    let mut fields = Fields::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode_query(name), decode_query(value)) else {
            return Err(Rejection::MalformedRequest("a form field that cannot be decoded"));
        };
        if field(&fields, &name).is_some() {
            return Err(Rejection::MalformedRequest("a form field that is repeated"));
        }
        fields.push((name, value));
    }
    Ok(fields)
}

/// The fields of a form that a page posted.
pub(super) async fn posted(headers: &HeaderMap, upload: Upload) -> Result<Fields, Rejection> {
    if !is_form(headers) {
        return Err(Rejection::MalformedRequest("a body that is no urlencoded form"));
    }
    let body = collect(upload, MAX_FORM).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Rejection::MalformedRequest("a form that is not UTF-8"))?;
    fields(text)
}

/// Whether the body says once that it is an urlencoded form; parameters such as `charset` mean nothing there.
fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let essence = only.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_reading_or_none() {
        let read = fields("a=1+2&b=%C3%BC&&c&d==").expect("a form");
        let expected = [("a", "1 2"), ("b", "ü"), ("c", ""), ("d", "=")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for text in ["a=1&a=1", "a=1&%61=2", "a=%", "a=%4", "a=%zz", "a=%ff", "%ff=1"] {
            assert!(fields(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_an_urlencoded_body_is_a_form() {
        let says = |values: &[&'static str]| {
            let pair = |value: &&'static str| (header::CONTENT_TYPE, http::HeaderValue::from_static(value));
            is_form(&values.iter().map(pair).collect())
        };
        assert!(
            says(&["application/x-www-form-urlencoded"]) && says(&["Application/X-WWW-Form-URLEncoded; charset=x"])
        );
        for types in [&[][..], &["text/plain"], &["application/x-www-form-urlencoded2"], &["multipart/form-data"]] {
            assert!(!says(types), "{types:?}");
        }
    }
}
