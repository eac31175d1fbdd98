use std::sync::Arc;

use http::{HeaderMap, Method};

use super::*;

fn call(method: &str, target: &str) -> Call {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    Call { method, url: format!("https://app.example.test{target}"), headers: HeaderMap::new(), body: "".into() }
}

fn presented(method: &str, target: &str) -> Presented {
    Presented { call: Some(Arc::new(call(method, target))), ..Presented::default() }
}

fn sha(canonical: &str) -> String {
    faster_hex::hex_string(&crate::hosts::sha256(canonical.as_bytes()))
}

/// What `@atlassian/atlassian-jwt` 2.2.0 hashes, for each kind of thing that can stand in an address.
const CANONICAL: [(&str, &str, &str); 21] = [
    ("GET", "/panel?issueKey=ABC-1&lic=active", "GET&/panel&issueKey=ABC-1&lic=active"),
    ("GET", "/", "GET&/&"),
    ("GET", "/p/?a=1", "GET&/p&a=1"),
    ("GET", "/p//?a=1", "GET&/p/&a=1"),
    ("POST", "/p/q?", "POST&/p/q&"),
    ("GET", "/a&b&c?x=y", "GET&/a%26b%26c&x=y"),
    ("GET", "/a%26b%20c'(*)?x=y", "GET&/a%26b%20c'(*)&x=y"),
    ("GET", "/p?a=&b", "GET&/p&a=&b="),
    ("GET", "/p?&&a=1&", "GET&/p&a=1"),
    ("GET", "/p?=x&=", "GET&/p&=,x"),
    ("GET", "/p?q=a+b&r=a%20b", "GET&/p&q=a%20b&r=a%20b"),
    ("GET", "/p?a=%2B&b=+", "GET&/p&a=%2B&b=%20"),
    ("GET", "/p?ids=3&ids=1&ids=2", "GET&/p&ids=1,2,3"),
    ("GET", "/p?ids=3,1&ids=2", "GET&/p&ids=2,3%2C1"),
    ("GET", "/p?a=/&a=-", "GET&/p&a=-,%2F"),
    ("GET", "/p?b=1&A=2&a=3&_=4&1=5", "GET&/p&1=5&A=2&_=4&a=3&b=1"),
    ("GET", "/p?a=!'()*~-._", "GET&/p&a=%21%27%28%29%2A~-._"),
    ("GET", "/p?a=%c5%bc&%C5%BC=1", "GET&/p&a=%C5%BC&%C5%BC=1"),
    ("GET", "/p?a=%F0%9F%98%80&a=%EF%BC%A1", "GET&/p&a=%F0%9F%98%80,%EF%BC%A1"),
    ("GET", "/p?jwt=x.y.z&a=1&jwt=2&jwts=3", "GET&/p&a=1&jwts=3"),
    ("GET", "/p?a=b=c&d=?", "GET&/p&a=b%3Dc&d=%3F"),
];

#[test]
fn a_request_hashes_as_the_official_library_has_it() {
    for (method, target, canonical) in CANONICAL {
        assert!(fits(&sha(canonical), &presented(method, target), None), "{method} {target}: {canonical}");
        assert_eq!(of(&call(method, target), None), Some(sha(canonical)), "{method} {target}");
    }
}

#[test]
fn names_count_in_the_order_of_either_library() {
    let request = presented("GET", "/p?a-=1&a%2F=2");
    assert!(fits(&sha("GET&/p&a-=1&a%2F=2"), &request, None), "sorted, then encoded");
    assert!(fits(&sha("GET&/p&a%2F=2&a-=1"), &request, None), "encoded, then sorted");
    // Values have one order in both.
    assert!(!fits(&sha("GET&/p&a=%2F,-"), &presented("GET", "/p?a=-&a=/"), None));
}

#[test]
fn a_hash_of_another_request_does_not_fit() {
    let hash = sha("GET&/p&a=1&b=2");
    assert!(fits(&hash, &presented("GET", "/p?b=2&a=1"), None));
    for (method, target) in [
        ("POST", "/p?a=1&b=2"),
        ("HEAD", "/p?a=1&b=2"),
        ("get", "/p?a=1&b=2"),
        ("GET", "/q?a=1&b=2"),
        ("GET", "/P?a=1&b=2"),
        ("GET", "/p?a=1"),
        ("GET", "/p?a=1&b=2&c=3"),
        ("GET", "/p?a=1&b=2&b=2"),
        ("GET", "/p?a=1,b=2"),
        ("GET", "/p&a=1?b=2"),
        ("GET", "/p&a=1&b=2"),
        ("GET", "/x/p?a=1&b=2"),
    ] {
        assert!(!fits(&hash, &presented(method, target), None), "{method} {target}");
    }
    assert!(!fits(&hash.to_uppercase(), &presented("GET", "/p?a=1&b=2"), None));
    assert!(!fits(&hash, &Presented::default(), None), "without a request, nothing fits");
    assert!(!fits("", &presented("GET", "/p?a=%"), None), "a query without a reading has no hash");
    assert_eq!(of(&call("GET", "/p?a=%"), None), None);
}

#[test]
fn the_path_of_the_apps_own_address_is_not_hashed() {
    let request = presented("GET", "/jira/p?a=1");
    for base in ["https://app.example.test/jira", "https://app.example.test/jira/", "/jira"] {
        assert!(fits(&sha("GET&/p&a=1"), &request, Some(base)), "{base}");
        assert!(fits(&sha("GET&/&"), &presented("GET", "/jira"), Some(base)), "{base}");
        assert!(fits(&sha("GET&/jiras&"), &presented("GET", "/jiras"), Some(base)), "{base}: a longer name");
    }
    for base in [None, Some("https://app.example.test"), Some("https://app.example.test/"), Some("https://x/p")] {
        assert!(fits(&sha("GET&/jira/p&a=1"), &request, base), "{base:?}");
        assert!(!fits(&sha("GET&/p&a=1"), &request, base), "{base:?}");
    }
}

#[test]
fn a_context_token_counts_for_requests_of_scripts_only() {
    let manner = |manner| Presented { manner, ..presented("GET", "/p") };
    assert!(!fits("context-qsh", &manner(Manner::Navigation), None), "no page opens with it");
    assert!(fits("context-qsh", &manner(Manner::Request), None));
    assert!(fits("context-qsh", &manner(Manner::Exchange), None));
    assert!(!fits("Context-qsh", &manner(Manner::Request), None));
}
