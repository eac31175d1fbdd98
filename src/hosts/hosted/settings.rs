//! What is configured of a host.

use std::sync::Arc;
use std::time::Duration;

use crate::access::{HostName, Kind, OriginPattern, TenantId};
use crate::hosts::installs::Installs;
use crate::hosts::keys::Algorithm;
use crate::hosts::material::KeyMaterial;
use crate::hosts::platform::{App, Carrier, Platform};
use crate::secret::Secret;

/// One `[hosts.NAME]` of any platform but Assembly.
#[derive(Clone, Debug)]
pub struct HostedSettings {
    /// Name of the host in the configuration.
    pub name: HostName,
    /// The row.
    pub platform: &'static Platform,
    /// What tokens are proven with.
    pub keys: KeyMaterial,
    /// Algorithms of a JWT; those of the row, or the configuration's.
    pub algorithms: Vec<Algorithm>,
    /// The app's id at the platform.
    pub audience: Option<String>,
    /// Who makes the tokens, where the row asks for it.
    pub issuer: Option<String>,
    /// LTI deployments.
    pub deployments: Vec<String>,
    /// The platform's authorization endpoint, where its tokens are the answer to a login.
    pub login_url: Option<String>,
    /// Secrets that the platform sends while we run: this host learns them, or signs in with them.
    pub installs: Option<Arc<Installs>>,
    /// Workspaces that are served.
    pub tenants: Tenants,
    /// Names of claims, where the row asks for them.
    pub claims: ClaimNames,
    /// What sort of people, where the row asks for it.
    pub kind: Kind,
    /// Where tokens stand.
    pub carriers: Vec<Carrier>,
    /// Pages that may frame the app.
    pub origins: Vec<OriginPattern>,
    /// Allowed difference of clocks.
    pub leeway: Duration,
    /// Age of tokens that state no end.
    pub max_token_age: Duration,
    /// Whether a token that names nobody counts, as a program.
    pub nameless: bool,
}

/// Workspaces that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// Every one that the platform vouches for.
    Any,
    /// These.
    Listed(Vec<TenantId>),
}

/// Which claims mean what in tokens of a host without a row of its own: names, from the outside inwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimNames {
    /// The workspace; none where the configuration names the only one.
    pub tenant: Option<Vec<String>>,
    /// The person.
    pub user: Option<Vec<String>>,
    /// The customer company.
    pub organization: Option<Vec<String>>,
    /// Their rank there.
    pub role: Option<Vec<String>>,
    /// Display name.
    pub name: Option<Vec<String>>,
    /// Address.
    pub email: Option<Vec<String>>,
}

impl Tenants {
    /// Whether this one is.
    pub fn serve(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.contains(tenant),
        }
    }

    /// Those that are named.
    pub fn listed(&self) -> &[TenantId] {
        match self {
            Self::Any => &[],
            Self::Listed(listed) => listed,
        }
    }

    pub(in crate::hosts) fn only(&self) -> Option<&TenantId> {
        let listed = self.listed();
        listed.first().filter(|_| listed.len() == 1)
    }
}

impl HostedSettings {
    /// Of a row, with nothing configured but keys: for trying out tokens. Serves every workspace that tokens name.
    pub fn of(name: HostName, platform: &'static Platform, keys: KeyMaterial) -> Self {
        let (algorithms, max_token_age) = (platform.algorithms().to_vec(), platform.age());
        let audience = if platform.app == App::InSecret { keys.before_colon() } else { None };
        Self {
            name,
            platform,
            keys,
            algorithms,
            audience,
            issuer: None,
            deployments: Vec::new(),
            login_url: None,
            installs: None,
            tenants: Tenants::Any,
            claims: ClaimNames::default(),
            kind: Kind::Client,
            carriers: platform.carriers.to_vec(),
            origins: Vec::new(),
            leeway: platform.leeway,
            max_token_age,
            nameless: false,
        }
    }

    /// Secrets that open or sign, where there are such.
    pub(in crate::hosts) fn secrets(&self) -> &[Secret] {
        match &self.keys {
            KeyMaterial::Secrets(secrets) => secrets,
            _ => &[],
        }
    }
}
