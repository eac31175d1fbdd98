//! The words that a platform is described with: one [`Platform`] is one row of [`super::platforms`].

use std::fmt;
use std::time::Duration;

use super::bridge::Bridge;
pub use super::carrier::{Binding, Carrier, Comes};
use super::keys::Algorithm;
use crate::access::Kind;

mod secret;

/// A path of member names into what a token says.
pub type Path = &'static [&'static str];

/// A host platform: how its tokens reach an app, how they are proven, and what in them means what.
pub struct Platform {
    /// The word in the configuration.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Where a token stands. The first is the usual one.
    pub carriers: &'static [Carrier],
    /// How it is proven.
    pub scheme: Scheme,
    /// What it is proven with.
    pub keys: KeySource,
    /// How the app is told apart from other apps of the platform.
    pub app: App,
    /// Where the token names the app that it is for.
    pub audience: Audience,
    /// Who must have made it.
    pub issuer: Issuer,
    /// How long it lives.
    pub life: Life,
    /// Allowed difference between the platform's clock and ours.
    pub leeway: Duration,
    /// Whether it can be used again.
    pub once: Once,
    /// Whether it opens a session of ours. If not, it counts for the one request that it comes with.
    pub opens_session: bool,
    /// What else it must say.
    pub rules: &'static [Rule],
    /// The workspace.
    pub tenant: Field,
    /// The person.
    pub user: Field,
    /// What sort of person.
    pub kind: KindOf,
    /// The customer company, or part of the workspace, that they act in.
    pub organization: Option<Field>,
    /// The platform's own word for their rank.
    pub role: Option<Field>,
    /// The page that is wanted, where the token says so.
    pub target: Option<Path>,
    /// Display name.
    pub full_name: Option<Field>,
    /// Address.
    pub email: Option<Field>,
    /// Headers beside the carriers that only the platform may set, in lower case: what they say is for us alone.
    pub headers: &'static [&'static str],
    /// Pages that frame apps there, where that is known.
    pub origins: &'static [&'static str],
    /// How a page of the app gets a fresh token, where that is known.
    pub bridge: Option<Bridge>,
    /// What a reader of the documentation should know.
    pub about: About,
}

/// What `docs/hosts.md` says of a platform beyond what the other columns say.
#[derive(Debug)]
pub struct About {
    /// Where the operator finds the values that the configuration asks for.
    pub find: &'static str,
    /// What is particular about it; each a sentence.
    pub notes: &'static [&'static str],
    /// What nobody could verify without an account at the platform; the stricter reading is built. Each a sentence.
    pub unverified: &'static [&'static str],
    /// The platform's own package and where it decides otherwise than the gateway, if it does.
    pub package: Option<&'static str>,
}

/// How a token is proven. One file of code each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// AES-CBC without a MAC.
    SealedCbc(CbcForm),
    /// AES-256-GCM.
    SealedGcm(GcmForm),
    /// JWE compact, `dir` and `A256GCM` (RFC 7516).
    Jwe,
    /// PASETO version 4.
    Paseto(Purpose),
    /// JWS compact (RFC 7515) with one of these algorithms; empty where the configuration names them.
    Jwt(&'static [Algorithm]),
    /// A MAC and a payload, in one text.
    SignedPayload(PayloadForm),
    /// A query string with its MAC or signature.
    SignedQuery(QueryForm),
    /// A request with a MAC or signature over parts of it.
    SignedRequest(RequestForm),
    /// A secret that both sides know, as it is.
    SharedSecret,
    /// Nothing to read: the platform is asked what it means.
    Introspection(&'static str),
}

/// Layouts of AES-CBC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CbcForm {
    /// hex, AES-128, key by HMAC; confirmed with the platform.
    Assembly,
    /// base64url, AES-128, key = the first 16 characters of the secret.
    Ecwid,
    /// base64 of OpenSSL's `Salted__` form, AES-256, key and IV by `EVP_BytesToKey` with MD5.
    HighLevel,
}

