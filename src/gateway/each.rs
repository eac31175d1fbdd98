//! Callers whose proof comes with each request: a host's token in a header, or its signature over the request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use moka::sync::Cache;

use super::Gateway;
use super::authenticate::{Asking, Caller};
use super::body::Upload;
use super::credentials::Credential;
use super::forward::Held;
use super::peer::Peer;
use super::respond::Rejection;
use super::route::{RouteSpec, Target};
use crate::access::{Origin, PreviewRule, Standing};
use crate::hosts::{Binding, Call, HostError, HostPlatform, Manner, Presented, Proof};
use crate::session::{Session, SessionError};

/// Tokens that are remembered as proven, each with less than a kilobyte.
const MAX_PROVEN: u64 = 20_000;

/// For how long. A key that was withdrawn counts no more after that.
const PROVEN: Duration = Duration::from_secs(60);

/// Tokens that were proven a moment ago, under the configuration in force. It saves a signature's verification: a hit costs one
/// SHA-256 and two look-ups, that of the token and that of whether it was ended.
pub(super) struct Proven(Cache<[u8; 32], Arc<Known>>);

/// Whom a token proves.
struct Known {
    session: Session,
    standing: Arc<Standing>,
    preview: PreviewRule,
}

impl Proven {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MAX_PROVEN).time_to_live(PROVEN).build())
    }
}

impl Known {
    fn caller(&self) -> Caller {
        let (session, standing) = (self.session.clone(), Arc::clone(&self.standing));
        let principal = session.principal().clone();
        Caller {
            principal,
            standing,
            preview: self.preview,
            session,
            renewed: None,
            along: Vec::new(),
            learns: false,
            _held: None,
        }
    }
}

/// A request as the platform that signed it saw it: the public address, and the target byte for byte as it came. What a proxy
/// in front of us says of itself is not asked.
pub(super) fn called(head: &Parts, public: &Origin, body: Bytes) -> Call {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    Call { method: head.method.clone(), url: format!("{public}{target}"), headers: head.headers.clone(), body }
}

impl Gateway {
    /// Takes signatures of the query out of the target, so that no app and no log has them. What they sign stays.
    pub(super) fn take_signatures(&self, target: &mut Target, route: &RouteSpec) {
        for parameter in self.credentials.parameters().filter(|_| !route.ignore_host_token) {
            let _taken = target.take_parameter(parameter);
        }
    }

    /// The caller whom the token proves, if it has not been ended here.
    pub(super) async fn caller_by_token(
        &self,
        credential: &Credential<'_>,
        asking: &Asking<'_>,
        upload: &mut Upload,
    ) -> Result<Caller, Rejection> {
        let caller = self.prove_caller(credential, asking, upload).await?;
        match self.sessions.check(&caller.session) {
            Ok(()) => Ok(caller),
            Err(SessionError::Expired) => Err(Rejection::TokenExpired),
            Err(SessionError::Revoked | SessionError::Invalid) => Err(Rejection::TokenInvalid),
        }
    }

    /// The caller whom the token proves, whether or not it has been ended here.
    pub(super) async fn prove_caller(
        &self,
        credential: &Credential<'_>,
        asking: &Asking<'_>,
        upload: &mut Upload,
    ) -> Result<Caller, Rejection> {
        let Asking { head, peer, upgrades } = *asking;
        let readers = credential.readers(&head.method, &head.headers, upgrades, &self.public, &self.cors)?;
        let key = credential.key();
        let known = key.and_then(|key| self.proven.0.get(&key));
        let counts = |known: &Arc<Known>| {
            let host = known.session.principal().host();
            readers.iter().any(|reader| reader.name() == host) && !self.sessions.rest(&known.session).is_zero()
        };
        if let Some(known) = known.filter(counts) {
            return Ok(known.caller());
        }
        // Before a body is taken.
        if self.limiter.is_exhausted(peer.client) {
            return Err(Rejection::RateLimited);
        }
        let mut call = credential.is_bound().then(|| called(head, &self.public, Bytes::new()));
        let room = match call.as_mut().filter(|_| credential.is_signature()) {
            Some(call) => {
                self.glance(&readers, credential, call, peer)?;
                let (body, room) = self.whole_body(upload).await?;
                call.body = body;
                Some(room)
            }
            None => None,
        };
        let call = call.map(Arc::new);
        let presented = Presented { manner: Manner::Request, call, ..Presented::default() };
        let proof = self.prove(&readers, &credential.token, &presented, peer).await?;
        Ok(Caller { _held: room, ..self.lend(proof, key)? })
    }

    /// Tells the host what a call says that it proved and that may go on, where the host keeps that. Gives the room for the body.
    pub(super) async fn learn(&self, caller: &Caller, upload: &mut Upload) -> Result<Option<Held>, Rejection> {
        let Some(host) = self.host(&caller.principal) else { return Ok(None) };
        let (body, held) = self.whole_body(upload).await?;
        match host.learn(&caller.principal, body).await {
            Ok(()) => Ok(Some(held)),
            Err(HostError::Refused | HostError::Expired) => Err(Rejection::TokenInvalid),
            Err(HostError::Unavailable) => Err(Rejection::HostUnavailable),
        }
    }

    /// Refuses a call that no host would take, whatever its body is. It counts as any refused token does.
    fn glance(
        &self,
        readers: &[&Arc<dyn HostPlatform>],
        credential: &Credential<'_>,
        call: &Call,
        peer: &Peer,
    ) -> Result<(), Rejection> {
        let seen = readers.iter().map(|host| host.glance(&credential.token, call)).reduce(Result::or);
        seen.unwrap_or(Err(HostError::Refused)).map_err(|refusal| {
            self.limiter.count(peer.client);
            if refusal == HostError::Expired { Rejection::TokenExpired } else { Rejection::TokenInvalid }
        })
    }

    /// The body, all of it, which from then on is what goes to the app. There is room for 64 of the largest, an eighth of that
    /// for one address.
    async fn whole_body(&self, upload: &mut Upload) -> Result<(Bytes, Held), Rejection> {
        let most = self.limits.signed_body;
        self.gathered(upload, most, most).await
    }

    /// A body of at most this length, which takes part of the room for 64 of the other.
    pub(super) async fn gathered(
        &self,
        upload: &mut Upload,
        most: usize,
        unit: usize,
    ) -> Result<(Bytes, Held), Rejection> {
        let mut held = self.upstream.hold(unit.saturating_mul(64), unit.saturating_mul(8));
        let body = upload.gather(most as u64, |bytes| held.grow(bytes)).await?;
        Ok((body, held))
    }

    /// A proof becomes a caller; remembered under the key, where the token can be used again.
    fn lend(&self, proof: Proof, key: Option<[u8; 32]>) -> Result<Caller, Rejection> {
        let Proof { principal, confirmed, ends, mark, along, .. } = proof;
        let host = self.host(&principal).ok_or(Rejection::TokenInvalid)?;
        let (preview, binding, learns) = (host.preview(), host.binding(), host.learns());
        let session = self.sessions.lend(principal, &mark, confirmed.at, ends);
        let known = Known { session, standing: confirmed.standing, preview };
        let caller = Caller { along, learns, ..known.caller() };
        if let Some(key) = key.filter(|_| binding == Binding::Bearer) {
            self.proven.0.insert(key, Arc::new(known));
        }
        Ok(caller)
    }
}
