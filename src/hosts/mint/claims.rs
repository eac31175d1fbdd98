//! What a platform would say of a person: the platform's row, read backwards. [`crate::hosts::rules`] reads it forwards.

use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value, json};

use super::{MintError, Wish};
use crate::clock::Timestamp;
use crate::hosts::platform::{Audience, Field, Issuer, Life, Once, Path, Rule, Unit};
use crate::hosts::{HostedSettings, request_hash};

/// Platforms whose ids are JSON numbers.
const NUMBERS: [&str; 7] =
    ["monday", "pipedrive", "bigcommerce", "bigcommerce-legacy", "ecwid", "telegram", "telegram-ed25519"];

struct Making<'a> {
    settings: &'a HostedSettings,
    wish: &'a Wish,
    members: Map<String, Value>,
}

/// All that the row asks for, and what the wish has beside it or instead.
pub(super) fn make(settings: &HostedSettings, wish: &Wish, now: Timestamp) -> Result<Map<String, Value>, MintError> {
    let mut making = Making { settings, wish, members: Map::new() };
    making.app();
    making.issuer()?;
    making.times(now);
    making.person()?;
    making.rules();
    let mut all = Value::Object(making.members);
    for (name, value) in &wish.claims {
        merge(&mut all[name.as_str()], value);
    }
    let Value::Object(mut members) = all else { return Ok(Map::new()) };
    // Taken away on purpose.
    members.retain(|_, value| !value.is_null());
    Ok(members)
}