/// Layouts of AES-256-GCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcmForm {
    /// base64url of iv (12) ‖ ciphertext ‖ tag (16); the key is the secret's 32 bytes.
    Plain,
    /// base64 of the same; the key is SHA-256 of the secret. In a JSON text's member `user`, or alone.
    Intercom,
    /// base64url of lengths, iv, additional data, ciphertext and tag; the key is SHA-256 of the secret.
    Zoom,
}

/// PASETO's purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `v4.local`: sealed.
    Local,
    /// `v4.public`: signed.
    Public,
}

/// Layouts of a payload with its MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadForm {
    /// base64url(MAC) `.` base64url(JSON), MAC over the encoded payload. Facebook, Wix.
    MacFirst,
    /// base64(MAC) `.` base64(JSON), with padding, MAC over the encoded payload. Salesforce.
    MacFirstPadded,
    /// base64(JSON) `.` base64(hex(MAC)), MAC over the JSON. BigCommerce's former form.
    PayloadFirst,
}

/// How a query string is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryForm {
    /// Telegram, with the bot's token.
    TelegramMac,
    /// Telegram, with Telegram's key.
    TelegramSignature,
    /// VK launch parameters.
    Vk,
    /// Shopify's `hmac`.
    Shopify,
    /// Shopify's App Proxy `signature`.
    ShopifyProxy,
}

/// How a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestForm {
    /// HubSpot, version 3: method, URL, body, time.
    HubSpot,
    /// Contentful's canonical request.
    Contentful,
    /// Stripe Apps: time and the two ids in the body.
    StripeApps,
    /// Slack: version, time, body.
    Slack,
    /// Webflow webhooks: time, body.
    Webflow,
    /// hex(HMAC-SHA256(body)). Assembly's webhooks, Intercom's Canvas Kit.
    Body,
    /// base64(Ed25519(body)). HighLevel webhooks.
    BodySignature,
    /// Discord's calls: Ed25519 over time and body.
    DiscordCall,
    /// Discord's Activity proxy: Ed25519 over a payload in a header.
    DiscordPayload,
}

/// What a token is proven with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `secret`, one or several.
    Secret,
    /// `secrets`, one of each tenant.
    SecretOfTenant,
    /// `public_key`, PEM, or 64 hex digits where the scheme is Ed25519.
    PublicKey,
    /// The platform's JWK Set; `{audience}` stands for the app's id.
    Jwks(&'static str),
    /// PEM keys at this address and the key's id.
    KeyById(&'static str),
    /// Keys that the platform published once and for all, in hex.
    Published(&'static [(&'static str, &'static str)]),
    /// What the configuration gives: `jwks_url`, `public_key` or `secret`.
    Chosen,
}

/// How the app is told apart from other apps of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    /// The configuration's `audience`, which is called this there.
    Asked(&'static str),
    /// What stands before the colon of the secret.
    InSecret,
    /// The key is this app's alone.
    ByKey,
}

/// Where the token names the app that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One text, or a list with it (RFC 7519 §4.1.3).
    Claim(Path),
    /// The same, and `azp` says whom it was made for: it must where there are several (OpenID Connect Core §3.1.3.7).
    Party(Path),
    /// One text; a list is refused.
    One(Path),
    /// Nowhere.
    Nowhere,
}

/// Who must have made a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// Whoever has the key.
    Anybody,
    /// The configuration's `issuer`.
    Asked,
    /// This one.
    Exactly(&'static str),
    /// This one, with what stands at the path in place of `{}`.
    Of(&'static str, Path),
    /// `https://SHOP/admin`, where `https://SHOP` is in `dest` and one of the platform's domains.
    Shop,
}

/// How long a token lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It states its end, in `exp` or the like, and perhaps its beginning in `nbf` and `iat`.
    Stated(Unit),
    /// It states when it was made and when it ends, both under names of its own.
    Between {
        /// Where it says when it was made.
        begin: Path,
        /// Where it says when it ends.
        end: Path,
        /// In what.
        unit: Unit,
    },
    /// It states when it was made; it is accepted for this long.
    Issued {
        /// Where it says so.
        at: Path,
        /// In what.
        unit: Unit,
        /// For how long, where `max_token_age` says nothing else.
        age: Duration,
    },
    /// The time is signed beside what it says; it is accepted for this long.
    SignedAt(Duration),
    /// It says nothing: it is accepted for this long after it was first seen.
    FirstSeen(Duration),
    /// It says nothing and is the same every time.
    Never,
}

/// How a token writes a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A JSON number of seconds, which may have a fraction (RFC 7519 §2).
    Seconds,
    /// A JSON number of milliseconds.
    Millis,
    /// Decimal digits in a text, seconds.
    Digits,
    /// RFC 3339.
    Rfc3339,
}

