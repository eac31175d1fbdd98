//! The checks, each a sentence that a reader understands without the code.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::wire::{Answer, Request, read_until};
use super::{Recorded, Smoke};

const ANN: &str = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001";
const DANA: &str = "77777777-6666-4555-8444-000000000001";

pub(super) async fn bootstrap(smoke: &mut Smoke) -> anyhow::Result<()> {
    let token = smoke.token("ann", "good").await?;
    let answer = smoke.framed(&format!("/projects/apollo?view=all&token={token}&page=2")).send(smoke.gateway()).await?;
    smoke.check("a framed navigation with a token is answered with 303", answer.status == 303, &answer)?;
    let location = answer.header("location");
    smoke.check(
        "the token is gone from the address, and nothing else is",
        location == "/projects/apollo?view=all&page=2",
        location,
    )?;
    let cookie = answer.header("set-cookie").to_owned();
    let attributes = "; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=";
    smoke.check(
        "the session cookie has every attribute that a frame needs",
        cookie.starts_with("__Host-vestibule.") && cookie.contains(attributes),
        &cookie,
    )?;
    smoke.check("the session cookie stays below 1 KiB", cookie.len() < 1024, cookie.len())?;
    let quiet = answer.header("cache-control") == "no-store"
        && answer.header("referrer-policy") == "strict-origin-when-cross-origin";
    smoke.check("the redirect is not stored and tells its origin only", quiet, &answer)?;
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let landed =
        smoke.framed("/projects/apollo?view=all&page=2").header("cookie", &format!("theme=dark; {cookie}; lang=en"));
    let answer = smoke.ask(landed).await?;
    let Some(seen) = smoke.recorded(&answer).await? else {
        return smoke.check("the landing page reaches the app", false, &answer);
    };
    smoke.check(
        "the landing page reaches the app",
        answer.status == 200 && seen.target() == "/projects/apollo?view=all&page=2",
        seen.target(),
    )?;
    smoke.check(
        "the app keeps its own cookies and never sees ours",
        seen.value("cookie") == "theme=dark; lang=en",
        seen.value("cookie"),
    )?;
    let ancestors = format!("frame-ancestors {}", smoke.host_origin);
    smoke.check(
        "the page may be framed by this host and by nobody else",
        answer.header("content-security-policy") == ancestors,
        answer.all("content-security-policy"),
    )
}

pub(super) async fn identity(smoke: &mut Smoke) -> anyhow::Result<()> {
    let cookie = smoke.sign_in("ann").await?;
    let answer = smoke.ask(Smoke::own("GET", "/projects/apollo/whoami", &cookie)).await?;
    let seen = smoke.recorded(&answer).await?;
    let expected = [
        ("x-vestibule-host", "harbor"),
        ("x-vestibule-tenant", "11111111-2222-4333-8444-555555555555"),
        ("x-vestibule-user", ANN),
        ("x-vestibule-user-kind", "client"),
        ("x-vestibule-organization", "99999999-8888-4777-8666-000000000001"),
        ("x-vestibule-project", "apollo"),
        ("x-vestibule-roles", "editor"),
        ("x-vestibule-permissions", "projects:read,projects:write"),
        ("x-vestibule-actor", ""),
        ("x-vestibule-name", "Ann%20of%20Acme"),
    ];
    for (name, value) in expected {
        let got = seen.as_ref().map(|seen| seen.value(name)).unwrap_or_default();
        smoke.check(
            &format!("a client's request says {name}: {}", if value.is_empty() { "nothing" } else { value }),
            got == value,
            &got,
        )?;
    }
    let assertion = seen.as_ref().map(|seen| seen.value("x-vestibule-assertion")).unwrap_or_default();
    let keys = smoke.ask(Request::get("/.vestibule/jwks.json")).await?;
    let claims = verified(&assertion, &keys);
    let says = claims.as_ref().is_some_and(|claims| claims["sub"] == ANN && claims["project"] == "apollo");
    smoke.check("the assertion verifies against the published keys and says the same", says, &claims)?;

    let cookie = smoke.sign_in("dana").await?;
    let answer = smoke.ask(Smoke::own("GET", "/projects/borealis/whoami", &cookie)).await?;
    let seen = smoke.recorded(&answer).await?;
    let staff = seen.as_ref().is_some_and(|seen| {
        seen.value("x-vestibule-user-kind") == "internal" && seen.value("x-vestibule-permissions") == "*"
    });
    smoke.check("staff hold their default role in every project", staff, &answer)?;
    let cookie = smoke.sign_in("eli").await?;
    let answer = smoke.ask(Smoke::own("GET", "/projects/apollo/whoami", &cookie)).await?;
    smoke.check("staff with limited access hold no role in the whole tenant", answer.code() == "forbidden", &answer)?;

    let cookie = smoke.sign_in("preview").await?;
    let answer = smoke.ask(Smoke::own("GET", "/projects/apollo/whoami", &cookie)).await?;
    let seen = smoke.recorded(&answer).await?;
    let both = seen
        .as_ref()
        .is_some_and(|seen| seen.value("x-vestibule-user") == ANN && seen.value("x-vestibule-actor") == DANA);
    smoke.check("a staff preview is the client, with the member of staff as actor", both, &answer)?;
    let answer = smoke
        .ask(Smoke::own("POST", "/projects/apollo/notes", &cookie).body("application/x-www-form-urlencoded", b"text=x"))
        .await?;
    smoke.check("a staff preview changes nothing", answer.code() == "preview_read_only", &answer)
}

