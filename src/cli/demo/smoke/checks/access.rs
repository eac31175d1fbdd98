//! Who may do what from where.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::super::Smoke;
use super::super::wire::{Request, read_until};

pub(super) async fn sites(smoke: &mut Smoke) -> anyhow::Result<()> {
    let token = smoke.token("ann", "good").await?;
    let foreign = Request::get(&format!("/projects?token={token}"))
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "iframe");
    let answer = smoke.ask(foreign.clone().header("referer", "https://evil.example/")).await?;
    let refused = answer.code() == "origin_refused" && answer.header("set-cookie").is_empty();
    smoke.check("a foreign page cannot sign anybody in, even with a good token", refused, &answer)?;
    let answer = smoke.ask(foreign).await?;
    smoke.check("a frame that hides its page is refused", answer.code() == "origin_refused", &answer)?;

    let cookie = smoke.sign_in("ann").await?;
    let cross = |method: &str, mode: &str, dest: &str| {
        Request::new(method, "/projects/apollo/whoami")
            .header("cookie", &cookie)
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest)
    };
    for (method, mode, dest) in [("GET", "cors", "empty"), ("POST", "navigate", "iframe"), ("GET", "no-cors", "image")]
    {
        let answer = smoke.ask(cross(method, mode, dest)).await?;
        smoke.check(
            &format!("another site's {method} ({mode}, {dest}) with the cookie is refused"),
            answer.code() == "cross_site_refused",
            &answer,
        )?;
    }
    let (_, bytes) = handshake(&cookie, &smoke.host_origin).send_until(smoke.gateway(), b"origin_refused").await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    smoke.check(
        "a WebSocket from the host's page is refused by its Origin",
        text.starts_with("HTTP/1.1 403") && text.contains("origin_refused"),
        &text,
    )?;
    let (mut stream, bytes) =
        handshake(&cookie, &format!("http://{}", smoke.gateway())).send_until(smoke.gateway(), b"\r\n\r\n").await?;
    let switched = String::from_utf8_lossy(&bytes).starts_with("HTTP/1.1 101");
    // A masked text frame (RFC 6455 §5.2) that says "hi", with a mask of zeros.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await?;
    let echoed = read_until(&mut stream, b"echo: hi").await?;
    smoke.check(
        "a WebSocket from the app's own page is a tunnel to the app",
        switched && echoed.ends_with(b"echo: hi"),
        &echoed,
    )
}

fn handshake(cookie: &str, origin: &str) -> Request {
    Request::get("/projects/apollo/live")
        .header("cookie", cookie)
        .header("origin", origin)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

pub(super) async fn permissions(smoke: &mut Smoke) -> anyhow::Result<()> {
    let cookie = smoke.sign_in("ann").await?;
    let read = |cookie: &str| Smoke::own("GET", "/projects/apollo/whoami", cookie);
    let answer = smoke.ask(Smoke::own("GET", "/projects/cassini", &cookie)).await?;
    smoke.check(
        "a project without a grant is 403, and the app does not hear of it",
        answer.code() == "forbidden" && smoke.recorded(&answer).await?.is_none(),
        &answer,
    )?;
    let answer = smoke
        .ask(
            Smoke::own("POST", "/projects/borealis/notes", &cookie)
                .body("application/x-www-form-urlencoded", b"text=x"),
        )
        .await?;
    smoke.check("a viewer cannot write", answer.code() == "forbidden", &answer)?;

    let before = smoke.ask(read(&cookie)).await?;
    smoke.set_revoked("ann", true).await?;
    let after = smoke.ask(read(&cookie)).await?;
    smoke.check(
        "a revoked grant stops the very next request, cached or not",
        before.status == 200 && after.code() == "forbidden",
        (before.status, after.status),
    )?;
    smoke.set_revoked("ann", false).await?;
    let again = smoke.ask(read(&cookie)).await?;
    smoke.check("a grant that is given again counts at once", again.status == 200, &again)?;
    open_streams(smoke, &cookie).await?;
    let answer = smoke.ask(Request::get("/projects/apollo/whoami")).await?;
    smoke.check("nobody without a session gets in", answer.code() == "session_missing", &answer)
}

async fn open_streams(smoke: &mut Smoke, cookie: &str) -> anyhow::Result<()> {
    let gateway = smoke.gateway();
    let (mut socket, _) = handshake(cookie, &format!("http://{gateway}")).send_until(gateway, b"\r\n\r\n").await?;
    let (mut events, _) = Smoke::own("GET", "/projects/apollo/events", cookie).send_until(gateway, b"data: 0").await?;
    smoke.set_revoked("ann", true).await?;
    let revoked = Instant::now();
    let closed = read_until(&mut socket, b"forbidden").await?;
    let took = revoked.elapsed();
    // A Close frame (RFC 6455 §5.5.1): its length, the code, and a word.
    let told = closed.ends_with(&[&[0x88, 11][..], &4403_u16.to_be_bytes(), b"forbidden"].concat());
    smoke.check(
        "a revoked grant closes the open WebSocket with 4403 within a second",
        told && took < Duration::from_secs(1),
        (took, &closed),
    )?;
    let rest = read_until(&mut events, b"0\r\n\r\n").await?;
    let took = revoked.elapsed();
    smoke.check(
        "and breaks the event stream off, which then does not look complete",
        took < Duration::from_secs(2) && !rest.ends_with(b"0\r\n\r\n"),
        (took, String::from_utf8_lossy(&rest)),
    )?;
    smoke.set_revoked("ann", false).await
}

pub(super) async fn paths(smoke: &mut Smoke) -> anyhow::Result<()> {
    let cookie = smoke.sign_in("ann").await?;
    let cases = [
        ("GET", "/assets/../projects/cassini", "forbidden"),
        ("GET", "/assets/%2e%2e/projects/cassini", "forbidden"),
        ("GET", "//projects/cassini", "forbidden"),
        ("GET", "/assets/..%2fprojects/cassini", "malformed_request"),
        ("GET", "/assets/..;/projects/cassini", "malformed_request"),
        ("GET", "/assets/%c0%ae%c0%ae/projects", "malformed_request"),
        ("GET", "/projects/apollo/../cassini/whoami", "forbidden"),
        ("GET", "/nothing/here", "not_routed"),
        ("GET", "/PROJECTS/apollo", "not_routed"),
        ("GET", "/.vestibule/nothing", "not_routed"),
        ("PATCH", "/projects/apollo", "method_not_allowed"),
        ("TRACE", "/projects/apollo", "method_not_allowed"),
        ("get", "/projects/apollo", "method_not_allowed"),
    ];
    for (method, target, code) in cases {
        let answer = smoke.ask(Smoke::own(method, target, &cookie)).await?;
        smoke.check(&format!("{method} {target} is {code}"), answer.code() == code, &answer)?;
    }
    let answer = smoke.ask(Smoke::own("GET", "/projects", &cookie).host("evil.example")).await?;
    smoke.check("another Host is 421", answer.code() == "wrong_host", &answer)
}
