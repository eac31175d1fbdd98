//! Assembly (formerly Copilot): AES-128-CBC tokens without a MAC, confirmed with the platform's API.

use std::time::Duration;

use crate::access::{HostName, OriginPattern, PreviewRule, TenantId};
use crate::secret::Secret;

/// How far a token is checked before it becomes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmMode {
    /// With the platform's API, once per session and again every `revalidate`.
    Online,
    /// Not at all beyond decryption: client users only.
    Offline,
}

/// How often the platform's API may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiBudget {
    /// Calls in one second.
    pub per_second: u32,
    /// Calls in thirty days.
    pub per_month: u32,
}

/// One `[hosts.NAME]` with `platform = "assembly"`.
#[derive(Clone, Debug)]
pub struct AssemblySettings {
    /// Name of the host in the configuration.
    pub name: HostName,
    /// The app's API key at the platform; also the source of the token cipher's key.
    pub api_key: Secret,
    /// Workspaces that are served; all others are refused.
    pub tenants: Vec<TenantId>,
    /// Online or offline.
    pub confirm: ConfirmMode,
    /// How long a confirmation holds, ±20 %.
    pub revalidate: Duration,
    /// How long proven sessions go on while the platform cannot be reached.
    pub outage_grace: Duration,
    /// Quota of the platform's API.
    pub api_budget: ApiBudget,
    /// Base of the platform's API: `https://host[:port]`, or `http://` on loopback. Never taken from a token.
    pub api_url: String,
    /// Pages that may frame the app.
    pub origins: Vec<OriginPattern>,
    /// How long a token is accepted after it was first seen.
    pub max_token_age: Duration,
    /// What staff may do in a preview.
    pub preview: PreviewRule,
}