impl Making<'_> {
    fn put(&mut self, path: Path, value: impl Into<Value>) {
        let Some((last, way)) = path.split_last() else { return };
        let mut members = &mut self.members;
        for name in way {
            let inside = members.entry(*name).or_insert_with(|| json!({}));
            let Value::Object(inside) = inside else { return };
            members = inside;
        }
        members.insert((*last).to_owned(), value.into());
    }

    fn has(&self, path: Path) -> bool {
        path.split_first().is_some_and(|(first, rest)| {
            let found = self.members.get(*first);
            rest.iter().try_fold(found, |value, name| value.map(|value| value.get(name))).flatten().is_some()
        })
    }

    fn app(&mut self) {
        let app = self.settings.audience.clone().unwrap_or_default();
        match self.settings.platform.audience {
            Audience::Claim(path) | Audience::Party(path) | Audience::One(path) => self.put(path, app),
            Audience::Nowhere => {}
        }
    }

    fn issuer(&mut self) -> Result<(), MintError> {
        match self.settings.platform.issuer {
            Issuer::Asked | Issuer::Anybody => {
                if let Some(issuer) = self.settings.issuer.clone() {
                    self.put(&["iss"], issuer);
                }
            }
            Issuer::Exactly(issuer) => self.put(&["iss"], issuer),
            Issuer::Of(form, _) => self.put(&["iss"], form.replace("{}", &self.tenant()?)),
            Issuer::Shop => self.put(&["iss"], format!("https://{}/admin", self.tenant()?)),
        }
        Ok(())
    }

    fn times(&mut self, now: Timestamp) {
        match self.settings.platform.life {
            Life::Stated(unit) => {
                self.put(&["iat"], time(now, unit));
                self.put(&["exp"], time(now + self.wish.lifetime, unit));
            }
            Life::Issued { at, unit, .. } => self.put(at, time(now, unit)),
            Life::Between { begin, end, unit } => {
                self.put(begin, time(now, unit));
                self.put(end, time(now + self.wish.lifetime, unit));
            }
            Life::SignedAt(_) | Life::FirstSeen(_) | Life::Never => {}
        }
    }

    fn rules(&mut self) {
        for rule in self.settings.platform.rules {
            match *rule {
                Rule::Is(path, word) | Rule::Word(path, word) => self.put(path, word),
                Rule::OneOf(path, words) => self.put(path, words.first().copied().unwrap_or_default()),
                Rule::List(path) if !self.has(path) => self.put(path, json!([])),
                Rule::Deployment(path) if !self.has(path) => {
                    self.put(path, self.settings.deployments.first().cloned().unwrap_or_default());
                }
                Rule::RequestHash(path) => {
                    let base = self.settings.audience.as_deref();
                    let hash = self.wish.call.as_ref().and_then(|call| request_hash::of(call, base));
                    self.put(path, hash.unwrap_or_else(|| request_hash::CONTEXT.to_owned()));
                }
                Rule::Nonce(path) => self.put(path, random()),
                Rule::With(_, _, beside) if !self.has(beside) => self.put(beside, random()),
                Rule::List(_) | Rule::Deployment(_) | Rule::Absent(_) | Rule::With(..) | Rule::NamedKey => {}
            }
        }
        if let Once::By(path) = self.settings.platform.once
            && !self.has(path)
        {
            self.put(path, random());
        }
    }

    fn person(&mut self) -> Result<(), MintError> {
        let (platform, claims) = (self.settings.platform, &self.settings.claims);
        if says(platform.tenant, claims.tenant.as_deref()) {
            let tenant = self.tenant()?;
            self.field(platform.tenant, claims.tenant.as_deref(), &tenant);
        }
        if says(platform.user, claims.user.as_deref()) {
            let user = self.wish.user.clone().ok_or(MintError::Missing("the person", "--user"))?;
            self.field(platform.user, claims.user.as_deref(), &user);
        }
        let optional = [
            (platform.organization, &claims.organization, &self.wish.organization),
            (platform.role, &claims.role, &self.wish.role),
        ];
        for (field, asked, value) in optional {
            if let (Some(field), Some(value)) = (field, value) {
                self.field(field, asked.as_deref(), value);
            }
        }
        Ok(())
    }

    /// The workspace that is wished for, or the only one that is served.
    fn tenant(&self) -> Result<String, MintError> {
        let only = || self.settings.tenants.only().map(ToString::to_string);
        let made = || self.joined();
        self.wish.tenant.clone().or_else(only).or_else(made).ok_or(MintError::Missing("the workspace", "--tenant"))
    }

    /// Of LTI the workspace follows from the settings.
    fn joined(&self) -> Option<String> {
        let Field::Joined([_, [], _]) = self.settings.platform.tenant else { return None };
        let app = self.settings.audience.as_deref()?;
        let (issuer, deployment) = (self.settings.issuer.as_deref()?, self.settings.deployments.first()?);
        Some([issuer, app, deployment].join("|"))
    }

    fn field(&mut self, field: Field, asked: Option<&[String]>, value: &str) {
        match field {
            Field::At(path) => self.put(path, id(self.settings.platform.name, value)),
            Field::Asked => {
                let (Some(names), id) = (asked, Value::from(value)) else { return };
                let nested = names.iter().rev().fold(id, |inside, name| json!({ name.as_str(): inside }));
                let mut all = Value::Object(std::mem::take(&mut self.members));
                merge(&mut all, &nested);
                if let Value::Object(members) = all {
                    self.members = members;
                }
            }
            Field::After(path, before) => self.put(path, format!("{before}{value}")),
            Field::LastSegment(path, behind) => self.put(path, format!("https://host.example/users/{value}{behind}")),
            Field::HostOf(path) => self.put(path, format!("https://{value}")),
            Field::Joined(paths) => {
                for (path, part) in paths.iter().zip(value.split('|')) {
                    self.put(path, part);
                }
            }
            Field::Flag(path, word) => self.put(path, value == word),
            Field::Same(one, other, word) => {
                let user = self.wish.user.clone().unwrap_or_default();
                let name = self.settings.platform.name;
                self.put(one, id(name, &user));
                self.put(other, if value == word { id(name, &user) } else { json!(0) });
            }
            Field::FirstFragment(path) => self.put(path, json!([format!("urn:example:role#{value}")])),
            Field::App | Field::TheTenant | Field::Workspace | Field::Nobody => {}
        }
    }
}

/// Whether a token of the platform says this at all.
const fn says(field: Field, asked: Option<&[String]>) -> bool {
    match field {
        Field::Asked => asked.is_some(),
        Field::App | Field::TheTenant | Field::Workspace | Field::Nobody => false,
        _ => true,
    }
}

fn id(platform: &str, value: &str) -> Value {
    let number = || value.parse::<u64>().ok().filter(|number| number.to_string() == value);
    match number().filter(|_| NUMBERS.contains(&platform)) {
        Some(number) => number.into(),
        None => value.into(),
    }
}

fn time(at: Timestamp, unit: Unit) -> Value {
    match unit {
        Unit::Seconds => at.as_secs().into(),
        Unit::Millis => at.as_millis().into(),
        Unit::Digits => at.as_secs().to_string().into(),
        Unit::Rfc3339 => at.to_rfc3339().into(),
    }
}

fn random() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes, or nothing here is safe");
    faster_hex::hex_string(&bytes)
}

/// Members of objects one by one; everything else is replaced.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            tenant: None,
            user: None,
            organization: None,
            role: None,
            claims: Vec::new(),
            lifetime: Duration::from_secs(300),
            key_id: None,
            call: None,
        }
    }
}
