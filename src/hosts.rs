//! Host platforms: who is calling, from the token that the host's page hands over.
//!
//! One file per cryptographic scheme. A host owns its cipher and its own caches, and shows one uniform failure to the
//! outside. It knows nothing of routes, grants or our sessions.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use metrics::counter;
use ring::digest;

use crate::access::{HostName, Kind, OrganizationId, Origin, PreviewRule, Principal, Standing, SubjectId, TenantId};
use crate::clock::Timestamp;
use crate::secret::Secret;

pub mod assembly;
mod bridge;
mod carrier;
mod claims;
mod fetch;
mod hosted;
pub mod inspect;
mod installs;
mod introspection;
mod json;
mod jwe;
mod jwks;
mod jwt;
mod keys;
mod login;
mod material;
pub mod mint;
mod paseto;
mod platform;
pub mod platforms;
mod query;
mod refusal;
mod request_hash;
mod rules;
mod sealed_cbc;
mod sealed_gcm;
mod shared_secret;
mod signed_head;
mod signed_payload;
mod signed_query;
mod signed_request;
pub mod vectors;
mod written;

pub use bridge::Bridge;
pub use hosted::{ClaimNames, Hosted, HostedSettings, Tenants};
pub use installs::{Installs, InstallsError};
pub use keys::{Algorithm, KeyError, KeySet, PublicKey};
pub use login::{Login, LoginRequest};
pub use material::KeyMaterial;
pub use platform::{
    About, App, Audience, Binding, Carrier, CbcForm, Comes, Field, GcmForm, Issuer, KeySource, KindOf, Life, Once,
    Path, PayloadForm, Platform, Purpose, QueryForm, RequestForm, Rule, Scheme, Unit,
};
pub use refusal::Refusal;

/// A boxed future, so that hosts of different kinds fit in one list.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Proves tokens of one configured host.
pub trait HostPlatform: Send + Sync {
    /// The name in the configuration.
    fn name(&self) -> &HostName;

    /// Where its tokens stand. The first is the usual one.
    fn carriers(&self) -> &[Carrier];

    /// Whether its calls tell something that has to be kept, and so go through [`HostPlatform::learn`].
    fn learns(&self) -> bool {
        false
    }

    /// Takes over what a call says that was proven to be this principal's, before the app hears of it.
    fn learn<'a>(&'a self, principal: &'a Principal, body: Bytes) -> Pending<'a, Result<(), HostError>> {
        let _ = (principal, body);
        Box::pin(std::future::ready(Ok(())))
    }

    /// How people sign in there, for platforms whose tokens are the answer to a login that we begin.
    fn login(&self) -> Option<Login<'_>> {
        None
    }

    /// How a page of the app gets a fresh token, for platforms that have a way.
    fn bridge(&self) -> Option<&Bridge> {
        None
    }

    /// The app's id at the platform, where tokens name it.
    fn app(&self) -> Option<&str> {
        None
    }

    /// Whether its tokens open sessions. If not, each counts for the one request that it comes with.
    fn opens_session(&self) -> bool {
        true
    }

    /// What its tokens hold for, beside a session.
    fn binding(&self) -> Binding {
        Binding::Once
    }

    /// Headers that only the platform may set, in lower case: those of its carriers, and more where it has more.
    fn headers(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Refuses a call that is out of time, before its body is read. Most hosts have nothing to look at.
    fn glance(&self, _token: &Secret, _call: &Call) -> Result<(), HostError> {
        Ok(())
    }

    /// Whether a page of this origin may frame the app at all. Asked before a token is opened; says nothing about it.
    fn allows_origin(&self, origin: &Origin) -> bool;

    /// Whether it is an origin that the configuration or the platform's row names, and not one that fits a pattern, as pages of
    /// strangers at the same platform may.
    fn names_origin(&self, _origin: &Origin) -> bool {
        false
    }

    /// The origins that may frame the app, as `frame-ancestors` sources, for answers that belong to no session.
    fn frame_sources(&self) -> Vec<String>;

    /// What staff may do while they preview as a client.
    fn preview(&self) -> PreviewRule;

    /// Opens, checks and confirms a token.
    fn prove<'a>(&'a self, token: &'a Secret, presented: &'a Presented) -> Pending<'a, Result<Proof, HostError>>;

    /// What is known of a proven person without asking anybody; `None` when it is time to [`HostPlatform::confirm`].
    fn confirmed(&self, principal: &Principal, confirmed_at: Timestamp) -> Option<Confirmed>;

    /// Whether it is time to ask about a person again who was confirmed then, while that still holds. Says so once in a while only:
    /// who is told asks.
    fn is_due(&self, _principal: &Principal, _confirmed_at: Timestamp) -> bool {
        false
    }

    /// Whether it can say again what it said of a person. If not, their rank is what the token of their session said.
    fn knows_people(&self) -> bool {
        true
    }

    /// Asks the host again whether a proven person is still who they were. Goes on through an outage as long as the
    /// host's grace lasts, with the old time in the answer.
    fn confirm<'a>(
        &'a self,
        principal: &'a Principal,
        confirmed_at: Timestamp,
    ) -> Pending<'a, Result<Confirmed, HostError>>;

    /// Looks at what the host can and cannot tell; false if it does not answer, so that it has to be asked again.
    fn probe(&self) -> Pending<'_, bool>;

    /// What `check --online` says when there are no troubles.
    fn all_is_well(&self) -> &'static str {
        "ready"
    }

    /// Sentences for `/readyz` and the log about what does not work or is weaker than it could be; empty when all is well.
    fn troubles(&self) -> Vec<String>;
}

