use proptest::prelude::*;

use super::ended::{MAX_REVOKED, REPLACED_GOES_ON};
use super::*;
use crate::access::{HostName, Kind, OrganizationId, SubjectId, TenantId};

const IDLE: Duration = Duration::from_secs(3600);
const ABSOLUTE: Duration = Duration::from_secs(12 * 3600);

pub(super) fn key(id: &str, byte: u8) -> (String, Secret) {
    (id.into(), Secret::new([byte; 32]))
}

pub(super) fn sessions(keys: &[(String, Secret)], origin: &str, clock: &Clock) -> Sessions {
    let origin = Origin::parse(origin).expect("an origin");
    let settings =
        SessionSettings { keys: keys.to_vec(), idle: IDLE, absolute: ABSOLUTE, origin, clock: clock.clone() };
    Sessions::new(settings).expect("sound keys")
}

pub(super) fn clock() -> Clock {
    Clock::manual(Timestamp::from_secs(1_790_000_000))
}

fn ours(clock: &Clock) -> Sessions {
    sessions(&[key("k1", 1)], "https://app.example.com", clock)
}

fn principal(subject: &str) -> Principal {
    let host = HostName::new("assembly").expect("a name");
    let tenant = TenantId::new("11111111-2222-4333-8444-555555555555").expect("an id");
    Principal::proven(host, tenant, SubjectId::new(subject).expect("an id"), Kind::Client)
        .in_organization(OrganizationId::new("99999999-8888-4777-8666-555555555555").ok())
        .previewed_by(SubjectId::new("77777777-6666-4555-8444-333333333333").ok())
}

fn begin(sessions: &Sessions, subject: &str) -> Session {
    let now = sessions.clock.now();
    let portal = Origin::parse("https://acme.myassembly.com").expect("an origin");
    sessions.begin(principal(subject), now, now, vec![portal], None)
}

/// The cookie that a browser would send back: (name, value).
fn sent(sessions: &Sessions, session: &Session) -> (String, Secret) {
    let set = sessions.set_cookie(session);
    let (name, rest) = set.split_once('=').expect("a pair");
    let value = rest.split(';').next().expect("a value");
    (name.to_owned(), Secret::from(value))
}

#[test]
fn a_cookie_brings_back_what_was_sealed() {
    let clock = clock();
    let sessions = ours(&clock);
    let session = begin(&sessions, "u1");
    let (name, value) = sent(&sessions, &session);
    assert_eq!(sessions.open(&name, &value), Ok(session));
}

#[test]
fn a_cookie_has_every_attribute_that_a_frame_needs_and_stays_small() {
    let sessions = ours(&clock());
    let set = sessions.set_cookie(&begin(&sessions, "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"));
    assert!(set.starts_with("__Host-vestibule."), "{set}");
    assert!(set.ends_with("; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=43200"), "{set}");
    assert!(set.len() < 1024, "{}", set.len());
}

#[test]
fn the_longest_legal_ids_fit_into_a_cookie() {
    let sessions = ours(&clock());
    let long = "x".repeat(128);
    let host = HostName::new(&long).expect("a name");
    let principal =
        Principal::proven(host, TenantId::new(&long).expect("id"), SubjectId::new(&long).expect("id"), Kind::Client)
            .in_organization(OrganizationId::new(&long).ok())
            .previewed_by(SubjectId::new(&long).ok());
    let label = "a".repeat(60);
    let origin = |end: &str| Origin::parse(&format!("https://{label}.{label}.{label}.{end}")).expect("an origin");
    let now = sessions.clock.now();
    let session = sessions.begin(principal, now, now, vec![origin("one"), origin("two"), origin("three")], None);
    let set = sessions.set_cookie(&session);
    assert!(set.len() <= 4096, "{}", set.len());
    let (name, value) = sent(&sessions, &session);
    assert!(sessions.open(&name, &value).is_ok_and(|opened| opened.ancestors().len() == 2));
}

