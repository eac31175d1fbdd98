//! Drives the demo from outside, through TCP ports only, and says what passed.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::Context as _;
use serde_json::Value;

use super::{Demo, Ports};

mod checks;
mod wire;

use wire::{Answer, Request};

/// The ports, and what was found so far.
struct Smoke {
    ports: Ports,
    host_origin: String,
    passed: usize,
    failed: usize,
}

/// What the app recorded of one request.
struct Recorded(Value);

/// Runs every check; true if none failed.
pub(super) async fn run(demo: &Demo) -> anyhow::Result<bool> {
    let mut smoke = Smoke { ports: demo.ports, host_origin: demo.stage.host_origin(), passed: 0, failed: 0 };
    checks::run(&mut smoke).await?;
    writeln!(std::io::stdout(), "{} passed, {} failed", smoke.passed, smoke.failed)?;
    Ok(smoke.failed == 0)
}

impl Smoke {
    /// One named line; `saw` is shown if it is not as it should be.
    fn check(&mut self, name: &str, holds: bool, saw: impl std::fmt::Debug) -> anyhow::Result<()> {
        if holds {
            self.passed += 1;
            writeln!(std::io::stdout(), "ok    {name}")?;
        } else {
            self.failed += 1;
            writeln!(std::io::stdout(), "FAIL  {name}\n      saw {saw:?}")?;
        }
        Ok(())
    }

    fn gateway(&self) -> SocketAddr {
        self.ports.gateway
    }

    /// A token from the host's page, as its script would get it.
    async fn token(&self, person: &str, kind: &str) -> anyhow::Result<String> {
        let answer = Request::get(&format!("/api/token?person={person}&kind={kind}")).send(self.ports.host).await?;
        let body: Value = serde_json::from_slice(&answer.body)?;
        body["token"].as_str().map(str::to_owned).context("the host's page gives a token")
    }

    /// What a browser sends when the host's page points its frame there.
    fn framed(&self, target: &str) -> Request {
        Request::get(target)
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "iframe")
            .header("accept", "text/html")
            .header("referer", &format!("{}/", self.host_origin))
    }

    /// Opens the app as somebody and gives back the cookie.
    async fn sign_in(&self, person: &str) -> anyhow::Result<String> {
        let token = self.token(person, "good").await?;
        let answer = self.framed(&format!("/projects?token={token}")).send(self.gateway()).await?;
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        anyhow::ensure!(
            answer.status == 303 && !cookie.is_empty(),
            "{person} cannot sign in: {} {}",
            answer.status,
            answer.code()
        );
        Ok(cookie)
    }

    /// A request of the app's own page.
    fn own(method: &str, target: &str, cookie: &str) -> Request {
        Request::new(method, target).header("cookie", cookie).header("sec-fetch-site", "same-origin")
    }

    async fn ask(&self, request: Request) -> anyhow::Result<Answer> {
        request.send(self.gateway()).await
    }

    /// What the app got for the request that was answered so, from the app's own port.
    async fn recorded(&self, answer: &Answer) -> anyhow::Result<Option<Recorded>> {
        let id = answer.header("x-request-id");
        let records = Request::get("/").send(self.ports.records).await?;
        let list: Vec<Value> = serde_json::from_slice(&records.body)?;
        Ok(list.into_iter().find(|record| record["request_id"] == id).map(Recorded))
    }

    async fn set_revoked(&self, person: &str, revoked: bool) -> anyhow::Result<()> {
        let body = serde_json::json!({ "person": person, "revoked": revoked }).to_string();
        let answer =
            Request::new("POST", "/api/grants").body("application/json", body.as_bytes()).send(self.ports.host).await?;
        anyhow::ensure!(answer.status == 204, "the host's page cannot change grants: {}", answer.status);
        Ok(())
    }
}

impl Recorded {
    /// Every value of a header, in whatever spelling the app could confuse with it.
    fn values(&self, name: &str) -> Vec<String> {
        let plain = |text: &str| text.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let pairs = self.0["headers"].as_array().into_iter().flatten();
        let pairs = pairs.filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)));
        pairs.filter(|(own, _)| plain(own) == name).map(|(_, value)| value.to_owned()).collect()
    }

    fn value(&self, name: &str) -> String {
        self.values(name).join(" + ")
    }

    fn target(&self) -> &str {
        self.0["target"].as_str().unwrap_or_default()
    }

    /// Names of all headers that begin like ours.
    fn identity_headers(&self) -> usize {
        let pairs = self.0["headers"].as_array().into_iter().flatten();
        pairs.filter(|pair| pair[0].as_str().is_some_and(|name| name.starts_with("x-vestibule"))).count()
    }
}
