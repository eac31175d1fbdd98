//! Whose token it is: a platform with keys from the command line, or a host of a configuration.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use super::{read, secret};
use crate::access::{HostName, TenantId};
use crate::cli::ConfigFile;
use crate::clock::{Clock, Timestamp};
use crate::config::HostSettings;
use crate::hosts::{
    Algorithm, App, CbcForm, ClaimNames, Field, HostedSettings, KeyMaterial, KeySet, KeySource, Platform, PublicKey,
    Scheme, Tenants, platforms,
};
use crate::secret::Secret;

/// The workspace of platforms whose tokens name none.
const THE_TENANT: &str = "the-tenant";

#[derive(Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// Platform of the token; `vestibule hosts list` shows them.
    #[arg(long, value_name = "PLATFORM", default_value = "assembly")]
    platform: String,
    /// Host of a configuration, in place of a platform and keys; may be left out with -c if there is one.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
    /// Variable that holds Assembly's API key.
    #[arg(long, value_name = "NAME", default_value = "ASSEMBLY_API_KEY")]
    api_key_env: String,
    /// File that holds Assembly's API key, instead.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Variable that holds the platform's secret.
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// File that holds it, instead.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// File with the platform's public key: PEM, or 64 hex digits.
    #[arg(long, value_name = "FILE")]
    public_key_file: Option<PathBuf>,
    /// File with the platform's JWK Set, instead.
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// The app's own id at the platform.
    #[arg(long, value_name = "ID")]
    audience: Option<String>,
    /// What `iss` says, where the platform does not fix it.
    #[arg(long, value_name = "TEXT")]
    issuer: Option<String>,
    /// How a JWT is signed, where the platform does not fix it.
    #[arg(long, value_name = "NAME")]
    algorithm: Option<String>,
    /// Deployment of LTI 1.3.
    #[arg(long, value_name = "ID")]
    deployment: Vec<String>,
    /// The moment, RFC 3339 or in seconds since 1970; now by default.
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
}

/// A host whose tokens are made or read.
pub(super) enum Source {
    Assembly(Secret),
    Hosted(Box<HostedSettings>),
}

impl SourceArgs {
    /// The host, with the keys that there are. `tenant` is whose secret it is, where each tenant has one.
    pub(super) fn source(&self, tenant: Option<&str>) -> anyhow::Result<Source> {
        if self.host.is_some() || self.file.config.is_some() {
            return self.configured();
        }
        let unknown = || format!("`{}` is no platform; `vestibule hosts list` shows them", self.platform);
        let platform = platforms::find(&self.platform).with_context(unknown)?;
        if platform.scheme == Scheme::SealedCbc(CbcForm::Assembly) {
            let file = self.api_key_file.as_ref().or(self.secret_file.as_ref());
            let variable = self.secret_env.as_deref().unwrap_or(&self.api_key_env);
            let key = secret(Some(variable), file).context("the API key is needed: give --api-key-file")?;
            return Ok(Source::Assembly(key.context("the API key is needed: give --api-key-file")?));
        }
        let keys = self.keys(platform, tenant)?;
        Ok(Source::Hosted(Box::new(self.settings(platform, keys)?)))
    }

    /// The moment at which a token is made or judged.
    pub(super) fn clock(&self) -> anyhow::Result<Clock> {
        let Some(written) = &self.now else { return Ok(Clock::system()) };
        let seconds = written.parse().ok().map(Timestamp::from_secs);
        let time = seconds.or_else(|| Timestamp::from_rfc3339(written));
        Ok(Clock::manual(time.context("--now is a time such as 2026-09-21T13:33:20Z, or seconds since 1970")?))
    }

    fn configured(&self) -> anyhow::Result<Source> {
        let config = self.file.load()?;
        let named = config.hosts.iter().find(|host| Some(host.name().as_str()) == self.host.as_deref());
        let found = match (&self.host, &config.hosts[..]) {
            (Some(name), _) => named.with_context(|| format!("the configuration has no [hosts.{name}]"))?,
            (None, [only]) => only,
            (None, _) => bail!("the configuration has several hosts: give --host"),
        };
        Ok(match found.clone() {
            HostSettings::Assembly(host) => Source::Assembly(host.api_key),
            HostSettings::Hosted(host) => Source::Hosted(host),
        })
    }

    fn settings(&self, platform: &'static Platform, keys: KeyMaterial) -> anyhow::Result<HostedSettings> {
        let mut settings = HostedSettings::of(HostName::new("token")?, platform, keys);
        if platform.app != App::InSecret {
            settings.audience.clone_from(&self.audience);
        }
        settings.issuer.clone_from(&self.issuer);
        settings.deployments.clone_from(&self.deployment);
        if platform.scheme == Scheme::Jwt(&[]) {
            let written = self.algorithm.as_deref().context("how is it signed? give --algorithm, such as RS256")?;
            settings.algorithms =
                vec![Algorithm::parse(written).context("--algorithm is HS256, RS256, ES256 or EdDSA")?];
        }
        if platform.tenant == Field::TheTenant {
            settings.tenants = Tenants::Listed(vec![TenantId::new(THE_TENANT)?]);
        }
        if platform.tenant == Field::Asked {
            let one = |name: &str| Some(vec![name.to_owned()]);
            settings.claims = ClaimNames {
                tenant: one("tenant"),
                user: one("sub"),
                organization: one("organization"),
                role: one("role"),
                name: one("name"),
                email: one("email"),
            };
        }
        Ok(settings)
    }

    fn keys(&self, platform: &'static Platform, tenant: Option<&str>) -> anyhow::Result<KeyMaterial> {
        if let Some(file) = &self.jwks_file {
            return Ok(KeyMaterial::Set(KeySet::parse(read(file)?.as_bytes())?));
        }
        if let Some(file) = &self.public_key_file {
            return Ok(KeyMaterial::Pinned(vec![PublicKey::parse(&read(file)?)?]));
        }
        let secret = secret(self.secret_env.as_deref(), self.secret_file.as_ref())?;
        let secret = secret.map(|secret| platform.fit_secret(&secret).map_err(anyhow::Error::msg)).transpose()?;
        Ok(match (platform.keys, secret) {
            (KeySource::SecretOfTenant, Some(secret)) => {
                let tenant = tenant.context("whose secret is it? give --tenant")?;
                KeyMaterial::OfTenants([(tenant.to_owned(), vec![secret])].into())
            }
            (_, Some(secret)) => KeyMaterial::Secrets(vec![secret]),
            (KeySource::Jwks(address), None) => {
                KeyMaterial::Jwks(address.replace("{audience}", self.audience.as_deref().unwrap_or_default()))
            }
            (KeySource::KeyById(address), None) => KeyMaterial::KeyById(address.to_owned()),
            (KeySource::Published(keys), None) => {
                let known = keys.iter().map(|(_, hex)| PublicKey::ed25519_from_hex(hex));
                KeyMaterial::Pinned(known.collect::<Result<_, _>>()?)
            }
            // Whoever makes tokens has a private key, and whoever reads them will be told.
            (_, None) => KeyMaterial::Pinned(Vec::new()),
        })
    }
}
