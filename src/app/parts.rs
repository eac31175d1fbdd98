//! What requests work with, made of a configuration: anew at start, and behind what was there before at a reload.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, getrlimit};
use rustls::ServerConfig;
use tokio::task::JoinSet;

use crate::assertion::{AssertionSettings, Assertions};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::{Config, HostSettings, PermissionSource};
use crate::gateway::{GatewaySettings, Limits, canonical_project};
use crate::grants::{ConfigGrants, GrantLookup, GrantSettings, GrantSource, HttpGrants};
use crate::hosts::assembly::{Assembly, AssemblySettings};
use crate::hosts::{HostPlatform, Hosted, HostedSettings, Installs, StartError};
use crate::secret::Secret;
use crate::session::{SessionSettings, Sessions};
use crate::telemetry;
use crate::tls::{self, Identity};

/// When a host that did not answer at start is looked at again. A day of that is 144 questions.
const PROBE_AGAIN: Duration = Duration::from_mins(10);

/// A certificate that ends sooner is spoken of: it should have been renewed by now.
const CERTIFICATE_ENDS_SOON: Duration = Duration::from_hours(14 * 24);

/// The parts of a gateway, before any socket is opened.
pub(super) struct Parts {
    hosts: Vec<Host>,
    installs: Vec<Arc<Installs>>,
    pub(super) grants: Arc<GrantLookup>,
    pub(super) config_grants: Arc<ConfigGrants>,
    pub(super) http_grants: Option<Arc<HttpGrants>>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) assertions: Arc<Assertions>,
    /// What callers are shown, and the settings made of it.
    tls: Option<(Identity, Arc<ServerConfig>)>,
    pub(super) drain: DrainTimes,
    /// What the admin API asks for, if there is one.
    pub(super) admin_token: Option<Secret>,
}

/// A host, of the kind that it is.
enum Host {
    Assembly(Arc<Assembly>),
    Hosted(Arc<Hosted>),
}

/// How a stop goes.
#[derive(Clone, Copy)]
pub(super) struct DrainTimes {
    pub(super) announce: Duration,
    pub(super) finish: Duration,
}

