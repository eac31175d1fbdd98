//! From what a token says to who is calling: every rule of the platform's row, none of them optional.

use std::time::Duration;

use serde_json::Value;

use super::Presented;
use super::claims::Claims;
use super::hosted::HostedSettings;
use super::platform::{Audience, Field, Issuer, KindOf, Life, Path, Rule, Unit};
use super::refusal::Refusal;
use super::request_hash;
use crate::access::{Kind, OrganizationId, Standing, SubjectId, TenantId};
use crate::clock::Timestamp;

/// How far ahead a time may lie that was taken elsewhere.
const AHEAD: Duration = Duration::from_secs(60);

/// Where shops are.
const SHOPS: [&str; 4] = [".myshopify.com", ".shopify.com", ".myshopify.io", ".shop.dev"];

/// Who a token names, once it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) tenant: TenantId,
    pub(super) subject: SubjectId,
    pub(super) kind: Kind,
    pub(super) organization: Option<OrganizationId>,
    pub(super) standing: Standing,
    /// The page that the token says is wanted.
    pub(super) target: Option<String>,
}

/// What a token says and under which circumstances.
pub(super) struct Checked<'a> {
    pub(super) settings: &'a HostedSettings,
    pub(super) claims: &'a Claims,
    /// Where the scheme signs a time beside the claims.
    pub(super) signed_at: Option<Timestamp>,
    pub(super) now: Timestamp,
}

impl HostedSettings {
    /// Whether people of this workspace are served, as far as the configuration says, which may be another one than that under
    /// which they were let in. The app and its deployments can be workspaces too, without a list of them.
    pub(super) fn serves(&self, tenant: &TenantId) -> bool {
        let app = self.audience.as_deref().unwrap_or_default();
        let issuer = self.issuer.as_deref().unwrap_or_default();
        let is_app = self.platform.tenant != Field::App || app == tenant.as_str();
        let is_known = |deployment: &String| [issuer, app, deployment].join("|") == tenant.as_str();
        let is_deployed = self.deployments.is_empty() || self.deployments.iter().any(is_known);
        self.tenants.serve(tenant) && is_app && is_deployed
    }
}

