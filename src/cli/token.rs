//! `vestibule token`: makes and reads host tokens, for operators who hold the API key.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::hosts::assembly;
use crate::secret::Secret;

/// What `token` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make an Assembly token, as the platform would.
    Mint {
        #[command(flatten)]
        key: Key,
        /// Workspace.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// Client user.
        #[arg(long, value_name = "ID")]
        client: Option<String>,
        /// Company that the client acts in.
        #[arg(long, value_name = "ID")]
        company: Option<String>,
        /// Member of staff; together with a client it is a preview.
        #[arg(long, value_name = "ID")]
        internal: Option<String>,
        /// The token's own id.
        #[arg(long, value_name = "ID")]
        token_id: Option<String>,
        /// Any other field.
        #[arg(long, value_name = "NAME=VALUE")]
        field: Vec<String>,
    },
    /// Decrypt an Assembly token and say whether the gateway would read it.
    Inspect {
        #[command(flatten)]
        key: Key,
        /// The token, or `-` for standard input, which keeps it out of the shell's history.
        token: String,
    },
}

#[derive(Debug, clap::Args)]
struct Key {
    /// Variable that holds the API key.
    #[arg(long, value_name = "NAME", default_value = "ASSEMBLY_API_KEY")]
    api_key_env: String,
    /// File that holds the API key, instead.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
}

/// Makes or reads one token.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Mint { key, tenant, client, company, internal, token_id, field } => {
            let mut fields = vec![("workspaceId", tenant)];
            let optional =
                [("clientId", client), ("companyId", company), ("internalUserId", internal), ("tokenId", token_id)];
            fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
            let more = field.iter().map(|pair| pair.split_once('=').context("--field is NAME=VALUE"));
            let more = more.collect::<anyhow::Result<Vec<_>>>()?;
            let borrowed = fields.iter().map(|(name, value)| (*name, value.as_str())).chain(more);
            writeln!(std::io::stdout(), "{}", assembly::mint(&key.read()?, &borrowed.collect::<Vec<_>>()))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Inspect { key, token } => inspect(&key.read()?, &given(token)?),
    }
}

fn inspect(key: &Secret, token: &str) -> anyhow::Result<ExitCode> {
    let (text, accepted) = assembly::inspect(key, token);
    let verdict = if accepted { "would be read" } else { "would be refused" };
    writeln!(
        std::io::stdout(),
        "{}\n{verdict}: form only; workspace, age and person are checked when it is presented",
        text.escape_debug()
    )?;
    Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn given(token: String) -> anyhow::Result<String> {
    if token != "-" {
        return Ok(token);
    }
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

impl Key {
    fn read(&self) -> anyhow::Result<Secret> {
        let text = match &self.api_key_file {
            Some(path) => {
                std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?
            }
            None => std::env::var(&self.api_key_env)
                .with_context(|| format!("the variable {} is not set; or give --api-key-file", self.api_key_env))?,
        };
        Ok(Secret::from(text.trim_end_matches(['\r', '\n'])))
    }
}
