//! Logins that a host platform answers: what has to come back with the answer, without memory of ours.
//!
//! A login is begun with a random value in a cookie. Its SHA-256 is the nonce, which the platform signs (OpenID Connect Core
//! §15.5.2), and is inside of the sealed state, which the platform hands back. So an answer counts in the browser that asked
//! for it, for a while, and nowhere else. That a nonce is used once, the host sees to.
//!
//! The state is sealed as a session is, for another purpose. The record in it is
//! `end (8 bytes, milliseconds, big endian) ‖ nonce (32) ‖ host ‖ 0 ‖ origin`.

use std::time::Duration;

use ring::digest;

use super::{COOKIE_PREFIX, Sessions, cookie};
use crate::access::{HostName, Origin};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// How long a platform and a person may take. Most of the time it is a second.
const LIFE: Duration = Duration::from_mins(10);

const PURPOSE: &str = "vestibule login v1";

/// A login that has begun.
pub struct BegunLogin {
    /// Goes to the platform and comes back with its answer.
    pub state: String,
    /// Goes to the platform and comes back inside of what it signs.
    pub nonce: String,
    /// The `Set-Cookie` value that holds this browser to it.
    pub set_cookie: String,
}

/// A login that this browser began.
#[derive(Debug, PartialEq, Eq)]
pub struct EndedLogin {
    /// The host that was asked to answer.
    pub host: HostName,
    /// What the answer must hold.
    pub nonce: String,
    /// The page that the login began in, as far as that was known.
    pub page: Option<Origin>,
    /// The `Set-Cookie` value that removes the cookie.
    pub clear_cookie: String,
}

/// Why an answer belongs to no login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Not sealed by us, or for another origin.
    #[error("the state is not of this gateway")]
    State,
    /// It took too long.
    #[error("the login was begun too long ago")]
    Late,
    /// Another browser began it, or this one did not keep the cookie.
    #[error("the browser has no cookie of this login")]
    Cookie,
}

impl Sessions {
    /// Begins a login at a host, in a page of this origin.
    pub fn begin_login(&self, host: &HostName, page: Option<&Origin>) -> BegunLogin {
        let (mut value, mut nonce) = ([0; 16], [0; 24]);
        self.fill(&mut value);
        self.fill(&mut nonce);
        let value = faster_hex::hex_string(&value);
        let hash = digest::digest(&digest::SHA256, value.as_bytes());
        let end = self.clock.now() + LIFE;
        let page = page.map_or("", Origin::as_str);
        let texts = [host.as_str(), page].join("\0");
        let record = [&end.as_millis().to_be_bytes(), hash.as_ref(), texts.as_bytes()].concat();
        BegunLogin {
            state: self.sealer.seal(PURPOSE, "", &nonce, &record),
            nonce: faster_hex::hex_string(hash.as_ref()),
            set_cookie: cookie(&cookie_name(hash.as_ref()), &value, LIFE.as_secs()),
        }
    }

    /// The login that a state was made for, if this browser began it. `of_browser` gives the value of the browser's cookie of a
    /// name.
    pub fn end_login(
        &self,
        state: &str,
        of_browser: impl FnOnce(&str) -> Option<Secret>,
    ) -> Result<EndedLogin, LoginError> {
        let record = self.sealer.open(PURPOSE, "", state.as_bytes()).ok_or(LoginError::State)?.record;
        let (end, hash, host, page) = decode(&record).ok_or(LoginError::State)?;
        if self.clock.now() >= end {
            return Err(LoginError::Late);
        }
        let name = cookie_name(hash);
        let value = of_browser(&name).ok_or(LoginError::Cookie)?;
        // Both sides are hashes, so how far they agree tells nothing of the value.
        if digest::digest(&digest::SHA256, value.expose()).as_ref() != hash {
            return Err(LoginError::Cookie);
        }
        Ok(EndedLogin { host, nonce: faster_hex::hex_string(hash), page, clear_cookie: cookie(&name, "", 0) })
    }
}

/// One for each login, because several frames of one page may begin at once. Nobody learns the value from the name: it is
/// part of the value's hash.
fn cookie_name(hash: &[u8]) -> String {
    format!("{COOKIE_PREFIX}-login.{}", faster_hex::hex_string(&hash[..5]))
}

fn decode(record: &[u8]) -> Option<(Timestamp, &[u8; 32], HostName, Option<Origin>)> {
    let (end, rest) = record.split_first_chunk::<8>()?;
    let (hash, texts) = rest.split_first_chunk::<32>()?;
    let (host, page) = std::str::from_utf8(texts).ok()?.split_once('\0')?;
    let end = Timestamp::from_millis(u64::from_be_bytes(*end));
    Some((end, hash, HostName::new(host).ok()?, Origin::parse(page).ok()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{clock, key, sessions};
    use super::*;

    fn name() -> HostName {
        HostName::new("lms").expect("a name")
    }

    /// The name and the value of a cookie.
    fn kept(set_cookie: &str) -> (String, Secret) {
        let (name, value) = set_cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        (name.to_owned(), Secret::from(value))
    }

    #[test]
    fn a_login_ends_where_it_began_and_nowhere_else() {
        let (clock, keys) = (clock(), [key("k1", 1)]);
        let here = sessions(&keys, "https://app.example.com", &clock);
        let page = Origin::parse("https://lms.example").expect("an origin");
        let begun = here.begin_login(&name(), Some(&page));
        let (cookie_name, value) = kept(&begun.set_cookie);
        assert!(begun.set_cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=600"));
        let with = |state: &str, value: &Secret| {
            here.end_login(state, |wanted| Some(value.clone()).filter(|_| wanted == cookie_name))
        };
        let ended = with(&begun.state, &value).expect("it ends");
        assert_eq!((ended.host, ended.nonce, ended.page), (name(), begun.nonce.clone(), Some(page)));
        assert_eq!(with(&begun.state, &Secret::from("")), Err(LoginError::Cookie));
        assert_eq!(here.end_login(&begun.state, |_| None), Err(LoginError::Cookie));
        let other = here.begin_login(&name(), None);
        assert_eq!(with(&other.state, &value), Err(LoginError::Cookie));
        assert_ne!(other.nonce, begun.nonce);
        let elsewhere = sessions(&keys, "https://other.example.com", &clock);
        assert_eq!(elsewhere.end_login(&begun.state, |_| Some(value.clone())), Err(LoginError::State));
        for state in ["", "x", &begun.state[1..], &format!("{}A", begun.state)] {
            assert_eq!(with(state, &value), Err(LoginError::State), "{state}");
        }
        clock.advance(LIFE.saturating_sub(Duration::from_millis(1)));
        assert!(with(&begun.state, &value).is_ok());
        clock.advance(Duration::from_millis(1));
        assert_eq!(with(&begun.state, &value), Err(LoginError::Late));
    }

    #[test]
    fn a_session_is_no_state_and_a_state_no_session() {
        let (clock, keys) = (clock(), [key("k1", 1)]);
        let here = sessions(&keys, "https://app.example.com", &clock);
        let state = Secret::from(here.begin_login(&name(), None).state.as_str());
        for cookie in ["__Host-vestibule.", "__Host-vestibule.x"] {
            assert!(here.open(cookie, &state).is_err());
        }
        let sealed = here.sealer.seal("vestibule session v1", "", &[0; 24], &[0; 64]);
        assert_eq!(here.end_login(&sealed, |_| None), Err(LoginError::State));
    }
}
