//! `vestibule healthcheck`: exit 0 if the process answers `/healthz`.

use std::process::ExitCode;

use super::operator::{Process, ask};

/// What `healthcheck` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    process: Process,
}

/// Asks once.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let address = args.process.probes()?;
    let said = ask("GET", address, "/healthz", None)?;
    anyhow::ensure!(said.status == 200, "http://{address}/healthz answers {}", said.status);
    Ok(ExitCode::SUCCESS)
}
