//! Host platforms: who is calling, from the token that the host's page hands over.
//!
//! One file per cryptographic scheme. A host owns its cipher and its own caches, and shows one uniform failure to the
//! outside. It knows nothing of routes, grants or our sessions.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::access::{HostName, Kind, OrganizationId, Origin, PreviewRule, Principal, Standing, SubjectId, TenantId};
use crate::clock::Timestamp;
use crate::secret::Secret;

pub mod assembly;
mod fetch;
mod json;
pub mod jwks;
pub mod keys;
mod sealed_cbc;

use assembly::StartError;

/// A boxed future, so that hosts of different kinds fit in one list.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Proves tokens of one configured host.
pub trait HostPlatform: Send + Sync {
    /// The name in the configuration.
    fn name(&self) -> &HostName;

    /// The query parameter that carries the token on the first navigation of the frame.
    fn token_parameter(&self) -> &'static str;

    /// Whether a page of this origin may frame the app at all. Asked before a token is opened; says nothing about it.
    fn allows_origin(&self, origin: &Origin) -> bool;

    /// The origins that may frame the app, as `frame-ancestors` sources, for answers that belong to no session.
    fn frame_sources(&self) -> Vec<String>;

    /// What staff may do while they preview as a client.
    fn preview(&self) -> PreviewRule;

    /// Opens, checks and confirms a token.
    fn prove<'a>(&'a self, token: &'a Secret, presented: &'a Presented) -> Pending<'a, Result<Proof, HostError>>;

    /// What is known of a proven person without asking anybody; `None` when it is time to [`HostPlatform::confirm`].
    fn confirmed(&self, principal: &Principal, confirmed_at: Timestamp) -> Option<Confirmed>;

    /// Asks the host again whether a proven person is still who they were. Goes on through an outage as long as the
    /// host's grace lasts, with the old time in the answer.
    fn confirm<'a>(
        &'a self,
        principal: &'a Principal,
        confirmed_at: Timestamp,
    ) -> Pending<'a, Result<Confirmed, HostError>>;

    /// Looks at what the host can and cannot tell; false if it does not answer, so that it has to be asked again.
    fn probe(&self) -> Pending<'_, bool>;

    /// Sentences for `/readyz` and the log about what does not work or is weaker than it could be; empty when all is well.
    fn troubles(&self) -> Vec<String>;
}

/// Under which circumstances a token came.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// The page that embeds us, where the browser said so.
    pub framed_by: Option<Origin>,
    /// Who has a live session in this browser: for them, a fresh token is a renewal and not a beginning.
    pub live: Vec<Principal>,
}

/// What the host vouched for, and when.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// The host's facts about the person.
    pub standing: Arc<Standing>,
    /// When the host last said so.
    pub at: Timestamp,
}

/// A token that passed.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The caller.
    pub principal: Principal,
    /// What the host said about them.
    pub confirmed: Confirmed,
    /// When this token was first presented: an absolute session end counts from here.
    pub first_seen: Timestamp,
    /// Exact origins that may frame this session: the workspace's portal first, then the framing page if it differs.
    pub ancestors: Vec<Origin>,
}

/// Why no identity came of it. Carries no detail on purpose: every refused token must look the same from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The token or the person is not accepted.
    #[error("the host token or the person it names is not accepted")]
    Refused,
    /// An authenticated format says that it is over. Formats without a signature never say this.
    #[error("the host token has expired")]
    Expired,
    /// The host could not be asked; neither yes nor no.
    #[error("the host platform cannot be asked now")]
    Unavailable,
}

/// A caller whom nobody proved, for saying what would happen to them. Never part of a request.
pub fn supposed(
    host: HostName,
    tenant: TenantId,
    subject: SubjectId,
    kind: Kind,
    organization: Option<OrganizationId>,
) -> Principal {
    Principal::proven(host, tenant, subject, kind).in_organization(organization)
}
