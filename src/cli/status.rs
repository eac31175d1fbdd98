//! `vestibule status`: what a running process says of itself.

use std::io::Write as _;
use std::process::ExitCode;

use super::OutputFormat;
use super::operator::{Process, ask};

/// What `status` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    process: Process,
    /// How to print.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    format: OutputFormat,
}

/// Asks `/readyz`; ends with 0 if requests are welcome there.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let address = args.process.probes()?;
    let said = ask("GET", address, "/readyz", None)?;
    let word = said.body["status"].as_str();
    let Some(word) = word else { anyhow::bail!("what listens at {address} is no vestibule") };
    let mut out = std::io::stdout();
    if args.format == OutputFormat::Json {
        writeln!(out, "{}", said.body)?;
    } else {
        writeln!(out, "status      {word}")?;
        writeln!(out, "generation  {}", said.body["generation"])?;
        writeln!(out, "version     {}", said.body["version"].as_str().unwrap_or_default())?;
        for reason in said.body["reasons"].as_array().into_iter().flatten() {
            writeln!(out, "reason      {}", reason.as_str().unwrap_or_default())?;
        }
    }
    Ok(if said.status == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