#[test]
fn a_rank_goes_along_where_the_session_has_to_know_it() {
    let sessions = ours(&clock());
    let now = sessions.clock.now();
    let kept = |role: Option<&str>| {
        let session = sessions.begin(principal("u1"), now, now, vec![], role.map(str::to_owned));
        let (name, value) = sent(&sessions, &session);
        let opened = sessions.open(&name, &value).expect("a session");
        assert_eq!(opened, session);
        opened.host_role().map(str::to_owned)
    };
    let longest = "\u{fc}".repeat(record::MAX_ROLE / 2);
    for role in [None, Some(""), Some("owner"), Some(&longest)] {
        assert_eq!(kept(role).as_deref(), role);
    }
    assert_eq!(kept(Some(&format!("{longest}x"))).as_deref(), Some(""), "too long, which is none for every replica");
    let record = |role: Option<&str>| {
        record::encode(&sessions.begin(principal("u1"), now, now, vec![], role.map(str::to_owned)))
    };
    let read = |record: &[u8]| record::decode(record, ContextId("abcdefghij".into()), sessions.sealer.mark());
    assert!(read(&record(None)).is_some_and(|old| old.host_role().is_none()), "a cookie from before there were ranks");
    for behind in [&b"x"[..], b"\x02a", b"\x01\xff", &[&[65][..], &[b'a'; 65]].concat()] {
        assert!(read(&[&record(None)[..], behind].concat()).is_none(), "{behind:?}");
    }
    assert!(read(&[&record(Some("a"))[..], b"\0"].concat()).is_none());
}

#[test]
fn a_changed_cookie_is_no_session() {
    let sessions = ours(&clock());
    let (name, value) = sent(&sessions, &begin(&sessions, "u1"));
    let text = value.expose().to_vec();
    let is_invalid = |bytes: Vec<u8>| sessions.open(&name, &Secret::new(bytes)) == Err(SessionError::Invalid);
    for at in 0..text.len() {
        let mut flipped = text.clone();
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        assert!(is_invalid(flipped), "byte {at}");
        assert!(is_invalid(text[..at].to_vec()), "cut at {at}");
    }
    assert!(is_invalid([&text[..], b"A"].concat()));
    let (left, right) = text.split_at(text.len() / 2);
    assert!(is_invalid([right, left].concat()));
}

#[test]
fn a_cookie_opens_only_under_its_name_and_origin() {
    let clock = clock();
    let sessions = ours(&clock);
    let (name, value) = sent(&sessions, &begin(&sessions, "u1"));
    let (other_name, _) = sent(&sessions, &begin(&sessions, "u2"));
    assert_eq!(sessions.open(&other_name, &value), Err(SessionError::Invalid));
    let elsewhere = self::sessions(&[key("k1", 1)], "https://staging.example.com", &clock);
    assert_eq!(elsewhere.open(&name, &value), Err(SessionError::Invalid));
}

#[test]
fn keys_rotate_without_ending_sessions() {
    let clock = clock();
    let origin = "https://app.example.com";
    let old = sessions(&[key("k1", 1)], origin, &clock);
    let both = sessions(&[key("k2", 2), key("k1", 1)], origin, &clock);
    let new = sessions(&[key("k2", 2)], origin, &clock);
    let (name, value) = sent(&old, &begin(&old, "u1"));
    let opened = both.open(&name, &value).expect("an old key opens");
    let renewed = both.slide(&opened, opened.confirmed_at()).expect("an old seal is replaced at once");
    let (same_name, resealed) = sent(&both, &renewed);
    assert_eq!(name, same_name);
    assert_eq!(new.open(&name, &value), Err(SessionError::Invalid));
    assert!(new.open(&name, &resealed).is_ok());
    let unknown = sessions(&[key("k9", 1)], origin, &clock);
    assert_eq!(
        unknown.open(&name, &value),
        Err(SessionError::Invalid),
        "the key fits, but is not asked under another id"
    );
}

#[test]
fn idle_and_absolute_ends_are_inside_the_seal() {
    let clock = clock();
    let sessions = ours(&clock);
    let mut session = begin(&sessions, "u1");
    let (name, first) = sent(&sessions, &session);
    clock.advance(Duration::from_secs(61 * 60));
    assert_eq!(sessions.open(&name, &first), Err(SessionError::Expired));

    session = begin(&sessions, "u1");
    for _ in 0..23 {
        clock.advance(Duration::from_secs(30 * 60));
        session = sessions.slide(&session, session.confirmed_at()).unwrap_or(session);
        let (name, value) = sent(&sessions, &session);
        assert!(sessions.open(&name, &value).is_ok());
    }
    clock.advance(Duration::from_secs(31 * 60));
    let (name, value) = sent(&sessions, &session);
    assert_eq!(sessions.open(&name, &value), Err(SessionError::Expired), "the absolute end does not slide");
}

