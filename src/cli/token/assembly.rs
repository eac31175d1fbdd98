//! Tokens of Assembly, which need its own ids.

use std::process::ExitCode;

use anyhow::Context as _;

use super::mint::MintArgs;
use super::print;
use crate::hosts::assembly;
use crate::secret::Secret;

/// Makes a token of these ids.
pub(super) fn mint(key: &Secret, args: &MintArgs) -> anyhow::Result<ExitCode> {
    let tenant = args.tenant.as_deref().context("tokens of this platform name the workspace: give --tenant")?;
    let mut fields = vec![("workspaceId", tenant)];
    let optional = [
        ("clientId", args.client.as_deref().or(args.user.as_deref())),
        ("companyId", args.company.as_deref().or(args.organization.as_deref())),
        ("internalUserId", args.internal.as_deref()),
        ("tokenId", args.token_id.as_deref()),
    ];
    fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    for pair in &args.field {
        fields.push(pair.split_once('=').context("--field is NAME=VALUE")?);
    }
    print(&assembly::mint(key, &fields))?;
    Ok(ExitCode::SUCCESS)
}

/// Says what is in a token, and whether its form is right: whether the person is there, only the platform knows.
pub(super) fn inspect(key: &Secret, token: &Secret) -> anyhow::Result<ExitCode> {
    let (text, accepted) = assembly::inspect(key, token.expose_str().unwrap_or_default());
    let verdict = if accepted { "would be read" } else { "would be refused" };
    let rest = "form only; workspace, age and person are checked when it is presented";
    print(&format!("{}\n{verdict}: {rest}", text.escape_debug()))?;
    Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
