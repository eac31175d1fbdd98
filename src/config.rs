//! The operator's file: from what is written to what is meant.
//!
//! The file is parsed with positions, environment variables are laid over it, and then every section is read by hand
//! into the settings types of the modules. Nothing stops at the first fault: all problems are reported together, each
//! with its place, its key and what to do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::access::{Origin, Policy, RoleSpec, TenantId};
use crate::gateway::{IdentityHeaders, Limits, Routes, UpstreamSettings};
use crate::grants::{ConfigGrant, DefaultRole, HttpSettings, OnOutage};
use crate::hosts::HostedSettings;
use crate::hosts::assembly::AssemblySettings;
use crate::secret::Secret;
use crate::telemetry::LogFormat;

mod access;
mod document;
mod files;
mod hosts;
mod identity;
mod listeners;
mod permissions;
mod problem;
mod reader;
mod routes;
#[cfg(test)]
mod schema;
mod tls;
mod units;
mod upstream;
mod values;

pub use files::Files;
pub use problem::Problems;

/// Where a configuration is looked for when nobody says so.
const SEARCH: [&str; 2] = ["vestibule.toml", "/etc/vestibule/vestibule.toml"];

/// Environment variables, as a value: what is read from the process stays in `main`.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Where a configuration comes from: a file, and the environment that is laid over it. Can be read again and again.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    environment: Environment,
}

/// A checked configuration. Whatever is in here can be used as it is.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[upstream]`
    pub upstream: UpstreamSettings,
    /// `[hosts.*]`
    pub hosts: Vec<HostSettings>,
    /// `[session]`
    pub session: Session,
    /// `[identity]`
    pub identity: Identity,
    /// `[roles.*]`, as written.
    pub roles: Vec<RoleSpec>,
    /// `[roles.*]`, expanded.
    pub policy: Policy,
    /// `[[default_roles]]`
    pub default_roles: Vec<DefaultRole>,
    /// `[[routes]]`
    pub routes: Routes,
    /// `[permissions]`
    pub permissions: Permissions,
    /// `[[grants]]`
    pub grants: Vec<ConfigGrant>,
    /// `[cache]`
    pub cache: Cache,
    /// `[admin]`
    pub admin: Option<Admin>,
    /// `[health] listen`
    pub health: Option<SocketAddr>,
    /// `[limits]`
    pub limits: Limits,
    /// `[telemetry]`
    pub telemetry: Telemetry,
    /// What is allowed, but probably not meant.
    pub warnings: Vec<String>,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// Address of the public listener.
    pub listen: SocketAddr,
    /// The one origin that is served.
    pub public_url: Origin,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call with a token of their own.
    pub cors_origins: Vec<Origin>,
    /// Time that open connections get to finish.
    pub drain: Duration,
    /// Time between "not ready" and the end of accepting.
    pub drain_delay: Duration,
    /// Whether another process of ours may listen on the same address.
    pub reuse_port: bool,
    /// What callers are shown; without it they come in the clear.
    pub tls: Option<crate::tls::Identity>,
}

/// One `[hosts.NAME]`.
#[derive(Clone, Debug)]
pub enum HostSettings {
    /// `platform = "assembly"`
    Assembly(AssemblySettings),
    /// Every other platform.
    Hosted(Box<HostedSettings>),
}

/// `[session]`
#[derive(Clone, Debug)]
pub struct Session {
    /// (id, 32 bytes); the first seals.
    pub keys: Vec<(String, Secret)>,
    /// Life without a request.
    pub idle: Duration,
    /// Life whatever happens.
    pub absolute: Duration,
    /// Whether pages whose browser keeps no cookie get a bearer.
    pub bearer: bool,
}

/// `[identity]`
#[derive(Clone, Debug)]
pub struct Identity {
    /// Names of the headers that the app reads.
    pub headers: IdentityHeaders,
    /// PEM texts; the first signs.
    pub assertion_keys: Vec<Secret>,
    /// Life of an assertion.
    pub assertion_ttl: Duration,
    /// `aud` of assertions.
    pub audience: String,
    /// Whether names and addresses are passed on.
    pub profile: bool,
}

/// `[permissions]`
#[derive(Clone, Debug)]
pub struct Permissions {
    /// All are asked, in this order.
    pub sources: Vec<PermissionSource>,
    /// How a platform is asked.
    pub http: HttpSettings,
    /// What happens while a source cannot answer.
    pub on_outage: OnOutage,
}

/// Where grants come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermissionSource {
    /// `[[grants]]`
    Config,
    /// The platform at this address.
    Http(http::Uri),
}

/// `[cache]`
#[derive(Clone, Copy, Debug)]
pub struct Cache {
    /// Life of an answer.
    pub ttl: Duration,
    /// Life of an answer that holds nothing.
    pub negative_ttl: Duration,
    /// Answers that are kept.
    pub capacity: u64,
}

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Admin {
    /// A loopback address.
    pub listen: SocketAddr,
    /// What `/v1` asks for.
    pub token: Secret,
}

/// `[telemetry]`
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// How a log line looks.
    pub format: LogFormat,
    /// What is logged.
    pub level: String,
}

impl HostSettings {
    /// The name in the configuration.
    pub const fn name(&self) -> &crate::access::HostName {
        match self {
            Self::Assembly(settings) => &settings.name,
            Self::Hosted(settings) => &settings.name,
        }
    }