/// When a refusal is given whose cause must not show in how long it took, counted from the token's arrival. Reading a token
/// takes microseconds, and how many depends on what is in it; from outside all of them are this.
const REFUSAL_TIME: Duration = Duration::from_millis(10);

/// Under which circumstances a token came.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// The page that embeds us, where the browser said so.
    pub framed_by: Option<Origin>,
    /// Who has a live session in this browser: for them, a fresh token is a renewal and not a beginning.
    pub live: Vec<Principal>,
    /// How it came.
    pub manner: Manner,
    /// The request that it came with, for formats that sign one.
    pub call: Option<Arc<Call>>,
    /// The nonce of the login that this browser began and now ends, for platforms that have logins.
    pub nonce: Option<String>,
}

/// How a token came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// With the navigation of a frame.
    #[default]
    Navigation,
    /// With a request of the app's page, or of the platform's servers, for itself alone.
    Request,
    /// Posted by the app's page, to be exchanged for a session.
    Exchange,
}

/// A request as the platform made it.
#[derive(Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The public address that was called: origin, path and query, byte for byte.
    pub url: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// Its method: address, headers and body hold tokens.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", self.method)
    }
}

impl Call {
    /// The path and the query of the address; the query is empty if there is none.
    fn path_and_query(&self) -> (&str, &str) {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let target = rest.find(['/', '?']).map_or("", |start| &rest[start..]);
        target.split_once('?').unwrap_or((target, ""))
    }
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
    /// From when on this token counts no more, where its format or its age say so.
    pub ends: Option<Timestamp>,
    /// The page of ours that the token says is wanted. As the platform wrote it, whatever that is.
    pub target: Option<String>,
    /// What tells this token from the others of its host, however it is spelled.
    pub mark: [u8; 32],
    /// Headers that go on to the app with the request: the signature of it, and what that covers.
    pub along: Vec<HeaderName>,
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

/// Why a host cannot begin its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The TLS library refuses its own defaults.
    #[error("the TLS client for the host's API cannot be set up")]
    Tls,
}

/// Counts what became of a token.
fn count<T>(host: &HostName, proof: &Result<T, HostError>) {
    let result = match proof {
        Ok(_) => "accepted",
        Err(HostError::Refused | HostError::Expired) => "refused",
        Err(HostError::Unavailable) => "unavailable",
    };
    counter!("vestibule_host_tokens_total", "host" => host.to_string(), "result" => result).increment(1);
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    *digest::digest(&digest::SHA256, bytes).as_ref().first_chunk().expect("a SHA-256 digest has 32 bytes")
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