#[test]
fn a_cookie_is_written_anew_only_when_that_is_due() {
    let clock = clock();
    let sessions = ours(&clock);
    let session = begin(&sessions, "u1");
    clock.advance(IDLE / 5);
    assert_eq!(sessions.slide(&session, session.confirmed_at()), None);
    let confirmed = clock.now();
    assert_eq!(sessions.slide(&session, confirmed).map(|s| s.confirmed_at()), Some(confirmed));
    clock.advance(IDLE / 10);
    assert!(sessions.slide(&session, session.confirmed_at()).is_some());
}

#[test]
fn a_revoked_session_is_over_for_every_copy_of_its_cookie() {
    let clock = clock();
    let sessions = ours(&clock);
    let (one, other) = (begin(&sessions, "u1"), begin(&sessions, "u1"));
    let (name, value) = sent(&sessions, &one);
    sessions.revoke(&one);
    assert_eq!(sessions.open(&name, &value), Err(SessionError::Revoked));
    let (name, value) = sent(&sessions, &other);
    assert!(sessions.open(&name, &value).is_ok(), "another session of the same person goes on");
}

#[test]
fn a_token_that_comes_again_does_not_prolong_the_session() {
    let clock = clock();
    let sessions = ours(&clock);
    let first_seen = clock.now();
    clock.advance(Duration::from_secs(11 * 3600 + 3000));
    let session = sessions.begin(principal("u1"), clock.now(), first_seen, Vec::new(), None);
    assert_eq!(session.expires_at(), first_seen + ABSOLUTE);
}

#[test]
fn contexts_differ_wherever_the_person_does() {
    let sessions = ours(&clock());
    let base = principal("u1");
    let variants = [
        principal("u2"),
        base.clone().in_organization(None),
        base.clone().previewed_by(None),
        base.clone()
            .in_organization(base.actor().and_then(|id| OrganizationId::new(id.as_str()).ok()))
            .previewed_by(None),
    ];
    for other in &variants {
        assert_ne!(sessions.context(&base), sessions.context(other), "{other:?}");
    }
    assert_eq!(sessions.context(&base).as_str().len(), 10);
}

#[test]
fn ids_never_show_in_debug_output() {
    let sessions = ours(&clock());
    let session = begin(&sessions, "u1");
    assert!(format!("{session:?}").contains("SessionId([redacted])"));
    assert_eq!(session.short_id().len(), 8);
}

proptest! {
    #[test]
    fn no_text_makes_opening_panic(name in "\\PC{0,40}", value in prop::collection::vec(any::<u8>(), 0..600)) {
        let sessions = ours(&clock());
        prop_assert!(sessions.open(&name, &Secret::new(value)).is_err());
    }

    #[test]
    fn no_record_makes_reading_panic(record in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = record::decode(&record, ContextId("abcdefghij".into()), ours(&clock()).sealer.mark());
    }
}

#[test]
fn a_session_that_was_replaced_ends_a_moment_later_and_stays_ended() {
    let clock = clock();
    let sessions = ours(&clock);
    let (old, other) = (begin(&sessions, "u1"), begin(&sessions, "u2"));
    let (name, value) = sent(&sessions, &old);
    sessions.replace(&old, &begin(&sessions, "u1"));
    assert_eq!(sessions.open(&name, &value), Ok(old.clone()), "requests that are on their way");
    clock.advance(REPLACED_GOES_ON);
    assert_eq!(sessions.open(&name, &value), Err(SessionError::Revoked));
    sessions.replace(&old, &begin(&sessions, "u1"));
    assert_eq!(sessions.open(&name, &value), Err(SessionError::Revoked), "ended is ended");
    assert_eq!(sessions.recall(&name, &value), Some(old), "what it was can still be said");
    let (name, value) = sent(&sessions, &other);
    assert_eq!(sessions.open(&name, &value), Ok(other));
}

#[test]
fn the_newest_revocation_counts_however_often_older_ones_are_asked_for() {
    let sessions = ours(&clock());
    let base = begin(&sessions, "u1");
    let numbered = |number: u64| SessionId([number.to_be_bytes(), [0; 8]].concat().try_into().expect("16 bytes"));
    // One person who signs in again and again with the old cookie at hand ends a session each time, and shows it again.
    for number in 0..MAX_REVOKED {
        sessions.revoke(&Session { id: numbered(number), ..base.clone() });
    }
    for number in (0..MAX_REVOKED).flat_map(|number| [number; 3]) {
        let _ = sessions.revoked.get(&numbered(number));
    }
    for subject in ["u2", "u3", "u4"] {
        let session = begin(&sessions, subject);
        let (name, value) = sent(&sessions, &session);
        sessions.revoke(&session);
        sessions.revoked.run_pending_tasks();
        assert_eq!(sessions.open(&name, &value), Err(SessionError::Revoked), "{subject}");
    }
}