    /// Its row.
    pub fn platform(&self) -> &'static crate::hosts::Platform {
        match self {
            Self::Assembly(_) => crate::hosts::platforms::find("assembly").expect("the table has Assembly"),
            Self::Hosted(settings) => settings.platform,
        }
    }

    /// The workspaces that are named; none where all are served.
    pub fn tenants(&self) -> &[TenantId] {
        match self {
            Self::Assembly(settings) => &settings.tenants,
            Self::Hosted(settings) => settings.tenants.listed(),
        }
    }

    /// An id of this host as its tokens have it, however it is written here.
    fn fold(&self, id: &str) -> String {
        match self {
            Self::Assembly(_) => id.to_ascii_lowercase(),
            Self::Hosted(_) => id.to_owned(),
        }
    }

    fn serves(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Assembly(settings) => settings.tenants.contains(tenant),
            Self::Hosted(settings) => settings.tenants.serve(tenant),
        }
    }

    /// A workspace that is served, if one is named.
    pub fn a_tenant(&self) -> Option<&TenantId> {
        self.tenants().first()
    }
}

impl Environment {
    /// The variables of this process. One that is not UTF-8 is as good as not set.
    pub fn from_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn overrides(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(|(name, _)| name.starts_with("VESTIBULE__"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl Source {
    /// The file that is meant: the one given, `$VESTIBULE_CONFIG`, `./vestibule.toml`, `/etc/vestibule/vestibule.toml`.
    pub fn find(given: Option<&Path>, environment: Environment) -> Result<Self, Problems> {
        let named = given.map(Path::to_owned).or_else(|| environment.get("VESTIBULE_CONFIG").map(PathBuf::from));
        let found = named.or_else(|| SEARCH.iter().map(PathBuf::from).find(|path| path.is_file()));
        let path = found.ok_or_else(|| {
            Problems::general(
                "there is no configuration",
                "give one with `--config FILE` or $VESTIBULE_CONFIG, or write ./vestibule.toml; config/vestibule.toml shows every key",
            )
        })?;
        Ok(Self { path, environment })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and checks the file, and says which files were looked at for it, whatever came of it.
    pub fn read(&self) -> (Result<Config, Problems>, Files) {
        let mut files = Files::default();
        files.note(&self.path);
        let config = self.text().and_then(|text| understand(&text, &self.path, &self.environment, &mut files));
        (config, files)
    }

    /// Where the operator's own requests go, whatever is wrong elsewhere in the file: it says where to ask a process that
    /// runs on with what it had before.
    pub fn operator(&self) -> Result<(Option<Admin>, Option<SocketAddr>), Problems> {
        let text = self.text()?;
        let mut problems = Problems::new(&text, &self.path);
        let document = document::parse(&text, &self.environment, &mut problems);
        let Some(document) = document else { return Err(problems.sorted()) };
        let mut reader = reader::Reader::new(&self.environment, folder(&self.path), problems);
        let mut root = reader.root(&document);
        let (admin, health) = (listeners::admin(&mut root, &mut reader), listeners::health(&mut root, &mut reader));
        let (problems, _) = reader.into_parts();
        if problems.errors() == 0 { Ok((admin, health)) } else { Err(problems.sorted()) }
    }

    fn text(&self) -> Result<String, Problems> {
        std::fs::read_to_string(&self.path).map_err(|error| {
            let message = format!("{}: cannot be read: {error}", self.path.display());
            Problems::general(&message, "check the path and its permissions")
        })
    }
}

/// Checks a text. `file` is used for messages, and files of secrets are looked for beside it.
pub fn parse(text: &str, file: &Path, environment: &Environment) -> Result<Config, Problems> {
    understand(text, file, environment, &mut Files::default())
}

fn understand(text: &str, file: &Path, environment: &Environment, files: &mut Files) -> Result<Config, Problems> {
    let mut problems = Problems::new(text, file);
    let Some(document) = document::parse(text, environment, &mut problems) else {
        return Err(problems.sorted());
    };
    let mut reader = reader::Reader::new(environment, folder(file), problems).noting(std::mem::take(files));
    let config = read(&document, &mut reader);
    let (problems, noted) = reader.into_parts();
    *files = noted;
    match config {
        Some(config) if problems.errors() == 0 => Ok(Config { warnings: problems.warnings(), ..config }),
        _ => Err(problems.sorted()),
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// Reads every section even if one before it is in disorder; only a whole set makes a configuration.
fn read(document: &document::Node, reader: &mut reader::Reader<'_>) -> Option<Config> {
    let mut root = reader.root(document);
    listeners::refuse_what_is_not_there_yet(&mut root, reader);
    let server = listeners::server(&mut root, reader);
    let upstream = upstream::read(&mut root, reader);
    let hosts = hosts::read(&mut root, reader);
    let session = identity::session(&mut root, reader);
    let public_url = server.as_ref().map(|server| &server.public_url);
    let identity = identity::identity(&mut root, public_url, reader);
    let roles = access::roles(&mut root, reader);
    let policy = access::policy(&roles, reader);
    let default_roles = access::default_roles(&mut root, &hosts, &roles, reader);
    let routes = routes::read(&mut root, policy.is_some().then_some(&roles), reader);
    let permissions = permissions::read(&mut root, reader);
    let grants = access::grants(&mut root, &hosts, &roles, reader);
    let cache = access::cache(&mut root, reader);
    let admin = listeners::admin(&mut root, reader);
    let health = listeners::health(&mut root, reader);
    let limits = listeners::limits(&mut root, reader);
    let telemetry = listeners::telemetry(&mut root, reader);
    root.finish(reader);
    let roles = roles.ready.into_iter().map(|(_, role)| role).collect();
    let hosts = hosts.ready;
    Some(Config {
        server: server?,
        upstream: upstream?,
        hosts,
        session: session?,
        identity: identity?,
        roles,
        policy: policy?,
        default_roles,
        routes: routes?,
        permissions: permissions?,
        grants,
        cache,
        admin,
        health,
        limits,
        telemetry,
        warnings: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
