//! A platform's row in words, for the command line and the documentation.

use std::time::Duration;

use crate::hosts::{
    App, Audience, Carrier, CbcForm, Comes, Field, GcmForm, Issuer, KeySource, KindOf, Life, Once, PayloadForm,
    Platform, Purpose, QueryForm, RequestForm, Rule, Scheme,
};

/// Where a token stands, in the order of the row.
pub(super) fn carriers(platform: &Platform) -> String {
    platform.carriers.iter().map(carrier).collect::<Vec<_>>().join("; ")
}

/// Where a token stands.
pub(super) fn carrier(carrier: &Carrier) -> String {
    match carrier {
        Carrier::Query(name) => format!("query `{name}`"),
        Carrier::SignedQuery { signature, covers: "" } => format!("the whole query, signed by `{signature}`"),
        Carrier::SignedQuery { signature, covers } => format!("query `{covers}…`, signed by `{signature}`"),
        Carrier::Form(name) => format!("form field `{name}`"),
        Carrier::Header { name, scheme, comes } => {
            let scheme = scheme.as_deref().map(|scheme| format!(": {scheme}")).unwrap_or_default();
            format!("header `{name}{scheme}` {}", when(*comes))
        }
        Carrier::Script => "the page's JavaScript".to_owned(),
        Carrier::Signature { name, .. } => format!("header `{name}`, which signs the request"),
    }
}

const fn when(comes: Comes) -> &'static str {
    match comes {
        Comes::First => "with the first navigation",
        Comes::FromPage => "from the page",
        Comes::FromProxy => "with each request, from its proxy",
        Comes::FromServer => "with each call of its servers",
    }
}

/// How a token is proven.
pub(super) fn scheme(platform: &Platform) -> String {
    match platform.scheme {
        Scheme::SealedCbc(CbcForm::Assembly | CbcForm::Ecwid) => "AES-128-CBC".to_owned(),
        Scheme::SealedCbc(CbcForm::HighLevel) => "AES-256-CBC (OpenSSL)".to_owned(),
        Scheme::SealedGcm(GcmForm::Plain | GcmForm::Intercom | GcmForm::Zoom) => "AES-256-GCM".to_owned(),
        Scheme::Jwe => "JWE, dir and A256GCM".to_owned(),
        Scheme::Paseto(Purpose::Local) => "PASETO v4.local".to_owned(),
        Scheme::Paseto(Purpose::Public) => "PASETO v4.public".to_owned(),
        Scheme::Jwt([]) => "JWT as configured".to_owned(),
        Scheme::Jwt(algorithms) => {
            let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
            format!("JWT {}", names.join(", "))
        }
        Scheme::SignedPayload(PayloadForm::MacFirst | PayloadForm::MacFirstPadded | PayloadForm::PayloadFirst) => {
            "payload with HMAC-SHA256".to_owned()
        }
        Scheme::SignedQuery(QueryForm::TelegramSignature) => "query with Ed25519".to_owned(),
        Scheme::SignedQuery(_) => "query with HMAC-SHA256".to_owned(),
        Scheme::SignedRequest(RequestForm::BodySignature | RequestForm::DiscordCall | RequestForm::DiscordPayload) => {
            "request with Ed25519".to_owned()
        }
        Scheme::SignedRequest(_) => "request with HMAC-SHA256".to_owned(),
        Scheme::SharedSecret => "the secret itself".to_owned(),
        Scheme::Introspection(_) => "the platform is asked".to_owned(),
    }
}