/// The claims, if an ES256 signature of one of the published keys holds.
fn verified(assertion: &str, keys: &Answer) -> Option<Value> {
    let (message, signature) = assertion.rsplit_once('.')?;
    let keys: Value = serde_json::from_slice(&keys.body).ok()?;
    let part = |name: &str| URL_SAFE_NO_PAD.decode(keys["keys"][0][name].as_str()?).ok();
    let point = [vec![4], part("x")?, part("y")?].concat();
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message.as_bytes(), &signature).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(message.split_once('.')?.1).ok()?).ok()
}

pub(super) async fn spoofing(smoke: &mut Smoke) -> anyhow::Result<()> {
    let cookie = smoke.sign_in("ann").await?;
    let spoofed = |request: Request| {
        request
            .header("X-Vestibule-User", "somebody")
            .header("x-vestibule-user", "somebody-else")
            .header("X_Vestibule_User", "third")
            .header("X-Vestibule_Permissions", "*")
            .header("X.Vestibule.Roles", "staff")
    };
    let answer = smoke.ask(spoofed(Smoke::own("GET", "/projects/apollo/whoami", &cookie))).await?;
    let seen = smoke.recorded(&answer).await?;
    let real = |seen: &Recorded| {
        seen.values("x-vestibule-user") == [ANN]
            && seen.values("x-vestibule-permissions") == ["projects:read,projects:write"]
            && seen.values("x-vestibule-roles") == ["editor"]
    };
    smoke.check(
        "spoofed identity headers never reach the app, in any spelling",
        seen.as_ref().is_some_and(real),
        seen.map(|seen| seen.0),
    )?;

    let answer = smoke.ask(spoofed(Request::get("/assets/app.js"))).await?;
    let seen = smoke.recorded(&answer).await?;
    let none =
        seen.as_ref().is_some_and(|seen| seen.identity_headers() == 0 && seen.values("x-vestibule-user").is_empty());
    smoke.check(
        "a public route passes no identity on, neither ours nor a spoofed one",
        answer.status == 200 && none,
        seen.map(|seen| seen.0),
    )?;

    let listed = Smoke::own("GET", "/projects/apollo/whoami", &cookie)
        .header("connection", "close, X-Vestibule-User, x-vestibule-roles");
    let answer = smoke.ask(listed).await?;
    let seen = smoke.recorded(&answer).await?;
    smoke.check(
        "naming our headers in Connection takes none of them away",
        seen.as_ref().is_some_and(real),
        seen.map(|seen| seen.0),
    )?;

    let trailing = Smoke::own("POST", "/projects/apollo/notes", &cookie)
        .body("application/x-www-form-urlencoded", b"text=trailed")
        .trailer("X-Vestibule-User: somebody")
        .header("trailer", "X-Vestibule-User");
    let answer = smoke.ask(trailing).await?;
    let seen = smoke.recorded(&answer).await?;
    let dropped = seen.as_ref().is_some_and(|seen| real(seen) && seen.0["trailers"] == false);
    smoke.check("a caller's trailers are dropped", answer.status == 303 && dropped, &answer)?;

    let answer = smoke
        .ask(
            Smoke::own("GET", "/projects/apollo/whoami", &cookie)
                .header("x-forwarded-for", "6.6.6.6")
                .header("forwarded", "for=6.6.6.6")
                .header("x-original-url", "/admin"),
        )
        .await?;
    let seen = smoke.recorded(&answer).await?;
    let own = seen.as_ref().is_some_and(|seen| {
        seen.value("x-forwarded-for") == "127.0.0.1"
            && seen.value("forwarded").is_empty()
            && seen.value("x-original-url").is_empty()
    });
    smoke.check("forwarding headers of a stranger are replaced", own, seen.map(|seen| seen.0))
}

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
    let handshake = |origin: &str| {
        Request::get("/projects/apollo/live")
            .header("cookie", &cookie)
            .header("origin", origin)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let (_, bytes) = handshake(&smoke.host_origin).send_until(smoke.gateway(), b"origin_refused").await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    smoke.check(
        "a WebSocket from the host's page is refused by its Origin",
        text.starts_with("HTTP/1.1 403") && text.contains("origin_refused"),
        &text,
    )?;
    let (mut stream, bytes) =
        handshake(&format!("http://{}", smoke.gateway())).send_until(smoke.gateway(), b"\r\n\r\n").await?;
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
    let answer = smoke.ask(Request::get("/projects/apollo/whoami")).await?;
    smoke.check("nobody without a session gets in", answer.code() == "session_missing", &answer)
}

