//! SRC-10: the platform proves who it is by the authority of the configuration, or gets no question.

use std::io::BufReader;
use std::net::TcpListener;

use rustls::{ServerConnection, StreamOwned};

use super::*;
use crate::support::Authority;

/// A platform behind TLS; gives its address and what it has heard.
fn start(issuer: &Authority, name: &str) -> (String, Arc<Mutex<String>>) {
    let config = issuer.issue(name, false).server(&[], None);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://localhost:{}/grants", listener.local_addr().expect("an address").port());
    let heard = Arc::<Mutex<String>>::default();
    let log = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            serve(StreamOwned::new(connection, stream), &log);
        }
    });
    (url, heard)
}

/// One question; the connection is closed after it.
fn serve(stream: StreamOwned<ServerConnection, TcpStream>, log: &Mutex<String>) {
    use std::io::BufRead as _;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|count| count > 0) && !line.ends_with("\r\n\r\n") {}
    log.lock().expect("no panic").push_str(&line);
    if !line.is_empty() {
        let stream = reader.get_mut();
        let _ = stream.write_all(status(200, "Connection: close\r\n", EDITOR).as_bytes());
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
}

#[test]
fn src_10_the_authority_of_the_configuration_is_believed_and_no_other() {
    let (own, other) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, own.pem()).expect("a file");
    let believing = format!("source = \"http\"\nca = \"{}\"", ca.display());
    let good = start(&own, "localhost");
    let cases = [
        (start(&own, "localhost"), believing.as_str(), 200),
        (start(&own, "other.example"), believing.as_str(), 503),
        (start(&other, "localhost"), believing.as_str(), 503),
        (good, "source = \"http\"", 503),
    ];
    for ((url, heard), more, expected) in cases {
        let app = Upstream::start();
        let gateway = asking(&app, &url, more).start();
        let cookie = gateway.sign_in(&Token::client());
        let answer = look(&gateway, &cookie);
        assert_eq!(answer.status, expected, "{answer:?}");
        let heard = heard.lock().expect("no panic").to_ascii_lowercase();
        assert_eq!(heard.contains("canary-grants"), expected == 200, "{heard}");
        let checked = vestibule(&gateway, &["check", "--online"]);
        assert_eq!(checked.status.code(), Some(if expected == 200 { 0 } else { 69 }), "{}", text(&checked));
    }
}
