//! Bounds: each refusal of a size has its code.

use std::io::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Answer, Gateway, Setup, Token, Upstream, answer_with, connect, read_to_end, read_until, request};

// DOS-08, DOS-09, DOS-10, TOK-22
#[test]
fn what_is_too_large_is_refused_with_its_code() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).and("\n[[routes]]\npath = \"/small\"\naccess = \"public\"\nrequest_body = \"4B\"\n[limits]\nrequest_body = \"1KiB\"\n").start();
    let long = format!("/public/{}", "x".repeat(9 * 1024));
    assert_eq!(gateway.ask("GET", &long, &[]).code(), "uri_too_long");
    let longest = format!("/public/{}", "x".repeat(60 * 1024));
    assert_eq!(gateway.ask("GET", &longest, &[]).status, 414);
    let token = format!("/open?token={}", "0".repeat(9 * 1024));
    assert_eq!(gateway.framed(&token, &[]).code(), "uri_too_long");
    let cookie = format!("Cookie: a={}", "x".repeat(40 * 1024));
    assert_eq!(gateway.ask("GET", "/public/x", &[&cookie]).code(), "headers_too_large");
    let huge = format!("Cookie: a={}", "x".repeat(300 * 1024));
    assert_eq!(gateway.ask("GET", "/public/x", &[&huge]).status, 431);
    let many: Vec<String> = (0..101).map(|n| format!("X-{n}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(gateway.ask("GET", "/public/x", &many).code(), "headers_too_large");
    assert_eq!(gateway.send("POST", "/public/x", &[], &[b'x'; 2000]).code(), "body_too_large");
    assert_eq!(gateway.send("POST", "/small", &[], b"12345").code(), "body_too_large");
    assert_eq!(gateway.send("POST", "/small", &[], b"1234").status, 200);
    let chunked = [b"800\r\n".as_slice(), &[b'x'; 0x800], b"\r\n0\r\n\r\n"].concat();
    let answer = gateway.send("POST", "/public/x", &["Transfer-Encoding: chunked"], &chunked);
    assert_eq!(answer.code(), "body_too_large");
    assert_eq!(upstream.seen().len(), 1, "the app got none of them whole");
}

#[test]
fn a_quiet_connection_has_more_time_than_a_slow_head() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream)
        .and("\n[limits]\nfirst_byte = \"5s\"\nheaders = { time = \"300ms\" }\nkeep_alive = \"2s\"\n")
        .start();
    let keep = request("GET", "/public/x", &gateway.host(), &["Connection: keep-alive"], b"");
    let mut stream = connect(gateway.address);
    for round in 0..3 {
        // Longer than a head may take, before the first byte and between requests.
        sleep(Duration::from_millis(600));
        stream.write_all(&keep).expect("sent");
        assert!(read_until(&mut stream, b"\r\n\r\nok").ends_with(b"ok"), "round {round}");
    }
    // An answer that is ours is there before the socket is read again; the wait after it is the long one too.
    stream.write_all(&request("GET", "/nowhere", &gateway.host(), &["Connection: keep-alive"], b"")).expect("sent");
    read_until(&mut stream, b"not_routed");
    sleep(Duration::from_millis(600));
    stream.write_all(&keep).expect("sent");
    assert!(read_until(&mut stream, b"\r\n\r\nok").ends_with(b"ok"));
    stream.write_all(b"GET /public/x HTTP/1.1\r\n").expect("sent");
    let started = Instant::now();
    read_to_end(&mut stream);
    assert!(started.elapsed() < Duration::from_secs(1), "a head that stalls: {:?}", started.elapsed());
}

// DOS-07
#[test]
fn whoever_reaches_the_probes_can_hold_only_so_many_connections_for_so_long() {
    let (upstream, health) = (Upstream::start(), crate::support::free_port());
    let gateway = Setup::new(&upstream).and(&format!("\n[health]\nlisten = \"{health}\"\n")).start();
    let open = || std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).expect("a process").count();
    let before = open();
    let more = || open().saturating_sub(before);
    // Answers that nobody reads: more of them than the buffers of a connection hold.
    let many = request("GET", "/metrics", &health.to_string(), &["Connection: keep-alive"], b"").repeat(200_000);
    let mut greedy = connect(health);
    greedy.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    assert!(greedy.write_all(&many).is_err(), "it takes no more");
    let others: Vec<_> = (0..400).map(|_| connect(health)).collect();
    sleep(Duration::from_millis(500));
    assert!((200..300).contains(&more()), "{} connections", more());
    sleep(Duration::from_secs(11));
    assert!(more() < 10, "{} connections", more());
    drop(others);
}

#[test]
fn a_body_that_trickles_is_let_go_also_when_its_pace_is_measured_over_less_than_a_second() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).and("\n[limits]\nbody = { idle = \"500ms\", min_rate = \"1KiB/s\" }\n").start();
    let mut stream = connect(gateway.address);
    stream.write_all(&request("POST", "/public/x", &gateway.host(), &["Content-Length: 1000"], b"")).expect("a head");
    let mut reader = stream.try_clone().expect("a second handle");
    let trickle = std::thread::spawn(move || {
        while stream.write_all(b"x").is_ok() {
            sleep(Duration::from_millis(100));
        }
    });
    let started = Instant::now();
    let answer = Answer::read(&read_to_end(&mut reader));
    assert_eq!((answer.status, answer.code()), (408, "request_timeout"), "after {:?}", started.elapsed());
    let _ = reader.shutdown(std::net::Shutdown::Both);
    trickle.join().expect("no panic");
}

