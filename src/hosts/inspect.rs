//! What is in a token and what the gateway decides about it, for an operator. Never part of an answer to a caller.

use serde_json::{Map, Value};

use super::platform::Scheme;
use super::{Hosted, HostedSettings, Presented, Proof, Refusal, StartError, jwt};
use crate::clock::Clock;
use crate::secret::Secret;

/// A token that was looked at.
pub struct Inspection {
    /// The header of a JWT.
    pub header: Option<Map<String, Value>>,
    /// What it says, as far as it can be read.
    pub claims: Option<Map<String, Value>>,
    /// Whether the platform said that, and not just anybody.
    pub proven: bool,
    /// What the gateway decides.
    pub verdict: Result<Proof, Refusal>,
}

/// Looks at a token by the code that decides in the gateway.
pub async fn inspect(
    settings: HostedSettings,
    token: &Secret,
    presented: &Presented,
    clock: Clock,
) -> Result<Inspection, StartError> {
    let is_jwt = matches!(settings.platform.scheme, Scheme::Jwt(_));
    let host = Hosted::new(settings, clock)?;
    let [header, read] = if is_jwt { jwt::unproven(token.expose()) } else { [None, None] };
    let opened = host.open(token, presented).await.map(|opened| opened.claims.into_members());
    let proven = opened.is_ok();
    Ok(Inspection { header, claims: opened.ok().or(read), proven, verdict: host.judge(token, presented).await })
}
