//! `vestibule token mint`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::call::CallArgs;
use super::source::{Source, SourceArgs};
use super::{assembly, print, secret};
use crate::hosts::App;
use crate::hosts::mint::{Minted, SigningKey, Wish, mint};

#[derive(Debug, clap::Args)]
pub(super) struct MintArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Workspace.
    #[arg(long, value_name = "ID")]
    pub(super) tenant: Option<String>,
    /// Person.
    #[arg(long, value_name = "ID")]
    pub(super) user: Option<String>,
    /// Customer company, or part of the workspace, that they act in.
    #[arg(long, value_name = "ID")]
    pub(super) organization: Option<String>,
    /// The platform's word for their rank.
    #[arg(long, value_name = "WORD")]
    role: Option<String>,
    /// Any other claim, or another value of one; `null` takes it away.
    #[arg(long, value_name = "NAME=JSON")]
    claim: Vec<String>,
    /// Seconds from now to its end.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    lifetime: u64,
    /// File with the private key that the platform signs with: PEM of PKCS#8.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Name of the key, for the header of a JWT.
    #[arg(long, value_name = "NAME")]
    kid: Option<String>,
    #[command(flatten)]
    call: CallArgs,
    /// Assembly: client user.
    #[arg(long, value_name = "ID")]
    pub(super) client: Option<String>,
    /// Assembly: company that the client acts in.
    #[arg(long, value_name = "ID")]
    pub(super) company: Option<String>,
    /// Assembly: member of staff; together with a client it is a preview.
    #[arg(long, value_name = "ID")]
    pub(super) internal: Option<String>,
    /// Assembly: the token's own id.
    #[arg(long, value_name = "ID")]
    pub(super) token_id: Option<String>,
    /// Assembly: any other field.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) field: Vec<String>,
}

/// Prints a token; of a signed request its headers, one a line.
pub(super) fn run(args: &MintArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.source.source(args.tenant.as_deref())? {
        Source::Assembly(key) => return assembly::mint(&key, args),
        Source::Hosted(settings) => settings,
    };
    if let (App::Asked(called), None) = (settings.platform.app, &settings.audience) {
        bail!("tokens of this platform name the app: give --audience, the {called}");
    }
    match mint(&settings, args.key()?.as_ref(), &args.wish()?, args.source.clock()?.now())? {
        Minted::Token(token) => print(&token)?,
        Minted::Headers(headers) => {
            headers.iter().try_for_each(|(name, value)| print(&format!("{name}: {value}")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl MintArgs {
    fn key(&self) -> anyhow::Result<Option<SigningKey>> {
        let Some(pem) = secret(None, self.key_file.as_ref())? else { return Ok(None) };
        let help =
            "the key is not one of RSA, P-256 and Ed25519 as PEM of PKCS#8; `openssl pkcs8 -topk8 -nocrypt` makes that";
        Ok(Some(SigningKey::parse(&pem).context(help)?))
    }

    fn wish(&self) -> anyhow::Result<Wish> {
        let claim = |pair: &String| {
            let (name, json) = pair.split_once('=').context("--claim is NAME=JSON")?;
            // What is no JSON is text, so that `--claim name=Ann` is enough.
            let value = serde_json::from_str(json).unwrap_or_else(|_| Value::from(json));
            anyhow::Ok((name.to_owned(), value))
        };
        Ok(Wish {
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            organization: self.organization.clone(),
            role: self.role.clone(),
            claims: self.claim.iter().map(claim).collect::<Result<_, _>>()?,
            lifetime: Duration::from_secs(self.lifetime),
            key_id: self.kid.clone(),
            call: self.call.call()?,
        })
    }
}