impl Parts {
    /// Everything that needs no socket. What must live through a reload is taken over from the parts before.
    pub(super) fn of(config: &Config, clock: &Clock, before: Option<&Self>) -> anyhow::Result<Self> {
        let installs = installs(config, before)?;
        let config_grants = Arc::new(ConfigGrants::new(config.grants.clone()));
        let http_grants = http_grants(config, clock, before)?;
        let source = |source: &PermissionSource| match source {
            PermissionSource::Config => Some(Arc::clone(&config_grants) as Arc<dyn GrantSource>),
            PermissionSource::Http(_) => http_grants.clone().map(|http| http as Arc<dyn GrantSource>),
        };
        let grants = GrantSettings {
            sources: config.permissions.sources.iter().filter_map(source).collect(),
            default_roles: config.default_roles.clone(),
            ttl: config.cache.ttl,
            negative_ttl: config.cache.negative_ttl,
            capacity: config.cache.capacity,
            on_outage: config.permissions.on_outage,
            clock: clock.clone(),
        };
        let grants = match before {
            None => GrantLookup::new(grants),
            Some(before) => GrantLookup::after(&before.grants, grants),
        };
        Ok(Self {
            hosts: hosts(config, clock, before, &installs)?,
            installs,
            grants: Arc::new(grants),
            config_grants,
            http_grants,
            sessions: Arc::new(sessions(config, clock, before)?),
            assertions: Arc::new(assertions(config, clock, before)?),
            tls: config.server.tls.as_ref().map(|identity| shown(identity, clock, before)).transpose()?,
            drain: DrainTimes { announce: config.server.drain_delay, finish: config.server.drain },
            admin_token: config.admin.as_ref().map(|admin| admin.token.clone()),
        })
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = Arc<dyn HostPlatform>> {
        self.hosts.iter().map(|host| match host {
            Host::Assembly(host) => Arc::clone(host) as Arc<dyn HostPlatform>,
            Host::Hosted(host) => Arc::clone(host) as Arc<dyn HostPlatform>,
        })
    }

    /// Asks each host what it can tell, until it answers or the tasks are dropped.
    pub(super) fn probes(&self) -> JoinSet<()> {
        let probe = |host: Arc<dyn HostPlatform>| async move {
            while !host.probe().await {
                tokio::time::sleep(PROBE_AGAIN).await;
            }
        };
        self.hosts().map(probe).collect()
    }

    /// What the gateway serves with.
    pub(super) fn settings(&self, config: &Config, audit: &Audit) -> anyhow::Result<GatewaySettings> {
        let mut request_id_prefix = [0; 8];
        let random = ring::rand::SystemRandom::new();
        let filled = ring::rand::SecureRandom::fill(&random, &mut request_id_prefix);
        filled.ok().context("the system gives no random bytes")?;
        Ok(GatewaySettings {
            public: config.server.public_url.clone(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            cors_origins: config.server.cors_origins.clone(),
            limits: limits(config.limits.clone()),
            tls: self.tls.as_ref().map(|(_, settings)| Arc::clone(settings)),
            hosts: self.hosts().collect(),
            bearers: config.session.bearer,
            sessions: Arc::clone(&self.sessions),
            grants: Arc::clone(&self.grants),
            policy: Arc::new(config.policy.clone()),
            routes: Arc::new(config.routes.clone()),
            headers: config.identity.headers.clone(),
            profile: config.identity.profile,
            assertions: Arc::clone(&self.assertions),
            upstream: config.upstream.clone(),
            audit: audit.clone(),
            fact_life: config.cache.ttl,
            drain_time: config.server.drain,
            request_id_prefix,
        })
    }
}

/// Those of the configuration, with no more connections than half of the files that there may be. The others are for the app,
/// the hosts' APIs, the probes and the log, which must not wait for a caller to go.
pub(super) fn limits(limits: Limits) -> Limits {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from(files / 2).unwrap_or(usize::MAX);
    Limits { connections_total: limits.connections_total.min(most), ..limits }
}

/// The platform that is asked, if one is. It goes on with what it knew if it is asked as before: a reload ends what is cached,
/// and is no reason to forget how much it can bear.
fn http_grants(config: &Config, clock: &Clock, before: Option<&Parts>) -> anyhow::Result<Option<Arc<HttpGrants>>> {
    let url = config.permissions.sources.iter().find_map(|source| match source {
        PermissionSource::Config => None,
        PermissionSource::Http(url) => Some(url),
    });
    let Some(url) = url else { return Ok(None) };
    let (settings, ttl) = (&config.permissions.http, config.cache.ttl);
    let old = before.and_then(|before| before.http_grants.as_ref()).filter(|old| old.is_like(url, settings, ttl));
    if let Some(old) = old {
        return Ok(Some(Arc::clone(old)));
    }
    let made = HttpGrants::new(url.clone(), settings.clone(), ttl, canonical_project, clock.clone());
    Ok(Some(Arc::new(made.context("[permissions]")?)))
}

/// A host that had the same name before goes on with what it knew, if it is of the same kind.
fn hosts(
    config: &Config,
    clock: &Clock,
    before: Option<&Parts>,
    installs: &[Arc<Installs>],
) -> anyhow::Result<Vec<Host>> {
    let old = before.map(|before| before.hosts.as_slice()).unwrap_or_default();
    let made = config.hosts.iter().map(|settings| {
        let host = match settings {
            HostSettings::Assembly(settings) => assembly(settings, clock, old),
            HostSettings::Hosted(settings) => hosted(with_installs(settings, installs), clock, old),
        };
        host.with_context(|| format!("[hosts.{}]", settings.name()))
    });
    made.collect()
}

fn assembly(settings: &AssemblySettings, clock: &Clock, old: &[Host]) -> Result<Host, StartError> {
    let old = old.iter().find_map(|host| match host {
        Host::Assembly(host) if *host.name() == settings.name => Some(host),
        _ => None,
    });
    let made = match old {
        None => Assembly::new(settings.clone(), clock.clone()),
        Some(old) => Assembly::after(old, settings.clone()),
    };
    Ok(Host::Assembly(Arc::new(made?)))
}

/// Secrets that platforms send are the process's, not those of one configuration: of each file there is one, for all hosts that
/// name it, read once.
fn installs(config: &Config, before: Option<&Parts>) -> anyhow::Result<Vec<Arc<Installs>>> {
    let old = before.map(|before| before.installs.as_slice()).unwrap_or_default();
    let mut all: Vec<Arc<Installs>> = Vec::new();
    for settings in &config.hosts {
        let HostSettings::Hosted(settings) = settings else { continue };
        let Some(named) = settings.installs.as_ref().filter(|named| find(&all, named).is_none()) else { continue };
        let known = find(old, named);
        if known.is_none() {
            named.open().with_context(|| format!("[hosts.{}] installs", settings.name))?;
        }
        all.push(Arc::clone(known.unwrap_or(named)));
    }
    Ok(all)
}

fn find<'a>(all: &'a [Arc<Installs>], named: &Installs) -> Option<&'a Arc<Installs>> {
    all.iter().find(|known| known.file() == named.file())
}

