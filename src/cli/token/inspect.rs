//! `vestibule token inspect`

use std::process::ExitCode;
use std::sync::Arc;

use super::call::CallArgs;
use super::source::{Source, SourceArgs};
use super::{assembly, given, print, shown};
use crate::access::{OrganizationId, Principal};
use crate::hosts::inspect::{Inspection, inspect};
use crate::hosts::{Call, HostedSettings, Manner, Platform, Presented, Refusal};
use crate::secret::Secret;

#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Whose secret it is, where each workspace has one.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Nonce of the login that the token ends (LTI 1.3).
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    #[command(flatten)]
    call: CallArgs,
    /// The token, or `-` for standard input, which keeps it out of the shell's history. Of a signed query all of the query, of
    /// a signed request the signature.
    token: String,
}

/// Prints what is in the token, and the verdict.
pub(super) fn run(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let token = given(&args.token)?;
    let settings = match args.source.source(args.tenant.as_deref())? {
        Source::Assembly(key) => return assembly::inspect(&key, &token),
        Source::Hosted(settings) => settings,
    };
    let platform = settings.platform;
    let presented = presented(args.call.call()?, platform, &token, args.nonce.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inspection = runtime.block_on(inspect(*settings.clone(), &token, &presented, args.source.clock()?))?;
    print(&report(&settings, &inspection))?;
    Ok(if inspection.verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn presented(
    call: Option<Call>,
    platform: &Platform,
    signature: &Secret,
    nonce: Option<String>,
) -> anyhow::Result<Presented> {
    let manner = match &call {
        None => Manner::Exchange,
        Some(call) if call.method == http::Method::GET => Manner::Navigation,
        Some(_) => Manner::Request,
    };
    let mut call = call;
    // The signature is the token, and need not be written twice.
    if let (Some(name), Some(call)) = (platform.signature_header(), &mut call)
        && !call.headers.contains_key(name)
    {
        call.headers.insert(name, http::HeaderValue::from_bytes(signature.expose())?);
    }
    Ok(Presented { manner, call: call.map(Arc::new), nonce, ..Presented::default() })
}

fn report(settings: &HostedSettings, inspection: &Inspection) -> String {
    let mut lines = Vec::new();
    if let Some(header) = &inspection.header {
        lines.push("header".to_owned());
        lines.extend(shown::members(header));
    }
    if let Some(claims) = &inspection.claims {
        let proven =
            if inspection.proven { "claims, proven" } else { "claims, not proven: anybody can have written them" };
        lines.push(proven.to_owned());
        lines.extend(shown::members(claims));
    }
    lines.push(match &inspection.verdict {
        Ok(proof) => format!("accepted: {}", who(&proof.principal)),
        Err(refusal) => format!("refused: {refusal}: {}", why(*refusal)),
    });
    if let Ok(proof) = &inspection.verdict {
        lines.extend(proof.ends.map(|end| format!("ends: {}", end.to_rfc3339())));
    }
    if let Some(package) = settings.platform.about.package {
        lines.push(format!("the platform's own package: {package}"));
    }
    lines.join("\n")
}

fn who(principal: &Principal) -> String {
    let organization = principal.organization().map(OrganizationId::as_str);
    let organization = organization.map(|id| format!(", organization {id}")).unwrap_or_default();
    let (kind, tenant) = (principal.kind().as_str(), principal.tenant());
    format!("{kind} {} of workspace {tenant}{organization}", principal.subject())
}

/// What a reason means and what to look at.
const fn why(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed => "it cannot be read; is it all of the token, of this platform, and nothing else?",
        Refusal::BadSignature => {
            "no key that is given signed it; is it the right secret or key, and is the token whole?"
        }
        Refusal::BadDecrypt => "no secret that is given opens it; is it the right one, and is the token whole?",
        Refusal::Expired => "its time is over; look at `exp` and the clock, or give --now",
        Refusal::NotYetValid => "it begins later than now; look at `nbf`, `iat` and the clock, or give --now",
        Refusal::WrongAudience => "it is for another app; compare what it says with `audience`",
        Refusal::WrongIssuer => "somebody else made it; compare `iss` with `issuer` and the platform's own rule",
        Refusal::WrongTenant => "it is of a workspace that is not served; look at `tenants`, or `deployments`",
        Refusal::MissingClaim => {
            "it lacks something that it has to say: its end, the app, the workspace, or a claim of the platform"
        }
        Refusal::NamesNobody => "it is authentic and names no person; `nameless = \"service\"` lets it in as a program",
        Refusal::WrongClaim => {
            "it says something that tokens for this purpose do not say, or in a way that is not allowed"
        }
        Refusal::AlgorithmNotAllowed => "it is signed in another way than is configured; look at `algorithms`",
        Refusal::UnknownKey => "no key of that name is known; look at `kid`, and at the keys of the platform",
        Refusal::RequestBinding => "it belongs to another request; give --method and --url as the platform called them",
        Refusal::Replay => "it can be used once, and was; of LTI, give the --nonce of the login",
        Refusal::Unavailable => {
            "the platform's keys, or its answer, cannot be had now; give --jwks-file or --public-key-file"
        }
    }
}
