//! What would happen to a request, by the same routes, grants and policy that serve.

use std::sync::Arc;

use anyhow::Context as _;
use http::{HeaderValue, Method};
use serde_json::json;

use super::parts::Parts;
use crate::access::{
    Access, AccessRequest, Decision, Grant, Holding, HostName, Kind, OrganizationId, Permit, Principal, Scope,
    Standing, SubjectId, TenantId,
};
use crate::clock::Clock;
use crate::config::{Config, HostSettings};
use crate::gateway::{KNOWN_METHODS, NoRoute, Target};
use crate::hosts;

/// A request and a caller, as an operator writes them.
#[derive(Clone, Debug)]
pub struct Question {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Host; the only one if left out.
    pub host: Option<String>,
    /// Workspace.
    pub tenant: String,
    /// Person.
    pub subject: String,
    /// `client` or `internal`.
    pub kind: String,
    /// Company.
    pub organization: Option<String>,
    /// Rank at the host.
    pub host_role: Option<String>,
}

/// One grant, in words.
#[derive(Clone, Debug)]
pub struct ExplainedGrant {
    /// Role or permissions.
    pub holds: String,
    /// Where it counts.
    pub scope: String,
    /// Who says so.
    pub source: &'static str,
}

/// The way to a decision.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// Name of the route.
    pub route: Option<String>,
    /// What the route asks.
    pub asks: Option<String>,
    /// The project of the request.
    pub project: Option<String>,
    /// Everything that the caller holds, here or elsewhere.
    pub grants: Vec<ExplainedGrant>,
    /// `allow`, `deny`, or `none` where nothing is decided.
    pub decision: &'static str,
    /// The code of the refusal, or why it is allowed.
    pub reason: Option<String>,
    /// The headers that the app would get, without the assertion.
    pub headers: Vec<(String, String)>,
}

impl Explanation {
    /// The same for programs.
    pub fn to_json(&self) -> String {
        let grants: Vec<_> =
            self.grants.iter().map(|g| json!({ "holds": g.holds, "scope": g.scope, "source": g.source })).collect();
        let headers: serde_json::Map<_, _> =
            self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "route": self.route,
            "asks": self.asks,
            "project": self.project,
            "grants": grants,
            "decision": self.decision,
            "reason": self.reason,
            "headers": headers,
        })
        .to_string()
    }
}

/// Decides. Fails only if the question itself cannot be understood.
pub async fn explain(config: &Config, question: &Question) -> anyhow::Result<Explanation> {
    let method: Method = question.method.parse().context("METHOD is no method")?;
    if !KNOWN_METHODS.contains(&method) {
        return Ok(refused("method_not_allowed"));
    }
    let (path, query) =
        question.path.split_once('?').map_or((question.path.as_str(), None), |(path, query)| (path, Some(query)));
    let Ok(target) = Target::from_parts(path, query) else {
        return Ok(refused("malformed_request"));
    };
    if target.is_ours() {
        let reason = Some("the gateway answers this path itself; it has no route and never reaches the app".to_owned());
        return Ok(Explanation { decision: "none", reason, ..Explanation::default() });
    }
    let found = match config.routes.find(&method, &target) {
        Ok(found) => found,
        Err(NoRoute::Path) => return Ok(refused("not_routed")),
        Err(NoRoute::Method) => return Ok(refused("method_not_allowed")),
        Err(NoRoute::Project) => return Ok(refused("malformed_request")),
    };
    let principal = principal(config, question)?;
    if !matches!(found.route.access, Access::Public) && !is_served(config, &principal) {
        return Ok(Explanation {
            route: Some(found.route.name.to_string()),
            asks: Some(asks(&found.route.access)),
            ..refused("token_invalid (the host's `tenants` do not have this workspace)")
        });
    }
    let standing = Arc::new(Standing { host_role: question.host_role.clone(), ..Standing::default() });
    let grants = Parts::of(config, &Clock::system(), None)?.grants.of(&principal, &standing).await?;
    let request = AccessRequest {
        route: &found.route.name,
        access: &found.route.access,
        principal: Some(&principal),
        project: found.project.as_ref(),
        changes: !method.is_safe(),
        preview: crate::access::PreviewRule::ReadOnly,
    };
    let mut explanation = Explanation {
        route: Some(found.route.name.to_string()),
        asks: Some(asks(&found.route.access)),
        project: found.project.as_ref().map(ToString::to_string),
        grants: grants.list.iter().map(in_words).collect(),
        ..Explanation::default()
    };
    match config.policy.decide(&request, &grants) {
        Decision::Allow(permit) => {
            explanation.decision = "allow";
            explanation.headers = headers(config, &permit);
        }
        Decision::Deny(reason) => {
            explanation.decision = "deny";
            explanation.reason = Some(format!("forbidden ({})", reason.as_str()));
        }
    }
    Ok(explanation)
}

fn refused(code: &str) -> Explanation {
    Explanation { decision: "deny", reason: Some(code.to_owned()), ..Explanation::default() }
}

fn principal(config: &Config, question: &Question) -> anyhow::Result<Principal> {
    let host = match (&question.host, config.hosts.as_slice()) {
        (Some(name), _) => HostName::new(name).context("--host")?,
        (None, [only]) => only.name().clone(),
        (None, _) => anyhow::bail!("several hosts are configured; say which one with --host"),
    };
    anyhow::ensure!(config.hosts.iter().any(|known| *known.name() == host), "there is no [hosts.{host}]");
    let kind = Kind::parse(&question.kind).context("--kind is client or internal")?;
    let organization =
        question.organization.as_deref().map(OrganizationId::new).transpose().context("--organization")?;
    let tenant = TenantId::new(&question.tenant).context("--tenant")?;
    let subject = SubjectId::new(&question.subject).context("--subject")?;
    Ok(hosts::supposed(host, tenant, subject, kind, organization))
}

/// Whether the caller's host takes tokens of their workspace.
fn is_served(config: &Config, principal: &Principal) -> bool {
    config.hosts.iter().filter(|host| host.name() == principal.host()).any(|host| match host {
        HostSettings::Assembly(host) => host.tenants.contains(principal.tenant()),
        HostSettings::Hosted(host) => host.tenants.serve(principal.tenant()),
    })
}

fn asks(access: &Access) -> String {
    match access {
        Access::Public => "nothing (public)".to_owned(),
        Access::Authenticated => "any signed-in caller".to_owned(),
        Access::Require(permission) => permission.to_string(),
    }
}

fn in_words(grant: &Grant) -> ExplainedGrant {
    let holds = match &grant.holding {
        Holding::Role(role) => format!("role {role}"),
        Holding::Permissions(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    };
    let scope = match &grant.scope {
        Scope::Tenant => "the whole tenant".to_owned(),
        Scope::Organization(id) => format!("organization {id}"),
        Scope::Project(key) => format!("project {key}"),
    };
    ExplainedGrant { holds, scope, source: grant.source }
}

fn headers(config: &Config, permit: &Permit) -> Vec<(String, String)> {
    let text = |value: HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    config.identity.headers.values(permit).map(|(name, value)| (name.to_string(), text(value))).collect()
}
