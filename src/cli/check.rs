//! `vestibule check`: is the configuration in order, and is what it names there?

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{ConfigFile, EXIT_CONFIG, OutputFormat};
use crate::access::{Access, TenantId};
use crate::app;
use crate::config::{Config, HostSettings};

/// What an unreachable part ends with (`EX_UNAVAILABLE` of sysexits).
const EXIT_UNAVAILABLE: u8 = 69;

/// What `check` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Also ask the app, the host's API and your own platform for permissions.
    #[arg(long)]
    online: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    format: OutputFormat,
}

/// Checks, and prints what was understood.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match args.file.load() {
        Ok(config) => config,
        Err(problems) if args.format == OutputFormat::Json => {
            writeln!(std::io::stdout(), "{}", problems.to_json())?;
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
        Err(problems) => return Err(problems.into()),
    };
    let findings = if args.online { look(&config)? } else { Vec::new() };
    report(&config, &findings, args.format)?;
    let reachable = findings.iter().all(|finding| finding.good);
    Ok(if reachable { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNAVAILABLE) })
}

fn look(config: &Config) -> anyhow::Result<Vec<app::Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(app::look(config))
}

fn report(config: &Config, findings: &[app::Finding], format: OutputFormat) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if format == OutputFormat::Json {
        let online: Vec<_> =
            findings.iter().map(|f| json!({ "part": f.part, "good": f.good, "says": f.says })).collect();
        let hosts: Vec<_> = config.hosts.iter().map(facts).collect();
        let body = json!({ "problems": [], "warnings": config.warnings, "hosts": hosts, "online": online });
        writeln!(out, "{body}")?;
        return Ok(());
    }
    let hosts: Vec<String> = config.hosts.iter().map(|host| host.name().to_string()).collect();
    writeln!(
        out,
        "config    ok: {} routes, {} roles, {} grants; hosts: {}",
        config.routes.iter().count(),
        config.roles.len(),
        config.grants.len(),
        hosts.join(", ")
    )?;
    let tls = match &config.server.tls {
        Some(identity) => format!(", TLS until {}", identity.not_after()?.to_rfc3339()),
        None => String::new(),
    };
    writeln!(out, "public    {} on {}{tls}", config.server.public_url, config.server.listen)?;
    for host in &config.hosts {
        writeln!(out, "host      {}", told(host))?;
    }
    for route in config.routes.iter() {
        let methods = route.methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(" ");
        let methods = if methods.is_empty() { "any method".to_owned() } else { methods };
        writeln!(out, "route     {:<36} {:<28} {}", route.path.to_string(), methods, describe(&route.access))?;
    }
    for warning in &config.warnings {
        writeln!(out, "warning   {warning}")?;
    }
    for finding in findings {
        let mark = if finding.good { "ok" } else { "NOT OK" };
        writeln!(out, "{:<9} {mark}: {}", finding.part, finding.says)?;
    }
    Ok(())
}

/// A host, what its tokens are good for, and which workspaces are served.
fn told(host: &HostSettings) -> String {
    let facts = facts(host);
    let text = |name: &str| facts[name].as_str().unwrap_or_default();
    let listed: Vec<&str> = facts["workspaces"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let served = match listed[..] {
        [] => "every workspace".to_owned(),
        [one] => format!("workspace {one}"),
        _ => format!("workspaces {}", listed.join(", ")),
    };
    format!("{}: {}; {}; {served}", text("name"), text("title"), text("serves"))
}

fn facts(host: &HostSettings) -> Value {
    let platform = host.platform();
    let serves = if platform.opens_session { "a session" } else { "one request" };
    let workspaces: Vec<&str> = host.tenants().iter().map(TenantId::as_str).collect();
    json!({
        "name": host.name().as_str(),
        "platform": platform.name,
        "title": platform.title,
        "serves": serves,
        "workspaces": workspaces,
    })
}

fn describe(access: &Access) -> String {
    match access {
        Access::Public => "public".to_owned(),
        Access::Authenticated => "authenticated".to_owned(),
        Access::Require(permission) => format!("require {permission}"),
    }
}
