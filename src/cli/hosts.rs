//! `vestibule hosts`: the platforms, and whether a file of tokens is decided as it says.

use std::path::PathBuf;
use std::process::ExitCode;

use super::OutputFormat;

mod verify;

/// What `hosts` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Decide each line of a file of vectors by the gateway's own code, at the line's own time.
    Verify {
        /// One JSON object a line.
        file: PathBuf,
        /// `json` prints what was decided about each line.
        #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
        format: OutputFormat,
    },
}

/// Runs one of them.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Verify { file, format } => verify::run(&file, format),
    }
}
