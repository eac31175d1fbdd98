//! The platforms: one row each, to be read as a table by somebody who knows the platform.
//!
//! A row leaves out what is as in the one that it begins with, which its last line names.

use std::time::Duration;

use super::bridge;
use super::keys::Algorithm;
use super::platform::{About, App, Audience, Carrier, Comes, Field, Issuer, KeySource, KindOf, Life};
use super::platform::{Once, Platform, Scheme, Unit};
use crate::access::Kind;

mod calls;
mod first;
mod generic;
mod posted;
mod script;

/// Every platform that can be configured, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Platform> {
    [first::ROWS, posted::ROWS, script::ROWS, calls::ROWS, generic::ROWS].into_iter().flatten()
}

/// The platform of this word.
pub fn find(name: &str) -> Option<&'static Platform> {
    all().find(|platform| platform.name == name)
}

const MINUTE: Duration = Duration::from_secs(60);

const ABOUT: About = About { find: "", notes: &[], unverified: &[], package: None };

/// A JWT with the app's secret that names the app in `aud` and its end in `exp`, as most platforms have it.
const SECRET_JWT: Platform = Platform {
    name: "",
    title: "",
    carriers: &[],
    scheme: Scheme::Jwt(&[Algorithm::Hs256]),
    keys: KeySource::Secret,
    app: App::Asked("client id"),
    audience: Audience::Claim(&["aud"]),
    issuer: Issuer::Anybody,
    life: Life::Stated(Unit::Seconds),
    leeway: Duration::ZERO,
    once: Once::No,
    opens_session: true,
    rules: &[],
    tenant: Field::TheTenant,
    user: Field::At(&["sub"]),
    kind: KindOf::Always(Kind::Internal),
    organization: None,
    role: None,
    target: None,
    full_name: None,
    email: None,
    headers: &[],
    origins: &[],
    bridge: None,
    about: ABOUT,
};

/// A JWT that the platform signs with a key of its own, RS256.
const SIGNED_JWT: Platform = Platform { scheme: Scheme::Jwt(&[Algorithm::Rs256]), ..SECRET_JWT };

/// What the app's own page sends with each request.
const BEARER: Carrier = header("authorization", Some("Bearer"), Comes::FromPage);

const fn query(name: &'static str) -> Carrier {
    Carrier::Query(std::borrow::Cow::Borrowed(name))
}

const fn form(name: &'static str) -> Carrier {
    Carrier::Form(std::borrow::Cow::Borrowed(name))
}

const fn header(name: &'static str, scheme: Option<&'static str>, comes: Comes) -> Carrier {
    let scheme = match scheme {
        Some(scheme) => Some(std::borrow::Cow::Borrowed(scheme)),
        None => None,
    };
    Carrier::Header { name: std::borrow::Cow::Borrowed(name), scheme, comes }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::OriginPattern;

    #[test]
    fn every_row_is_whole() {
        let mut names = BTreeSet::new();
        for row in all() {
            assert!(names.insert(row.name), "{} stands twice", row.name);
            assert!(!row.carriers.is_empty() && !row.title.is_empty() && !row.about.find.is_empty(), "{}", row.name);
            assert!(row.leeway <= MINUTE, "{}", row.name);
            assert!(row.origins.iter().all(|origin| OriginPattern::parse(origin).is_ok()), "{}", row.name);
            let enters = |carrier: &Carrier| match carrier {
                Carrier::Query(_) | Carrier::SignedQuery { .. } | Carrier::Form(_) | Carrier::Script => true,
                Carrier::Header { comes, .. } => matches!(comes, Comes::First | Comes::FromPage),
                Carrier::Signature { .. } => false,
            };
            assert!(
                !row.opens_session || row.carriers.iter().any(enters),
                "{}: a session by what is no page's",
                row.name
            );
            let says = row.audience != Audience::Nowhere;
            assert!(!says || matches!(row.app, App::Asked(_)), "{}: an audience that nobody is asked for", row.name);
        }
    }
}
