//! `vestibule keys`: makes keys.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::assertion;

/// What `keys` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a new key.
    Generate {
        /// session: 32 bytes as hex, for session keys or an admin token; assertion: a P-256 key as PEM.
        kind: Kind,
        /// Write to this file, readable by its owner only; never overwrites.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    Session,
    Assertion,
}

/// Makes one key.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::Generate { kind, out } = args.command;
    let key = match kind {
        Kind::Session => session_key()?,
        Kind::Assertion => assertion::generate_pem()?.expose().to_vec(),
    };
    match out {
        Some(path) => write_private(&path, &key).with_context(|| format!("{} cannot be written", path.display()))?,
        None => std::io::stdout().write_all(&key)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn session_key() -> anyhow::Result<Vec<u8>> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok().context("the system gives no random bytes")?;
    Ok(format!("{}\n", faster_hex::hex_string(&bytes)).into_bytes())
}

fn write_private(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}