#[test]
fn a_path_whose_one_spelling_cannot_be_sent_on_is_too_long() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).and("\n[limits]\nuri = \"64KiB\"\n").start();
    let answer = gateway.ask("GET", &format!("/public/{}", "+".repeat(30_000)), &[]);
    assert_eq!((answer.status, answer.code()), (414, "uri_too_long"));
    let answer = gateway.ask("GET", &format!("/public/{}?{}", "+".repeat(10_000), "q".repeat(20_000)), &[]);
    assert_eq!(answer.status, 200);
    assert!(!gateway.output().contains("panicked"));
}

#[test]
fn connections_of_one_address_are_counted_and_a_tunnel_is_one() {
    let upstream = Upstream::scripted(|seen, stream| {
        if seen.line().contains("/live") {
            answer_with(stream, crate::gateway::upgrade::ACCEPTED);
            sleep(Duration::from_secs(3));
            return false;
        }
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let limits = "\n[limits]\nkeep_alive = \"300ms\"\nconnections = { per_address = 3 }\n";
    let gateway = Setup::new(&upstream).and(limits).start();
    let cookie = gateway.sign_in(&Token::client());
    sleep(Duration::from_millis(100));
    let mut tunnel = connect(gateway.address);
    tunnel.write_all(&crate::gateway::upgrade::handshake(&gateway, &cookie, &[])).expect("sent");
    assert!(read_until(&mut tunnel, b"\r\n\r\n").starts_with(b"HTTP/1.1 101"));
    sleep(Duration::from_millis(600));
    let held: Vec<_> = (0..2).map(|_| connect(gateway.address)).collect();
    sleep(Duration::from_millis(100));
    let mut one_more = connect(gateway.address);
    let _ = one_more.write_all(&request("GET", "/public/x", &gateway.host(), &[], b""));
    assert!(read_to_end(&mut one_more).is_empty());
    drop(held);
    let mut asked = (0..50).map(|_| {
        sleep(Duration::from_millis(40));
        gateway.ask("GET", "/public/x", &[]).status
    });
    assert!(asked.any(|status| status == 200), "places are free again");
    // A tunnel is not a connection that waits for a request.
    tunnel.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let silent = std::io::Read::read(&mut tunnel, &mut [0; 1]).expect_err("open, and nothing to read");
    assert!(matches!(silent.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{silent}");
}

#[test]
fn a_trusted_proxy_may_hold_more_connections_than_one_caller() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream)
        .with("[upstream]", "trusted_proxies = [\"127.0.0.1\"]\n\n[upstream]")
        .and("\n[limits]\nconnections = { per_address = 2 }\n")
        .start();
    let _held: Vec<_> = (0..5).map(|_| connect(gateway.address)).collect();
    sleep(Duration::from_millis(100));
    assert_eq!(gateway.ask("GET", "/public/x", &[]).status, 200);
}

#[test]
fn a_body_for_ourselves_that_stalls_or_is_too_large_has_the_usual_codes() {
    let upstream = Upstream::start();
    let gateway =
        Setup::new(&upstream).and("\n[limits]\nrequest_body = \"64B\"\nbody = { idle = \"300ms\" }\n").start();
    let lines = ["Sec-Fetch-Site: same-origin", "Transfer-Encoding: chunked"];
    let target = "/.vestibule/session";
    let answer = gateway.raw(&request("POST", target, &gateway.host(), &lines, b"5\r\n{\"tok"));
    assert_eq!((answer.status, answer.code()), (408, "request_timeout"));
    let large = [b"50\r\n".as_slice(), &[b' '; 0x50], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(gateway.raw(&request("POST", target, &gateway.host(), &lines, &large)).code(), "body_too_large");
}

#[test]
fn a_tunnel_may_go_on_while_a_stop_is_announced() {
    let upstream = Upstream::scripted(|_, stream| {
        answer_with(stream, crate::gateway::upgrade::ACCEPTED);
        sleep(Duration::from_millis(900));
        answer_with(stream, "late");
        false
    });
    let gateway = Setup::new(&upstream).with("drain_delay = \"0s\"", "drain_delay = \"1500ms\"").start();
    let cookie = gateway.sign_in(&Token::client());
    let mut tunnel = connect(gateway.address);
    tunnel.write_all(&crate::gateway::upgrade::handshake(&gateway, &cookie, &[])).expect("sent");
    assert!(read_until(&mut tunnel, b"\r\n\r\n").starts_with(b"HTTP/1.1 101"));
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| gateway.terminate());
        assert!(read_until(&mut tunnel, b"late").ends_with(b"late"));
        drop(tunnel);
        assert_eq!(ended.join().expect("no panic"), Some(0));
    });
}