impl Checked<'_> {
    /// Who it is, if the token is for this app, of this platform, alive, and says all that it must.
    pub(super) fn identity(&self, presented: &Presented) -> Result<Identity, Refusal> {
        self.check_time()?;
        self.check_issuer()?;
        self.check_audience()?;
        for rule in self.settings.platform.rules {
            self.check(rule, presented)?;
        }
        self.person()
    }

    /// From when on it counts no more, as far as it says so; `None` where that counts from its first sight, or is never.
    pub(super) fn end(&self) -> Option<Timestamp> {
        let (leeway, age) = (self.settings.leeway, self.settings.max_token_age);
        match self.settings.platform.life {
            Life::Stated(unit) => Some(time(self.claims.at(&["exp"])?, unit)? + leeway),
            Life::Between { end, unit, .. } => Some(time(self.claims.at(end)?, unit)? + leeway),
            Life::Issued { at, unit, .. } => Some(time(self.claims.at(at)?, unit)? + age),
            Life::SignedAt(_) => Some(self.signed_at? + age),
            Life::FirstSeen(_) | Life::Never => None,
        }
    }

    fn check_time(&self) -> Result<(), Refusal> {
        let age = self.settings.max_token_age;
        match self.settings.platform.life {
            Life::Stated(unit) => self.check_stated(unit),
            Life::Between { begin, end, unit } => {
                let moment = |path: Path| {
                    let stated = self.claims.at(path).ok_or(Refusal::MissingClaim)?;
                    time(stated, unit).ok_or(Refusal::Malformed)
                };
                let (begin, end) = (moment(begin)?, moment(end)?);
                if self.now >= end + self.settings.leeway { Err(Refusal::Expired) } else { self.check_begun(begin) }
            }
            Life::Issued { at, unit, .. } => {
                let stated = self.claims.at(at).ok_or(Refusal::MissingClaim)?;
                self.check_age(time(stated, unit).ok_or(Refusal::Malformed)?, age)
            }
            Life::SignedAt(_) => self.check_age(self.signed_at.ok_or(Refusal::MissingClaim)?, age),
            Life::FirstSeen(_) | Life::Never => Ok(()),
        }
    }

    /// `exp` is required, and is the first moment at which the token does not count (RFC 7519 §4.1.4).
    fn check_stated(&self, unit: Unit) -> Result<(), Refusal> {
        let leeway = self.settings.leeway;
        let moment = |name: &str| match self.claims.at(&[name]) {
            None => Ok(None),
            Some(stated) => time(stated, unit).map(Some).ok_or(Refusal::Malformed),
        };
        let end = moment("exp")?.ok_or(Refusal::MissingClaim)?;
        if self.now >= end + leeway {
            return Err(Refusal::Expired);
        }
        if moment("nbf")?.is_some_and(|begin| begin > self.now + leeway) {
            return Err(Refusal::NotYetValid);
        }
        // Before that moment it counts as well (§4.1.6 of the same): clocks that are a second apart must not refuse a first load.
        moment("iat")?.map_or(Ok(()), |made| self.check_begun(made))
    }

    fn check_age(&self, made: Timestamp, age: Duration) -> Result<(), Refusal> {
        check_age(made, self.now, age)
    }

    fn check_begun(&self, made: Timestamp) -> Result<(), Refusal> {
        check_begun(made, self.now)
    }

    fn check_issuer(&self) -> Result<(), Refusal> {
        let issuer = || self.claims.text(&["iss"]).ok_or(Refusal::MissingClaim);
        let right = match self.settings.platform.issuer {
            // Where no issuer is fixed, one that is configured still counts.
            Issuer::Anybody => match &self.settings.issuer {
                Some(wanted) => issuer()? == wanted,
                None => true,
            },
            Issuer::Asked => self.settings.issuer.as_deref() == Some(issuer()?),
            Issuer::Exactly(wanted) => issuer()? == wanted,
            Issuer::Of(form, path) => {
                let (before, after) = form.split_once("{}").unwrap_or((form, ""));
                let tenant = self.claims.text(path).ok_or(Refusal::MissingClaim)?;
                issuer()?.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) == Some(tenant)
            }
            Issuer::Shop => {
                let shop = self.claims.text(&["dest"]).ok_or(Refusal::MissingClaim)?;
                let name = shop.strip_prefix("https://").ok_or(Refusal::WrongIssuer)?;
                is_shop(name) && issuer()?.strip_suffix("/admin") == Some(shop)
            }
        };
        if right { Ok(()) } else { Err(Refusal::WrongIssuer) }
    }

    fn check_audience(&self) -> Result<(), Refusal> {
        let wanted = self.settings.audience.as_deref();
        let says = |path: Path| self.claims.at(path).ok_or(Refusal::MissingClaim);
        let right = match self.settings.platform.audience {
            Audience::Nowhere => true,
            Audience::One(path) => says(path)?.as_str().is_some_and(|one| Some(one) == wanted),
            Audience::Claim(path) => is_among(says(path)?, wanted),
            Audience::Party(path) => {
                let audience = says(path)?;
                let is_one = audience.as_array().is_none_or(|several| several.len() == 1);
                let party = self.claims.at(&["azp"]);
                let is_party = party.map_or(is_one, |party| party.as_str().is_some_and(|party| Some(party) == wanted));
                is_among(audience, wanted) && is_party
            }
        };
        if right { Ok(()) } else { Err(Refusal::WrongAudience) }
    }

    fn check(&self, rule: &Rule, presented: &Presented) -> Result<(), Refusal> {
        let text = |path: Path| self.claims.text(path).ok_or(Refusal::MissingClaim);
        let or = |right: bool, refusal| if right { Ok(()) } else { Err(refusal) };
        match *rule {
            Rule::Is(path, word) => or(text(path)? == word, Refusal::WrongClaim),
            Rule::OneOf(path, words) => or(words.contains(&text(path)?), Refusal::WrongClaim),
            Rule::Word(path, word) => or(text(path)?.split(' ').any(|one| one == word), Refusal::WrongClaim),
            Rule::List(path) => or(self.claims.at(path).is_some_and(Value::is_array), Refusal::MissingClaim),
            Rule::With(path, word, beside) => {
                let due = self.claims.text(path) == Some(word);
                or(!due || self.claims.id(beside).is_some(), Refusal::MissingClaim)
            }
            // Looked at with the signature.
            Rule::NamedKey => Ok(()),
            Rule::Absent(path) => or(self.claims.at(path).is_none(), Refusal::NamesNobody),
            Rule::Deployment(path) => {
                let deployment = text(path)?;
                or(self.settings.deployments.iter().any(|known| known == deployment), Refusal::WrongTenant)
            }
            Rule::RequestHash(path) => {
                let base = self.settings.audience.as_deref();
                or(request_hash::fits(text(path)?, presented, base), Refusal::RequestBinding)
            }
            Rule::Nonce(path) => {
                let nonce = text(path)?;
                or(presented.nonce.as_deref().is_some_and(|ours| ours == nonce), Refusal::Replay)
            }
        }
    }

    fn person(&self) -> Result<Identity, Refusal> {
        let platform = self.settings.platform;
        let tenant = match (platform.tenant, self.settings.claims.tenant.as_deref()) {
            (Field::Asked, None) => self.id(Field::TheTenant, None)?,
            (field, asked) => self.id(field, asked)?,
        };
        let tenant = TenantId::new(&tenant.ok_or(Refusal::MissingClaim)?).map_err(|_| Refusal::WrongClaim)?;
        if !self.settings.tenants.serve(&tenant) {
            return Err(Refusal::WrongTenant);
        }
        let named = match platform.user {
            Field::Workspace => Some(tenant.to_string()),
            user => self.id(user, self.settings.claims.user.as_deref())?,
        };
        let (user, kind) = match named {
            Some(user) => (user, self.kind()),
            None if self.settings.nameless => (tenant.to_string(), Kind::Service),
            None => return Err(Refusal::NamesNobody),
        };
        let organization = self.optional(platform.organization, self.settings.claims.organization.as_deref())?;
        Ok(Identity {
            subject: SubjectId::new(&user).map_err(|_| Refusal::WrongClaim)?,
            kind,
            organization: organization
                .map(|id| OrganizationId::new(&id))
                .transpose()
                .map_err(|_| Refusal::WrongClaim)?,
            standing: self.standing(),
            target: platform.target.and_then(|path| self.claims.text(path)).map(str::to_owned),
            tenant,
        })
    }

    fn kind(&self) -> Kind {
        match self.settings.platform.kind {
            KindOf::Always(kind) => kind,
            KindOf::Asked => self.settings.kind,
            KindOf::InternalIf(path, words) => {
                let staff = self.claims.text(path).is_some_and(|word| words.contains(&word));
                if staff { Kind::Internal } else { Kind::Client }
            }
        }
    }

    /// Facts for headers and default roles. What does not fit is left out: nothing is decided by it alone.
    fn standing(&self) -> Standing {
        let platform = self.settings.platform;
        let claims = &self.settings.claims;
        let fact = |field, asked| self.optional(field, asked).unwrap_or_default();
        Standing {
            host_role: fact(platform.role, claims.role.as_deref()),
            limited_to: None,
            name: fact(platform.full_name, claims.name.as_deref()),
            email: fact(platform.email, claims.email.as_deref()),
        }
    }

    fn optional(&self, field: Option<Field>, asked: Option<&[String]>) -> Result<Option<String>, Refusal> {
        field.map_or(Ok(None), |field| self.id(field, asked))
    }

    /// What a field names; `None` where the token says nothing there.
    fn id(&self, field: Field, asked: Option<&[String]>) -> Result<Option<String>, Refusal> {
        let text = |path: Path| self.claims.text(path);
        Ok(match field {
            Field::At(path) => self.named(path)?,
            Field::Asked => match asked {
                Some(path) => self.named(path)?,
                None => None,
            },
            Field::After(path, before) => match text(path) {
                Some(whole) => {
                    let rest = whole.strip_prefix(before).filter(|rest| !rest.contains('/'));
                    Some(rest.ok_or(Refusal::WrongClaim)?.to_owned())
                }
                None => None,
            },
            Field::LastSegment(path, behind) => text(path).map(|url| {
                let last = url.rsplit('/').next().unwrap_or(url);
                last.strip_suffix(behind).unwrap_or(last).to_owned()
            }),
            Field::HostOf(path) => text(path).and_then(|url| url.strip_prefix("https://")).map(str::to_owned),
            Field::Joined(paths) => {
                let part = |path: &Path| {
                    if path.is_empty() { self.settings.audience.clone() } else { self.claims.id(path) }
                };
                let parts: Option<Vec<String>> = paths.iter().map(part).collect();
                // Only the last may hold what stands between them, or two workspaces could have one name.
                let is_plain = |parts: &Vec<String>| parts.iter().rev().skip(1).all(|part| !part.contains('|'));
                parts
                    .map(|parts| if is_plain(&parts) { Ok(parts.join("|")) } else { Err(Refusal::WrongClaim) })
                    .transpose()?
            }
            Field::Flag(path, word) => (self.claims.at(path) == Some(&Value::Bool(true))).then(|| word.to_owned()),
            Field::Same(one, other, word) => {
                (self.claims.id(one).is_some() && self.claims.id(one) == self.claims.id(other)).then(|| word.to_owned())
            }
            Field::FirstFragment(path) => {
                let first = self.claims.at(path).and_then(|list| list.get(0)).and_then(Value::as_str);
                first.map(|role| role.rsplit('#').next().unwrap_or(role).to_owned())
            }
            Field::App => self.settings.audience.clone(),
            Field::TheTenant => self.settings.tenants.only().map(ToString::to_string),
            Field::Workspace | Field::Nobody => None,
        })
    }

    /// An id that is there must be one: a list or a fraction in its place is not "nobody".
    fn named<S: AsRef<str>>(&self, path: &[S]) -> Result<Option<String>, Refusal> {
        match self.claims.at(path) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(_) => self.claims.id(path).map(Some).ok_or(Refusal::WrongClaim),
        }
    }
}

