//! `vestibule reload`: puts the changed files in force, or says what is wrong with them.

use std::io::Write as _;
use std::process::ExitCode;

use super::EXIT_CONFIG;
use super::operator::{Process, ask};

/// What `reload` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    process: Process,
}

/// Asks the process, which reads its own file: this command's may be another.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (address, token) = args.process.admin()?;
    let said = ask("POST", address, "/v1/reload", Some(&token))?;
    if let Some(generation) = said.body["generation"].as_u64().filter(|_| said.status == 200) {
        writeln!(std::io::stdout(), "in force: generation {generation}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = std::io::stderr();
    writeln!(out, "vestibule: {}", said.body["detail"].as_str().unwrap_or("the answer cannot be read"))?;
    for problem in said.body["problems"].as_array().into_iter().flatten() {
        writeln!(out, "  {}", problem.as_str().unwrap_or_default())?;
    }
    Ok(if said.status == 422 { ExitCode::from(EXIT_CONFIG) } else { ExitCode::FAILURE })
}