/// Whether a token can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// As often as it is presented while it lives.
    No,
    /// Once, told apart by what stands at the path.
    By(Path),
    /// Once, told apart by itself.
    Token,
}

/// What else a token must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// This text.
    Is(Path, &'static str),
    /// One of these texts.
    OneOf(Path, &'static [&'static str]),
    /// This among words separated by spaces.
    Word(Path, &'static str),
    /// A list.
    List(Path),
    /// Where the first says this word, an id at the second.
    With(Path, &'static str, Path),
    /// The name of its key, in its header.
    NamedKey,
    /// Nothing at all.
    Absent(Path),
    /// One of the configuration's `deployments`.
    Deployment(Path),
    /// The hash of the request (Atlassian Connect).
    RequestHash(Path),
    /// The nonce of a login that we began in this browser (OpenID Connect Core §3.1.3.7).
    Nonce(Path),
}

/// Where something stands in what a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A text or a whole number.
    At(Path),
    /// Where the configuration's `claims` says.
    Asked,
    /// What is left of the text without what stands before it.
    After(Path, &'static str),
    /// The last segment of a URL's path, without what stands behind it.
    LastSegment(Path, &'static str),
    /// The host of a URL.
    HostOf(Path),
    /// Several, with `|` between them. An empty path stands for the app.
    Joined(&'static [Path]),
    /// This word, where there is `true`.
    Flag(Path, &'static str),
    /// This word, where both are the same.
    Same(Path, Path, &'static str),
    /// The first of a list, without what stands before the last `#`.
    FirstFragment(Path),
    /// The app itself.
    App,
    /// The one entry of the configuration's `tenants`.
    TheTenant,
    /// Nobody: the workspace itself is the caller.
    Workspace,
    /// Nobody, and that is refused unless the configuration says otherwise.
    Nobody,
}

/// What sort of person a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindOf {
    /// Always this.
    Always(Kind),
    /// What the configuration says.
    Asked,
    /// Staff where one of these words stands at the path, a client of theirs otherwise.
    InternalIf(Path, &'static [&'static str]),
}

/// Its name: the rest stands in the table.
impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Platform({})", self.name)
    }
}

impl Platform {
    /// The header that holds the signature of a request, if that is what its token is.
    pub fn signature_header(&self) -> Option<&'static str> {
        self.carriers.iter().find_map(|carrier| match carrier {
            Carrier::Signature { name, .. } => Some(*name),
            _ => None,
        })
    }

    /// The algorithms of a JWT; none where the configuration names them, or there is no JWT.
    pub const fn algorithms(&self) -> &'static [Algorithm] {
        match self.scheme {
            Scheme::Jwt(algorithms) => algorithms,
            _ => &[],
        }
    }

    /// How long a token that states no end is accepted; zero where it states one.
    pub const fn age(&self) -> Duration {
        match self.life {
            Life::Issued { age, .. } | Life::SignedAt(age) | Life::FirstSeen(age) => age,
            Life::Stated(_) | Life::Between { .. } | Life::Never => Duration::ZERO,
        }
    }
}
