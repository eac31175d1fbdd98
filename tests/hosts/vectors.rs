//! Assembly's tokens among the vectors: shown to the platform's own SDKs and to a third implementation, one a line. `valid`
//! says whether a token is authentic, `expect` what a gateway decides about it, which is stricter.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use vestibule::access::{HostName, OrganizationId, PreviewRule, SubjectId, TenantId};
use vestibule::clock::{Clock, Timestamp};
use vestibule::hosts::assembly::{ApiBudget, Assembly, AssemblySettings, ConfirmMode};
use vestibule::hosts::{HostError, HostPlatform as _, Presented};
use vestibule::secret::Secret;

use crate::support::{Platform, Setup, TENANT, Upstream};

/// So that no line is lost in silence.
const LINES: usize = 17;
const ACCEPTED: usize = 5;

#[derive(Deserialize)]
struct Line {
    id: String,
    /// When the line is to be judged, in seconds.
    now: u64,
    secret: String,
    token: String,
    expect: Expect,
    #[serde(default)]
    expected_claims: BTreeMap<String, String>,
    /// Only where it is more than the claims.
    expected_identity: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Accept,
    Refuse,
}

impl Line {
    fn platform(&self) -> Platform {
        let platform = Platform::start_with_key(&self.secret);
        platform.be_careless();
        platform
    }

    /// Who an accepted token is, in the words of the identity headers.
    fn identity(&self) -> BTreeMap<String, String> {
        let claim = |name: &str| self.expected_claims.get(name).cloned();
        let (client, internal) = (claim("clientId"), claim("internalUserId"));
        let kind = if client.is_some() { "client" } else { "internal" };
        let parts = [
            ("tenant", claim("workspaceId")),
            ("kind", Some(kind.to_owned())),
            ("organization", claim("companyId")),
            ("actor", internal.clone().filter(|_| client.is_some())),
            ("user", client.or(internal)),
        ];
        let identity = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        if let Some(stated) = &self.expected_identity {
            let mut stated = stated.clone();
            stated.remove("token_id");
            assert_eq!(identity, stated, "{}: claims and identity of the line differ", self.id);
        }
        identity
    }

    /// Whether the token says that it is over by now, where now is when the test runs.
    fn is_over(&self) -> bool {
        let end = self.expected_claims.get("expiresAt").map(|end| end.parse().expect("seconds"));
        end.is_some_and(|end| Timestamp::from_secs(end) <= Clock::system().now())
    }
}

fn lines() -> Vec<Line> {
    let text = include_str!("../data/host-vectors.jsonl");
    let own = text
        .lines()
        .filter(|line| line.contains(r#""platform":"assembly","#) || line.contains(r#""platform": "assembly","#));
    let lines: Vec<Line> = own.map(|line| serde_json::from_str(line).expect("a vector")).collect();
    assert_eq!(lines.len(), LINES);
    assert_eq!(lines.iter().filter(|line| line.expect == Expect::Accept).count(), ACCEPTED);
    lines
}

/// What the host's own code decides at this time, with the platform at hand.
async fn judge(line: &Line, now: Timestamp) -> Result<BTreeMap<String, String>, HostError> {
    let platform = line.platform();
    let settings = AssemblySettings {
        name: HostName::new("assembly").expect("a name"),
        api_key: Secret::from(line.secret.as_str()),
        tenants: vec![TenantId::new(TENANT).expect("an id")],
        confirm: ConfirmMode::Online,
        revalidate: Duration::from_hours(1),
        outage_grace: Duration::from_hours(1),
        api_budget: ApiBudget { per_second: 1000, per_month: 1000 },
        api_url: format!("http://{}", platform.address()),
        origins: Vec::new(),
        max_token_age: Duration::from_mins(10),
        preview: PreviewRule::ReadOnly,
    };
    let host = Assembly::new(settings, Clock::manual(now)).expect("a host");
    let principal = host.prove(&Secret::from(line.token.as_str()), &Presented::default()).await?.principal;
    let parts = [
        ("tenant", Some(principal.tenant().as_str())),
        ("kind", Some(principal.kind().as_str())),
        ("user", Some(principal.subject().as_str())),
        ("organization", principal.organization().map(OrganizationId::as_str)),
        ("actor", principal.actor().map(SubjectId::as_str)),
    ];
    Ok(parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect())
}

#[tokio::test]
async fn every_vector_is_decided_as_it_says_at_its_own_time() {
    for line in lines() {
        let expected = match line.expect {
            Expect::Accept => Ok(line.identity()),
            Expect::Refuse => Err(HostError::Refused),
        };
        assert_eq!(judge(&line, Timestamp::from_secs(line.now)).await, expected, "{}", line.id);
    }
}

#[tokio::test]
async fn a_vector_that_states_its_end_is_held_to_it() {
    let lines = lines();
    let ends: Vec<_> = lines.iter().filter(|line| line.expected_claims.contains_key("expiresAt")).collect();
    assert_eq!(ends.len(), 1);
    let end = Timestamp::from_secs(ends[0].expected_claims["expiresAt"].parse().expect("seconds"));
    assert!(judge(ends[0], end - Duration::from_secs(1)).await.is_ok());
    assert_eq!(judge(ends[0], end).await, Err(HostError::Refused));
}

#[test]
fn the_running_gateway_decides_every_vector_and_tells_the_app_the_same_identity() {
    let (mut accepted, mut over) = (0, 0);
    for line in lines() {
        let upstream = Upstream::start();
        let gateway = Setup::new(&upstream).env("ASSEMBLY_API_KEY", &line.secret).start_with(line.platform());
        let answer = gateway.present(&line.token);
        if line.expect == Expect::Refuse || line.is_over() {
            assert_eq!((answer.status, answer.code()), (401, "token_invalid"), "{}", line.id);
            assert!(answer.cookie().is_empty() && upstream.seen().is_empty(), "{}", line.id);
            over += usize::from(line.expect == Expect::Accept);
            continue;
        }
        assert_eq!(answer.status, 303, "{}: {answer:?}", line.id);
        assert_eq!(gateway.own("GET", "/open", &answer.cookie()).status, 200, "{}", line.id);
        let seen = upstream.last();
        let headers = ["tenant", "user", "user-kind", "organization", "actor"];
        let told = headers.map(|name| (name.replace("user-kind", "kind"), seen.values(&format!("x-vestibule-{name}"))));
        let told = told.into_iter().filter(|(_, values)| !values.is_empty());
        let told: BTreeMap<String, String> = told.map(|(name, values)| (name, values.join(" and "))).collect();
        assert_eq!(told, line.identity(), "{}", line.id);
        accepted += 1;
    }
    assert_eq!((accepted, over), (ACCEPTED - 1, 1), "the one with a stated end was over in 2026");
}
