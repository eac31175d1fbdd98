//! The proxy of `docs/operate.md` is a real nginx here: only addresses, files and TLS are not those of the page.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{blocks, root};
use crate::support::{Answer, Setup, Upstream, answer_with, connect, exchange, free_port, read_until, request};

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";

struct Nginx {
    child: Child,
    folder: TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The page's configuration with other addresses; each of them has to be on the page.
fn configuration(listen: SocketAddr, gateway: SocketAddr, folder: &Path) -> String {
    let text = fs::read_to_string(root().join("docs/operate.md")).expect("readable");
    let block = blocks(&text).into_iter().find(|block| block.info == "nginx").expect("an example");
    let folder = folder.display().to_string();
    let changes = [
        ("listen 443 ssl;", format!("listen {listen};")),
        ("server 127.0.0.1:8080;", format!("server {gateway};")),
        ("proxy_set_header Host $host;", "proxy_set_header Host $host:$server_port;".into()),
        ("/var/log/nginx", folder.clone()),
        ("ssl_certificate ", "# ssl_certificate ".into()),
        ("ssl_certificate_key ", "# ssl_certificate_key ".into()),
    ];
    let server = changes.iter().fold(block.body, |body, (old, new)| {
        assert!(body.contains(old), "the example has no {old:?}");
        body.replace(old, new)
    });
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("{kind}_temp_path {folder}/{kind};\n")).concat();
    format!("daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n{temporary}{server}}}\n")
}

fn start(listen: SocketAddr, gateway: SocketAddr) -> Nginx {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration(listen, gateway, folder.path())).expect("a file");
    let errors = fs::File::create(folder.path().join("stderr")).expect("a file");
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder.path()).arg("-e").arg("stderr").arg("-c").arg(&file);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    let mut nginx = Nginx { child: command.spawn().expect("nginx is there"), folder };
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(listen).is_err() {
        let runs = nginx.child.try_wait().expect("a status").is_none() && Instant::now() < deadline;
        assert!(runs, "{}", fs::read_to_string(nginx.folder.path().join("stderr")).unwrap_or_default());
        sleep(Duration::from_millis(10));
    }
    nginx
}

#[test]
fn the_documented_proxy_passes_host_address_id_and_websockets_on_and_writes_no_token_down() {
    let upstream = Upstream::scripted(|seen, stream| {
        let upgrades = seen.value("upgrade") == "websocket";
        answer_with(stream, if upgrades { ACCEPTED } else { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" })
    });
    let listen = free_port();
    let server = format!("public_url = \"http://{listen}\"\ntrusted_proxies = [\"127.0.0.1/32\"]");
    let gateway = Setup::new(&upstream).with("public_url = \"http://{public}\"", &server).start();
    let nginx = start(listen, gateway.address);
    let host = listen.to_string();

    let page = ["Sec-Fetch-Site: same-origin"];
    let answer = Answer::read(&exchange(listen, &request("GET", "/public/x?token=canary-token", &host, &page, b"")));
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{answer:?}");
    let seen = upstream.last();
    assert_eq!((seen.line(), seen.value("host")), ("GET /public/x HTTP/1.1", host.as_str()));
    assert_eq!(seen.value("x-forwarded-for"), "127.0.0.1, 127.0.0.1", "the caller, then the proxy");
    assert_eq!(seen.value("x-request-id").len(), 32, "the proxy's own id");

    let upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
    let mut tunnel = connect(listen);
    tunnel.write_all(&request("GET", "/public/live", &host, &upgrade, b"")).expect("sent");
    let opened = String::from_utf8_lossy(&read_until(&mut tunnel, b"hello")).into_owned();
    assert!(opened.starts_with("HTTP/1.1 101 ") && opened.ends_with("hello"), "{opened}");

    drop(tunnel);
    sleep(Duration::from_millis(100));
    let log = fs::read_to_string(nginx.folder.path().join("app.log")).expect("a log");
    assert!(log.contains("\"GET /public/x\" 200") && !log.contains("canary-token"), "{log}");
}
