//! `vestibule hosts`: the platforms, and whether a file of tokens is decided as it says.

use std::path::PathBuf;
use std::process::ExitCode;

use super::OutputFormat;

mod list;
#[cfg(test)]
mod page;
mod verify;
mod words;

/// What `hosts` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the platforms, or say all of one.
    List {
        /// The platform's word in the configuration.
        platform: Option<String>,
        /// `json` prints an object a line.
        #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
        format: OutputFormat,
    },
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
        Command::List { platform, format } => list::run(platform.as_deref(), format),
        Command::Verify { file, format } => verify::run(&file, format),
    }
}