pub(super) async fn tokens(smoke: &mut Smoke) -> anyhow::Result<()> {
    let mut faces: Vec<String> = Vec::new();
    let mut bad = vec![("not hex at all".to_owned(), "garbage"), (String::new(), "an empty token")];
    for (kind, name) in [
        ("expired", "an expired token"),
        ("tampered", "a tampered token"),
        ("elsewhere", "a token of another workspace"),
    ] {
        bad.push((smoke.token("ann", kind).await?, name));
    }
    for (token, name) in &bad {
        let answer =
            smoke.framed(&format!("/projects?token={}", token.replace(' ', "+"))).send(smoke.gateway()).await?;
        smoke.check(
            &format!("{name} is refused"),
            answer.code() == "token_invalid" && answer.header("set-cookie").is_empty(),
            &answer,
        )?;
        let id = answer.header("x-request-id").to_owned();
        let same: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "date" && name != "x-request-id").collect();
        faces.push(format!("{} {same:?} {}", answer.status, answer.text().replace(&id, "")));
    }
    let alike = faces.windows(2).all(|pair| pair[0] == pair[1]);
    smoke.check("all refused tokens get the same answer, byte for byte", alike, &faces)?;
    let token = smoke.token("ann", "good").await?;
    let answer = smoke.framed(&format!("/projects?token={token}&token={token}")).send(smoke.gateway()).await?;
    smoke.check("two tokens in one address are no token", answer.code() == "malformed_request", &answer)?;
    let answer = smoke
        .ask(
            Request::get(&format!("/projects?token={token}"))
                .header("sec-fetch-site", "same-origin")
                .header("sec-fetch-mode", "cors")
                .header("sec-fetch-dest", "empty"),
        )
        .await?;
    smoke.check(
        "a token on anything but a framed navigation is worth nothing",
        answer.code() == "session_missing",
        &answer,
    )
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

pub(super) async fn streams(smoke: &mut Smoke) -> anyhow::Result<()> {
    let cookie = smoke.sign_in("ann").await?;
    let bytes: Vec<u8> = (0..5_u32 << 20).map(|n| n.to_le_bytes()[0]).collect();
    let answer =
        smoke.ask(Smoke::own("PUT", "/projects/apollo/file", &cookie).body("application/octet-stream", &bytes)).await?;
    let hash = faster_hex::hex_string(digest::digest(&digest::SHA256, &bytes).as_ref());
    smoke.check("an upload of 5 MiB arrives whole", answer.text().contains(&hash), answer.text())?;
    let answer = smoke
        .ask(
            Smoke::own("POST", "/projects/apollo/notes", &cookie)
                .body("application/x-www-form-urlencoded", b"text=hello"),
        )
        .await?;
    let rewritten = answer
        .all("set-cookie")
        .iter()
        .any(|cookie| cookie.starts_with("last-note=") && cookie.ends_with("; Secure; SameSite=None; Partitioned"));
    smoke.check(
        "a form is posted, and the app's cookie is made to live in the frame",
        answer.status == 303 && rewritten,
        &answer,
    )?;
    let (_, bytes) =
        Smoke::own("GET", "/projects/apollo/events", &cookie).send_until(smoke.gateway(), b"data: 0").await?;
    smoke.check(
        "an event arrives while its stream goes on",
        bytes.windows(7).any(|window| window == b"data: 0"),
        String::from_utf8_lossy(&bytes),
    )?;
    let answer = smoke.ask(Smoke::own("GET", "/projects/apollo/file", &cookie).header("range", "bytes=10-12")).await?;
    smoke.check(
        "Range passes both ways",
        answer.status == 206 && answer.text() == "abc" && answer.header("content-range") == "bytes 10-12/36",
        &answer,
    )?;
    let answer = smoke.ask(Smoke::own("HEAD", "/projects/apollo/file", &cookie)).await?;
    smoke.check(
        "HEAD tells the length and sends no body",
        answer.status == 200 && answer.header("content-length") == "36" && answer.body.is_empty(),
        &answer,
    )
}