/// Seconds of processor time that a process has used. The system counts a hundred a second.
fn processor_time(gateway: &Gateway) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", gateway.pid())).expect("a process");
    let after_name = stat.rsplit(") ").next().expect("fields");
    let ticks = after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().expect("a number"));
    f64::from(ticks.sum::<u32>()) / 100.0
}

#[test]
fn prc_06_more_connections_than_files_keep_nobody_busy_and_leave_some_for_the_probes() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("\"trace\"", "\"info\"").through(&["prlimit", "--nofile=64:64"]).start();
    assert!(gateway.output().contains("takes fewer connections"));
    let held: Vec<_> = (0..200).map(|_| connect(gateway.address)).collect();
    let (started, before) = (Instant::now(), processor_time(&gateway));
    sleep(Duration::from_secs(1));
    assert_eq!(gateway.admin("GET", "/healthz", &[], b"").status, 200);
    let busy = (processor_time(&gateway) - before) / started.elapsed().as_secs_f64();
    assert!(busy < 0.2, "{busy}");
    drop(held);
    let mut asked = (0..100).map(|_| {
        sleep(Duration::from_millis(20));
        gateway.ask("GET", "/public/x", &[]).status
    });
    assert!(asked.any(|status| status == 200), "places are free again");
}

// PRC-06
#[test]
fn a_listener_that_gets_no_files_waits_and_recovers() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("\"trace\"", "\"info\"").start();
    let allow = |files: &str| {
        let pid = gateway.pid().to_string();
        let limited =
            std::process::Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={files}:")]).status();
        assert!(limited.is_ok_and(|status| status.success()));
    };
    allow("10");
    let mut held: Vec<_> = (0..50).map(|_| connect(gateway.address)).collect();
    let (started, before) = (Instant::now(), processor_time(&gateway));
    sleep(Duration::from_secs(1));
    let busy = (processor_time(&gateway) - before) / started.elapsed().as_secs_f64();
    assert!(busy < 0.2, "{busy}");
    // Two workers, ten times a second.
    let warnings = gateway.output().matches("cannot take connections now").count();
    assert!((1..=60).contains(&warnings), "{warnings}");
    allow("1000");
    let first = held.first_mut().expect("fifty");
    first.write_all(&request("GET", "/public/x", &gateway.host(), &[], b"")).expect("sent");
    assert!(read_to_end(first).starts_with(b"HTTP/1.1 200"));
}

/// Sends a body long after it was refused, and still reads the refusal.
#[test]
fn a_caller_that_goes_on_sending_can_read_why_it_was_refused() {
    let gateway = Setup::new(&Upstream::start()).and("\n[limits]\nrequest_body = \"1MiB\"\n").start();
    let cases = [
        ("/nowhere", 3 << 20, "not_routed"),
        ("/open/x", 1 << 20, "cross_site_refused"),
        ("/public/x", 3 << 20, "body_too_large"),
    ];
    for (target, length, code) in cases {
        for _ in 0..5 {
            let mut stream = connect(gateway.address);
            let head =
                format!("POST {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n", gateway.host());
            stream.write_all(head.as_bytes()).expect("sent");
            sleep(Duration::from_millis(50));
            for part in vec![b'x'; length].chunks(64 * 1024) {
                stream.write_all(part).expect("the other side listens on");
            }
            let started = Instant::now();
            let answer = Answer::read(&read_to_end(&mut stream));
            assert_eq!((answer.code(), answer.header("connection"), answer.broken), (code, "close", false));
            assert!(started.elapsed() < Duration::from_secs(1));
        }
    }
    // Not for ever, and not for however much.
    let mut stream = connect(gateway.address);
    let head = format!("POST /nowhere HTTP/1.1\r\nHost: {}\r\nContent-Length: 999999999\r\n\r\n", gateway.host());
    stream.write_all(head.as_bytes()).expect("sent");
    let started = Instant::now();
    let mut sent = 0;
    while stream.write_all(&[b'x'; 16 * 1024]).is_ok() {
        sent += 16 * 1024;
    }
    assert!(sent < 32 << 20 && started.elapsed() < Duration::from_secs(5), "{sent} bytes in {:?}", started.elapsed());
    let mut stream = connect(gateway.address);
    stream.write_all(head.as_bytes()).expect("sent");
    let started = Instant::now();
    assert_eq!(Answer::read(&read_until(&mut stream, b"not_routed")).code(), "not_routed");
    let rest = read_to_end(&mut stream);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}: {}", started.elapsed(), rest.len());
}

// PRC-01, PRC-02
#[test]
fn a_stop_finishes_what_is_running_and_exits_0() {
    let upstream = Upstream::scripted(|_, stream| {
        sleep(Duration::from_millis(700));
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let mut idle = connect(gateway.address);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| gateway.own("GET", "/open", &cookie));
        upstream.wait_for(1);
        assert_eq!(gateway.terminate(), Some(0));
        assert_eq!(running.join().expect("no panic").status, 200, "a request that can finish is not cut");
    });
    assert!(read_to_end(&mut idle).is_empty());
}
