//! Connections that wait: how many of them fit, and what each costs.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::h2::{self, Raw};
use crate::support::{Gateway, Issued, Setup, Upstream, connect, read_until, request};

/// As many connections as there may be, up to ten thousand: the gateway takes half of its files, and so do we.
fn many() -> usize {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).expect("our own limit");
    let most = usize::try_from(most.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    10_000.min(most / 2 - 200)
}

const MOMENT: Duration = Duration::from_millis(500);

fn patient(upstream: &Upstream) -> Setup {
    Setup::new(upstream).with("\"trace\"", "\"info\"").and(
        "\n[limits]\nfirst_byte = \"1h\"\nkeep_alive = \"1h\"\nhttp2.ping.interval = \"1h\"\nconnections.per_address = 20000\n",
    )
}

/// Opens so many connections, which may cost so many KiB each, and do not cost more after a while.
fn cost_less<T>(gateway: &Gateway, count: usize, most: f64, wait: Duration, mut open: impl FnMut() -> T) {
    let warm: Vec<T> = (0..20).map(|_| open()).collect();
    let before = gateway.memory();
    let held: Vec<T> = (0..count).map(|_| open()).collect();
    std::thread::sleep(Duration::from_millis(500));
    let full = gateway.memory();
    std::thread::sleep(wait);
    let later = gateway.memory();
    assert!(later < full + full / 20, "{full} KiB, then {later}");
    assert_eq!(gateway.admin("GET", "/healthz", &[], b"").status, 200);
    drop((warm, held));
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let each = later.saturating_sub(before) as f64 / count as f64;
    assert!(each < most, "{each:.1} KiB for each of {count} connections");
}

fn answered(gateway: &Gateway) -> TcpStream {
    let mut stream = connect(gateway.address);
    let keep = request("GET", "/public/x", &gateway.host(), &["Connection: keep-alive"], b"");
    stream.write_all(&keep).expect("sent");
    assert!(read_until(&mut stream, b"\r\n\r\nok").ends_with(b"ok"));
    stream
}

fn answered_http2(gateway: &Gateway) -> Raw {
    let mut raw = Raw::open(gateway.address);
    assert_eq!(raw.ask(1, &h2::get(&gateway.host(), "/public/x", &[])), 200);
    raw
}

#[test]
fn a_connection_that_waits_costs_little() {
    let upstream = Upstream::start();
    let gateway = patient(&upstream).start();
    cost_less(&gateway, 500, 8.0, MOMENT, || connect(gateway.address));
    cost_less(&gateway, 500, 48.0, MOMENT, || answered(&gateway));
    cost_less(&gateway, 500, 64.0, MOMENT, || answered_http2(&gateway));
    let pair = Issued::self_signed("127.0.0.1");
    let gateway = patient(&upstream).tls(&pair).start();
    let hello = request("GET", "/public/x", &gateway.host(), &["Connection: keep-alive"], b"");
    let secure = || {
        let mut stream = pair.connect(gateway.address, "127.0.0.1", &[]);
        stream.write_all(&hello).expect("sent");
        assert!(std::io::Read::read(&mut stream, &mut [0; 4096]).is_ok_and(|count| count > 0));
        stream
    };
    cost_less(&gateway, 200, 96.0, MOMENT, secure);
}

/// DOS-07, with as many as are promised.
#[test]
#[ignore = "takes ten thousand files and half a minute"]
fn ten_thousand_connections_that_wait_cost_no_more_each_and_the_memory_is_flat() {
    let upstream = Upstream::start();
    let (gateway, many) = (patient(&upstream).start(), many());
    cost_less(&gateway, many, 48.0, Duration::from_secs(3), || answered(&gateway));
}