fn with_installs(settings: &HostedSettings, all: &[Arc<Installs>]) -> HostedSettings {
    let installs = settings.installs.as_ref().and_then(|named| find(all, named)).cloned();
    HostedSettings { installs, ..settings.clone() }
}

fn hosted(settings: HostedSettings, clock: &Clock, old: &[Host]) -> Result<Host, StartError> {
    let old = old.iter().find_map(|host| match host {
        Host::Hosted(host) if *host.name() == settings.name && host.is_of(settings.platform) => Some(host),
        _ => None,
    });
    let made = match old {
        None => Hosted::new(settings, clock.clone()),
        Some(old) => Hosted::after(old, settings),
    };
    Ok(Host::Hosted(Arc::new(made?)))
}

/// The server's side of TLS; of an identity that was shown before it stays, and with it the tickets that callers hold.
/// Everybody learns in time when the certificate ends: nothing else here ends by itself.
fn shown(identity: &Identity, clock: &Clock, before: Option<&Parts>) -> anyhow::Result<(Identity, Arc<ServerConfig>)> {
    let end = identity.not_after().context("[server] tls")?;
    telemetry::certificate_ends(end);
    let left = end.since(clock.now());
    if left < CERTIFICATE_ENDS_SOON {
        let days = left.as_secs() / 86400;
        tracing::warn!(event = "tls", not_after = end.to_rfc3339(), days, "the certificate has ended, or ends soon");
    }
    if let Some(known) = before.and_then(|before| before.tls.as_ref()).filter(|(known, _)| known == identity) {
        return Ok(known.clone());
    }
    let settings = tls::server(identity, &[tls::H2, tls::HTTP_11]).context("[server] tls")?;
    Ok((identity.clone(), settings))
}

fn sessions(config: &Config, clock: &Clock, before: Option<&Parts>) -> anyhow::Result<Sessions> {
    let settings = SessionSettings {
        keys: config.session.keys.clone(),
        idle: config.session.idle,
        absolute: config.session.absolute,
        origin: config.server.public_url.clone(),
        clock: clock.clone(),
    };
    Ok(match before {
        None => Sessions::new(settings)?,
        Some(before) => Sessions::after(&before.sessions, settings)?,
    })
}

fn assertions(config: &Config, clock: &Clock, before: Option<&Parts>) -> anyhow::Result<Assertions> {
    let settings = AssertionSettings {
        keys: config.identity.assertion_keys.clone(),
        ttl: config.identity.assertion_ttl,
        issuer: config.server.public_url.clone(),
        audience: config.identity.audience.clone(),
        clock: clock.clone(),
    };
    Ok(match before {
        None => Assertions::new(settings)?,
        Some(before) => Assertions::after(&before.assertions, settings)?,
    })
}
