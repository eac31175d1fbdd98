//! The record inside the seal.
//!
//! `id (16) ‖ kind (1) ‖ confirmed_at ‖ idle_end ‖ absolute_end (8 each, milliseconds, big endian) ‖ host ‖ tenant ‖
//! subject ‖ organization ‖ actor ‖ count ‖ ancestors ‖ host_role`, each text as `length (1) ‖ bytes`; an empty text is
//! "none". The role is left out altogether where the host is asked about it.

use ring::digest;

use super::seal::KeyMark;
use super::{ContextId, Session, SessionId};
use crate::access::{HostName, Kind, OrganizationId, Origin, Principal, SubjectId, TenantId};
use crate::clock::Timestamp;

/// What records are sealed for.
pub(super) const PURPOSE: &str = "vestibule session v1";

/// The same for a tab that was opened with a ticket.
pub(super) const TAB_PURPOSE: &str = "vestibule tab v1";

/// Pages that may frame one session: the portal, and the page that did if it is another.
pub(super) const MAX_ANCESTORS: usize = 2;

/// The longest role that is sealed, in bytes.
pub(super) const MAX_ROLE: usize = 64;

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

pub(super) fn encode(session: &Session) -> Vec<u8> {
    let Session { id, principal, confirmed_at, idle_end, absolute_end, ancestors, host_role, .. } = session;
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&id.0);
    bytes.push(kind_code(principal.kind()));
    for time in [confirmed_at, idle_end, absolute_end] {
        bytes.extend_from_slice(&time.as_millis().to_be_bytes());
    }
    for text in parts(principal) {
        push(&mut bytes, text);
    }
    // Origins of more than 255 bytes are not kept; the answer then falls back to the host's own list.
    let short: Vec<&str> =
        ancestors.iter().map(Origin::as_str).filter(|text| text.len() <= 255).take(MAX_ANCESTORS).collect();
    bytes.push(u8::try_from(short.len()).expect("at most MAX_ANCESTORS"));
    for text in short {
        push(&mut bytes, text);
    }
    if let Some(role) = host_role {
        push(&mut bytes, role);
    }
    bytes
}

/// `None` for anything that [`encode`] does not write.
pub(super) fn decode(record: &[u8], context: ContextId, mark: KeyMark) -> Option<Session> {
    let (id, rest) = record.split_first_chunk::<16>()?;
    let (&kind, rest) = rest.split_first()?;
    let (confirmed_at, rest) = time(rest)?;
    let (idle_end, rest) = time(rest)?;
    let (absolute_end, rest) = time(rest)?;
    let (host, rest) = text(rest)?;
    let (tenant, rest) = text(rest)?;
    let (subject, rest) = text(rest)?;
    let (organization, rest) = text(rest)?;
    let (actor, rest) = text(rest)?;
    let principal = Principal::proven(
        HostName::new(host).ok()?,
        TenantId::new(tenant).ok()?,
        SubjectId::new(subject).ok()?,
        kind_of(kind)?,
    )
    .in_organization(optional(organization).map(OrganizationId::new).transpose().ok()?)
    .previewed_by(optional(actor).map(SubjectId::new).transpose().ok()?);
    let (ancestors, rest) = origins(rest)?;
    let host_role = if rest.is_empty() { None } else { Some(role(rest)?) };
    Some(Session {
        id: SessionId(*id),
        context,
        principal,
        confirmed_at,
        idle_end,
        absolute_end,
        ancestors,
        host_role,
        mark,
        is_lent: false,
        is_tab: false,
    })
}

/// Fifty bits that tell contexts apart in one browser; nothing is decided by them alone.
pub(super) fn context(origin: &Origin, principal: &Principal) -> String {
    let mut bytes = b"vestibule context v1".to_vec();
    push(&mut bytes, principal.kind().as_str());
    for text in parts(principal) {
        push(&mut bytes, text);
    }
    bytes.extend_from_slice(origin.as_str().as_bytes());
    let hash = digest::digest(&digest::SHA256, &bytes);
    let character = |byte: &u8| char::from(BASE32[usize::from(byte & 31)]);
    hash.as_ref().iter().take(10).map(character).collect()
}

/// A `Set-Cookie` value with every attribute that a frame in another site's page needs.
pub(super) fn cookie(name: &str, value: &str, max_age: u64) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age={max_age}")
}

fn parts(principal: &Principal) -> [&str; 5] {
    [
        principal.host().as_str(),
        principal.tenant().as_str(),
        principal.subject().as_str(),
        principal.organization().map_or("", |id| id.as_str()),
        principal.actor().map_or("", |id| id.as_str()),
    ]
}

fn push(bytes: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).expect("ids are at most 128 bytes long; origins and roles are filtered");
    bytes.push(length);
    bytes.extend_from_slice(text.as_bytes());
}

fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (millis, rest) = bytes.split_first_chunk::<8>()?;
    Some((Timestamp::from_millis(u64::from_be_bytes(*millis)), rest))
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn optional(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// All that is left.
fn role(bytes: &[u8]) -> Option<String> {
    let (role, rest) = text(bytes)?;
    (rest.is_empty() && role.len() <= MAX_ROLE).then(|| role.to_owned())
}

fn origins(bytes: &[u8]) -> Option<(Vec<Origin>, &[u8])> {
    let (&count, mut rest) = bytes.split_first()?;
    let mut found = Vec::new();
    for _ in 0..count {
        let (one, more) = text(rest)?;
        found.push(Origin::parse(one).ok()?);
        rest = more;
    }
    Some((found, rest))
}

const fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Client => 1,
        Kind::Internal => 2,
        Kind::External => 3,
        Kind::Service => 4,
    }
}

fn kind_of(code: u8) -> Option<Kind> {
    [Kind::Client, Kind::Internal, Kind::External, Kind::Service].into_iter().find(|kind| kind_code(*kind) == code)
}
