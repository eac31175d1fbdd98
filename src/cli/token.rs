//! `vestibule token`: makes and reads host tokens, for operators who hold the keys.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::secret::Secret;

mod assembly;
mod call;
mod inspect;
mod mint;
mod shown;
mod source;

/// What `token` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a token, as the platform would.
    Mint(Box<mint::MintArgs>),
    /// Say what is in a token, whether the gateway accepts it, and if not, why.
    Inspect(Box<inspect::InspectArgs>),
}

/// Makes or reads one token.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Mint(args) => mint::run(&args),
        Command::Inspect(args) => inspect::run(&args),
    }
}

/// A token, or what comes in through standard input for `-`.
fn given(token: &str) -> anyhow::Result<Secret> {
    if token != "-" {
        return Ok(Secret::from(token));
    }
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text)?;
    Ok(Secret::from(text.trim()))
}

/// A secret of a variable or a file, without the line end behind it.
fn secret(variable: Option<&str>, file: Option<&PathBuf>) -> anyhow::Result<Option<Secret>> {
    let text = match (file, variable) {
        (Some(path), _) => read(path)?,
        (None, Some(name)) => std::env::var(name).with_context(|| format!("the variable {name} is not set"))?,
        (None, None) => return Ok(None),
    };
    Ok(Some(Secret::from(text.trim_end_matches(['\r', '\n']))))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
