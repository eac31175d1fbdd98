//! How one comes in and stays: tokens, cookies, sessions.

use serde_json::Value;

use super::super::Smoke;
use super::super::wire::Request;
use super::ANN;

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
