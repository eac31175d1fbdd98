//! A WSGI app on Python's own server: it answers in HTTP/1.0, and cannot tell `X_Vestibule_User` from `X-Vestibule-User`.

use serde_json::Value;

use super::{Scene, noise, sha256};
use crate::support::{Answer, CLIENT, COMPANY, Peer, TENANT, exchange, free_port, request, root, tool};

fn scene() -> Scene {
    let address = free_port();
    let mut python = tool("python3");
    python.arg(root().join("tests/apps/wsgi.py")).arg(address.port().to_string());
    Scene::before(Peer::start(&python, address))
}

/// Spellings that all become `HTTP_X_VESTIBULE_USER` in the environment of CGI (RFC 3875 §4.1.18) or of a laxer server.
const FORGED: [&str; 7] = [
    "X_Vestibule_User: evil",
    "x-vestibule_user: evil",
    "X_VESTIBULE-USER: evil",
    "X_Vestibule_Roles: evil",
    "X_Vestibule_Permissions: evil",
    "X.Vestibule.User: evil",
    "X_Vestibule_Actor: evil",
];

fn identity(environ: &Value) -> [&str; 5] {
    ["USER", "TENANT", "ORGANIZATION", "USER_KIND", "ACTOR"]
        .map(|name| environ[format!("HTTP_X_VESTIBULE_{name}")].as_str().unwrap_or("none"))
}

fn holds(environ: &Value, text: &str) -> Vec<String> {
    let names = environ.as_object().expect("an object").iter();
    names
        .filter(|(_, value)| value.as_str().is_some_and(|value| value.contains(text)))
        .map(|(n, _)| n.clone())
        .collect()
}

#[test]
fn no_spelling_of_an_identity_header_reaches_the_environment() {
    let scene = scene();
    let direct = request("GET", "/open", "app", &FORGED, b"");
    let direct = Answer::read(&exchange(scene.app.address, &direct)).json();
    assert_eq!(identity(&direct)[0], "evil,evil,evil", "the app itself takes one spelling for the other");
    let environ = scene.get("/open", &FORGED).json();
    assert_eq!(identity(&environ), [CLIENT, TENANT, COMPANY, "client", "none"]);
    assert_eq!(holds(&environ, "evil"), Vec::<String>::new());
    let public = scene.gateway.ask("GET", "/public/x", &FORGED).json();
    assert_eq!(identity(&public), ["none"; 5]);
    assert_eq!(holds(&public, "evil"), Vec::<String>::new());
}

#[test]
fn no_header_becomes_a_variable_that_steers_the_app() {
    let scene = scene();
    let lines = [
        "Proxy: http://evil.example",
        "Proxy_: http://evil.example",
        "X_Forwarded_For: evil.example",
        "X_Forwarded_Host: evil.example",
        "X_Real_IP: evil.example",
        "X_Request_Id: evil.example",
        "Content_Length: 0, evil.example",
        "Transfer_Encoding: evil.example",
        "Authorization: Bearer evil.example",
    ];
    let environ = scene.get("/open?q=%20x", &lines).json();
    assert_eq!(holds(&environ, "evil.example"), Vec::<String>::new());
    assert_eq!(environ["HTTP_X_FORWARDED_HOST"], scene.gateway.host());
    assert_eq!((&environ["PATH_INFO"], &environ["QUERY_STRING"]), (&"/open".into(), &"q=%20x".into()));
}

#[test]
fn an_answer_in_http_1_0_becomes_one_of_ours() {
    let scene = scene();
    let direct = request("GET", "/open/stream", "app", &[], b"");
    assert!(exchange(scene.app.address, &direct).starts_with(b"HTTP/1.0 200 OK"));
    let lines: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
    for _ in 0..3 {
        let answer = scene.get("/open/stream", &[]);
        assert!(answer.head.starts_with("HTTP/1.1 200 OK"), "{}", answer.head);
        // Without a length the end has to show in another way, or a cut would look like an end.
        assert_eq!((answer.header("transfer-encoding"), answer.broken), ("chunked", false));
        assert_eq!(answer.text(), lines.concat());
    }
}

#[test]
fn a_post_arrives_whole() {
    let scene = scene();
    for length in [0, 1, 300_000] {
        let body = noise(length);
        let answer = scene.ask("POST", "/open", &[], &body).json();
        assert_eq!((&answer["length"], &answer["sha256"]), (&length.into(), &sha256(&body).into()));
    }
}
