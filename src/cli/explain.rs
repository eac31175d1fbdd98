//! `vestibule explain`: how a request would be decided, by the gateway's own code, and why.

use std::io::Write as _;
use std::process::ExitCode;

use super::{ConfigFile, OutputFormat};
use crate::app::{self, Explanation, Question};

/// What `explain` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Method of the request.
    method: String,
    /// Path of the request, with its query.
    path: String,
    /// Host of the caller; may be left out when there is one.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Workspace of the caller.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// The host's id of the caller.
    #[arg(long, value_name = "ID")]
    subject: String,
    /// client or internal.
    #[arg(long, value_name = "KIND", default_value = "client")]
    kind: String,
    /// Company that the caller acts in.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// Rank that the host gives the caller, such as admin.
    #[arg(long, value_name = "RANK")]
    host_role: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
    /// How to print.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    format: OutputFormat,
}

/// Decides without asking anybody, and prints the way there.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.file.load()?;
    let format = args.format;
    let question = Question {
        method: args.method,
        path: args.path,
        host: args.host,
        tenant: args.tenant,
        subject: args.subject,
        kind: args.kind,
        organization: args.organization,
        host_role: args.host_role,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let explanation = runtime.block_on(app::explain(&config, &question))?;
    print(&explanation, format)?;
    Ok(ExitCode::SUCCESS)
}

fn print(explanation: &Explanation, format: OutputFormat) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if format == OutputFormat::Json {
        writeln!(out, "{}", explanation.to_json())?;
        return Ok(());
    }
    writeln!(out, "route       {}", explanation.route.as_deref().unwrap_or("none"))?;
    writeln!(out, "asks        {}", explanation.asks.as_deref().unwrap_or("-"))?;
    writeln!(out, "project     {}", explanation.project.as_deref().unwrap_or("-"))?;
    for grant in &explanation.grants {
        writeln!(out, "grant       {} on {} (from {})", grant.holds, grant.scope, grant.source)?;
    }
    if explanation.grants.is_empty() {
        writeln!(out, "grant       none")?;
    }
    writeln!(
        out,
        "decision    {}{}",
        explanation.decision,
        explanation.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"))
    )?;
    for (name, value) in &explanation.headers {
        writeln!(out, "header      {name}: {value}")?;
    }
    Ok(())
}