#[test]
fn a_session_that_was_replaced_ends_with_its_successor() {
    let sessions = ours(&clock());
    let chain: Vec<Session> = (0..3).map(|_| begin(&sessions, "u1")).collect();
    chain.windows(2).for_each(|pair| sessions.replace(&pair[0], &pair[1]));
    let opened = || -> Vec<bool> {
        let cookies = chain.iter().map(|session| sent(&sessions, session));
        cookies.map(|(name, value)| sessions.open(&name, &value).is_ok()).collect()
    };
    assert_eq!(opened(), [true; 3], "requests that are on their way");
    sessions.revoke(&chain[2]);
    assert_eq!(opened(), [false; 3]);
}

#[test]
fn what_goes_on_with_a_session_goes_on_with_its_successor_and_no_longer() {
    use futures_util::FutureExt as _;

    let clock = clock();
    let sessions = ours(&clock);
    let (first, second, third) = (begin(&sessions, "u1"), begin(&sessions, "u1"), begin(&sessions, "u1"));
    let mut ends = sessions.ends_of(&first);
    assert_eq!(sessions.still(&first), Ok(first.clone()));
    sessions.replace(&first, &second);
    assert!(ends.hears().now_or_never().is_some() && ends.hears().now_or_never().is_none());
    sessions.replace(&second, &third);
    clock.advance(REPLACED_GOES_ON * 2);
    let still = sessions.still(&first).expect("the third is alive");
    assert_eq!(still.id(), third.id());
    clock.advance(IDLE);
    assert!(sessions.still(&first).is_ok(), "an open stream is no idle time");
    sessions.revoke(&third);
    assert_eq!(sessions.still(&first), Err(SessionError::Revoked));
    clock.advance(ABSOLUTE);
    assert_eq!(sessions.still(&begin(&sessions, "u1")).map(|session| sessions.rest(&session)), Ok(ABSOLUTE));
    assert_eq!(sessions.still(&first), Err(SessionError::Expired));
    assert!(sessions.rest(&first).is_zero());
}

#[test]
fn nothing_goes_on_with_a_session_whose_key_or_origin_is_gone() {
    let clock = clock();
    let session = begin(&ours(&clock), "u1");
    let origin = "https://app.example.com";
    assert!(sessions(&[key("k2", 2), key("k1", 1)], origin, &clock).still(&session).is_ok());
    for other in [key("k2", 2), key("k1", 3), key("k9", 1)] {
        assert_eq!(sessions(&[other], origin, &clock).still(&session), Err(SessionError::Invalid));
    }
    let elsewhere = sessions(&[key("k1", 1)], "https://other.example.com", &clock);
    assert_eq!(elsewhere.still(&session), Err(SessionError::Invalid));
}

#[test]
fn one_token_has_one_session_and_what_ends_it_ends_the_token() {
    let clock = clock();
    let sessions = ours(&clock);
    let now = clock.now();
    let lend = |subject: &str, mark: u8, ends| sessions.lend(principal(subject), &[mark; 32], now, ends);
    let ends = Some(now + 2 * ABSOLUTE);
    let (one, again, other) = (lend("u1", 1, ends), lend("u1", 1, ends), lend("u1", 2, ends));
    assert_eq!(one, again);
    assert!(one.id() != other.id() && one.context() == other.context());
    sessions.revoke(&one);
    clock.advance((2 * ABSOLUTE).saturating_sub(Duration::from_secs(1)));
    assert_eq!(sessions.check(&again), Err(SessionError::Revoked), "for as long as the token could be presented");
    assert_eq!((sessions.check(&other), sessions.slide(&other, clock.now())), (Ok(()), None), "and no cookie of it");
    clock.advance(Duration::from_secs(1));
    assert_eq!(sessions.check(&other), Err(SessionError::Expired));
}

#[test]
fn a_token_without_an_end_lends_a_session_for_the_idle_time() {
    let clock = clock();
    let sessions = ours(&clock);
    let session = sessions.lend(principal("u1"), &[1; 32], clock.now(), None);
    assert_eq!((sessions.rest(&session), session.expires_at()), (IDLE, clock.now() + IDLE));
}