pub(super) async fn sessions(smoke: &mut Smoke) -> anyhow::Result<()> {
    let cookie = smoke.sign_in("ann").await?;
    let answer = smoke.ask(Smoke::own("GET", "/.vestibule/session", &cookie)).await?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    smoke.check("the app's page can ask who is signed in", body["user"] == ANN && body["kind"] == "client", &body)?;
    let other = smoke.sign_in("dana").await?;
    let answer = smoke.ask(Smoke::own("GET", "/projects/apollo/whoami", &format!("{cookie}; {other}"))).await?;
    smoke.check(
        "two people in one browser are never guessed between",
        answer.code() == "context_ambiguous",
        &answer,
    )?;
    let context = body["context"].as_str().unwrap_or_default();
    let answer = smoke
        .ask(
            Smoke::own("GET", "/projects/apollo/whoami", &format!("{cookie}; {other}"))
                .header("x-vestibule-context", context),
        )
        .await?;
    let seen = smoke.recorded(&answer).await?;
    smoke.check(
        "a page that says which of them it belongs to gets that one",
        seen.is_some_and(|seen| seen.value("x-vestibule-user") == ANN),
        &answer,
    )?;
    let flipped = format!("{}A", &cookie[..cookie.len() - 1]);
    let flipped = if flipped == cookie { format!("{}B", &cookie[..cookie.len() - 1]) } else { flipped };
    let answer = smoke.ask(Smoke::own("GET", "/projects/apollo/whoami", &flipped)).await?;
    smoke.check("a changed cookie is no session", answer.code() == "session_missing", &answer)?;
    let answer = smoke.ask(Smoke::own("GET", "/projects/apollo/whoami", &format!("{cookie}; {cookie}"))).await?;
    smoke.check("a cookie that comes twice is no session", answer.code() == "session_missing", &answer)?;
    let answer = smoke.ask(Smoke::own("POST", "/.vestibule/logout", &cookie)).await?;
    let cleared =
        answer.header("set-cookie").ends_with("=; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=0");
    smoke.check(
        "logout clears the cookie with the attributes that it was set with",
        answer.status == 204 && cleared,
        &answer,
    )?;
    let answer = smoke.ask(Smoke::own("GET", "/projects/apollo/whoami", &cookie)).await?;
    smoke.check(
        "a cookie that was saved before logout opens nothing after it",
        answer.code() == "session_expired",
        &answer,
    )
}

pub(super) async fn operations(smoke: &mut Smoke) -> anyhow::Result<()> {
    let health = Request::get("/healthz").send(smoke.ports.admin).await?;
    smoke.check("healthz says that the process lives", health.status == 200, &health)?;
    let ready = Request::get("/readyz").send(smoke.ports.admin).await?;
    smoke.check(
        "readyz is 200 and says what is weaker than it could be",
        ready.status == 200 && ready.text().contains("revocations: memory"),
        ready.text(),
    )?;
    let metrics = Request::get("/metrics").send(smoke.ports.admin).await?.text();
    let counted = metrics.contains("vestibule_http_requests_total{") && metrics.contains("vestibule_decisions_total{");
    smoke.check("metrics count requests and decisions", counted, &metrics)?;
    smoke.check("no metric names a person", !metrics.contains(ANN) && !metrics.contains(DANA), &metrics)?;
    let answer = smoke.ask(Request::get("/metrics")).await?;
    smoke.check("the public listener has no metrics", answer.code() == "not_routed", &answer)
}