/// The keys that a section of the configuration has to have beside `platform`.
pub(super) fn needs(platform: &Platform) -> Vec<&'static str> {
    if platform.scheme == Scheme::SealedCbc(CbcForm::Assembly) {
        return vec!["api_key", "tenants"];
    }
    let mut keys = Vec::new();
    keys.extend((platform.scheme == Scheme::Jwt(&[])).then_some("algorithms"));
    keys.extend(match platform.keys {
        KeySource::Secret => Some("secret"),
        KeySource::SecretOfTenant => Some("secrets"),
        KeySource::PublicKey => Some("public_key"),
        KeySource::Jwks(_) | KeySource::KeyById(_) | KeySource::Published(_) => None,
        KeySource::Chosen if platform.scheme == Scheme::Jwt(&[]) => Some("jwks_url, public_key or secret"),
        KeySource::Chosen => Some("jwks_url or public_key"),
    });
    keys.extend(matches!(platform.app, App::Asked(_)).then_some("audience"));
    keys.extend((platform.issuer == Issuer::Asked).then_some("issuer"));
    let rules = |wanted: fn(&Rule) -> bool| platform.rules.iter().any(wanted);
    let deploys = rules(|rule| matches!(rule, Rule::Deployment(_)));
    keys.extend(deploys.then_some("deployments"));
    keys.extend((platform.tenant != Field::App && !deploys).then_some("tenants"));
    if rules(|rule| matches!(rule, Rule::Nonce(_))) {
        keys.extend(["login_url", "origins"]);
    }
    keys.extend((platform.kind == KindOf::Asked).then_some("kind"));
    keys
}

/// What names the workspace or the person.
pub(super) fn field(field: Field) -> String {
    match field {
        Field::At(path) | Field::Flag(path, _) => named(path),
        Field::Asked => "configured claim".to_owned(),
        Field::After(path, before) => format!("{} without `{before}`", named(path)),
        Field::LastSegment(path, _) => format!("end of {}", named(path)),
        Field::HostOf(path) => format!("host of {}", named(path)),
        Field::Joined(paths) => {
            let name = |path: &&[&str]| if path.is_empty() { "the app".to_owned() } else { named(path) };
            paths.iter().map(name).collect::<Vec<_>>().join(" and ")
        }
        Field::Same(one, other, _) => format!("{} is {}", named(one), named(other)),
        Field::FirstFragment(path) => format!("first of {}", named(path)),
        Field::App => "the app".to_owned(),
        Field::TheTenant => "the only one of `tenants`".to_owned(),
        Field::Workspace => "nobody: a program".to_owned(),
        Field::Nobody => "nobody".to_owned(),
    }
}

/// A way into claims; of names that are URLs, the end.
fn named(path: &[&str]) -> String {
    let end = |name: &&str| name.rsplit('/').next().unwrap_or(name).to_owned();
    format!("`{}`", path.iter().map(end).collect::<Vec<_>>().join("."))
}

/// How long a token counts.
pub(super) fn life(platform: &Platform) -> String {
    let life = match platform.life {
        Life::Stated(_) | Life::Between { .. } => "until the end that it states".to_owned(),
        Life::Issued { at, age, .. } => format!("{} from {}", span(age), named(at)),
        Life::SignedAt(age) => format!("{} from the time that is signed", span(age)),
        Life::FirstSeen(age) => format!("{} from its first sight", span(age)),
        Life::Never => "for ever".to_owned(),
    };
    let once = if platform.once == Once::No { "" } else { ", once" };
    format!("{life}{once}")
}

fn span(age: Duration) -> String {
    match age.as_secs() {
        seconds if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// How a token is known to be for this app.
pub(super) fn app(platform: &Platform) -> String {
    let called = match platform.app {
        App::Asked(called) => format!("`audience`, the {called}"),
        App::InSecret => "what stands before the colon of the secret".to_owned(),
        App::ByKey => return "the key is this app's alone".to_owned(),
    };
    match platform.audience {
        Audience::Claim(path) => format!("{} names {called}", named(path)),
        Audience::Party(path) => format!("{} names {called}; of several, `azp` is it", named(path)),
        Audience::One(path) => format!("{} is {called}; a list is refused", named(path)),
        Audience::Nowhere => format!("{called} is part of what is signed"),
    }
}

/// What becomes of a token that counts.
pub(super) const fn serves(platform: &Platform) -> &'static str {
    if platform.opens_session { "a session" } else { "one request" }
}

/// Whether nobody could frame the app without `origins`. Zoom's client is no page.
pub(super) fn lacks_origins(platform: &Platform) -> bool {
    let first = |carrier: &Carrier| matches!(carrier, Carrier::Header { comes: Comes::First, .. });
    platform.opens_session && platform.origins.is_empty() && !platform.carriers.iter().any(first)
}