/// Whether an audience is this one text, or a list of texts with it.
fn is_among(audience: &Value, wanted: Option<&str>) -> bool {
    match audience {
        Value::String(one) => Some(one.as_str()) == wanted,
        Value::Array(several) => {
            several.iter().all(Value::is_string) && several.iter().any(|one| one.as_str() == wanted && wanted.is_some())
        }
        _ => false,
    }
}

/// Whether it is the domain of a shop at Shopify.
pub(super) fn is_shop(name: &str) -> bool {
    let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    SHOPS.iter().any(|domain| name.strip_suffix(domain).is_some_and(|shop| !shop.is_empty() && shop.bytes().all(label)))
}

/// Neither older than that, nor ahead.
pub(super) fn check_age(made: Timestamp, now: Timestamp, age: Duration) -> Result<(), Refusal> {
    check_begun(made, now)?;
    if now.since(made) > age { Err(Refusal::Expired) } else { Ok(()) }
}

fn check_begun(made: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if made > now + AHEAD { Err(Refusal::NotYetValid) } else { Ok(()) }
}

/// A moment, if it is written as it should be and no later than the year 9999.
fn time(value: &Value, unit: Unit) -> Option<Timestamp> {
    const LAST: f64 = 253_402_300_799_000.0;
    let millis = match unit {
        Unit::Seconds => value.as_f64()? * 1000.0,
        Unit::Millis => value.as_f64()?,
        Unit::Digits => {
            let text = value.as_str()?;
            let digits = (1..=11).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            return digits.then(|| text.parse().map(Timestamp::from_secs).ok()).flatten();
        }
        Unit::Rfc3339 => return Timestamp::from_rfc3339(value.as_str()?),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range that was checked")]
    (0.0..=LAST).contains(&millis).then(|| Timestamp::from_millis(millis.round() as u64))
}
