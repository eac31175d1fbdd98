//! What the app and the operator get of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

use super::super::wire::{Answer, Request};
use super::super::{Recorded, Smoke};
use super::{ANN, DANA};

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
        .any(|cookie| cookie.starts_with("last-note~") && cookie.ends_with("; Secure; SameSite=None; Partitioned"));
    smoke.check(
        "a form is posted, and the app's cookie is made to live in the frame, apart for this person",
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
