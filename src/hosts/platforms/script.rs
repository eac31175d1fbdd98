//! Platforms whose token exists only in the page's JavaScript, and those whose proxy adds it to each request.

use std::time::Duration;

use super::super::keys::Algorithm;
use super::super::platform::{
    About, App, Audience, Carrier, CbcForm, Comes, Field, Issuer, KeySource, KindOf, Life, Platform, QueryForm,
    RequestForm, Rule, Scheme, Unit,
};
use super::{ABOUT, BEARER, MINUTE, SECRET_JWT, SIGNED_JWT, bridge, header, query};
use crate::access::Kind;

const TELEGRAM_UNVERIFIED: &[&str] = &[
    "Telegram sets no age; its libraries take a day, this is an hour: see `max_token_age`.",
    "Which pages frame an app: write `origins` if yours are others.",
];
const TELEGRAM_LIBRARY: Option<&str> = Some("`aiogram` checks no age.");

const TELEGRAM: Platform = Platform {
    name: "telegram",
    title: "Telegram Mini Apps, with the bot's token",
    carriers: &[Carrier::Script, header("authorization", Some("tma"), Comes::FromPage)],
    scheme: Scheme::SignedQuery(QueryForm::TelegramMac),
    app: App::InSecret,
    audience: Audience::Nowhere,
    life: Life::Issued { at: &["auth_date"], unit: Unit::Digits, age: MINUTE.saturating_mul(60) },
    tenant: Field::App,
    user: Field::At(&["user", "id"]),
    kind: KindOf::Always(Kind::Client),
    full_name: Some(Field::At(&["user", "first_name"])),
    origins: &["https://web.telegram.org"],
    bridge: Some(bridge::TELEGRAM),
    about: About {
        find: "`secret` is the bot's token, as BotFather gave it.",
        notes: &["The tenant is the bot. `start_param` is the caller's choice and proves nothing."],
        unverified: TELEGRAM_UNVERIFIED,
        package: TELEGRAM_LIBRARY,
    },
    ..SECRET_JWT
};

pub(super) static ROWS: &[Platform] = &[
    Platform {
        name: "msteams",
        title: "Microsoft Teams tabs",
        carriers: &[Carrier::Script, BEARER],
        keys: KeySource::Jwks("https://login.microsoftonline.com/common/discovery/v2.0/keys"),
        app: App::Asked("application id"),
        audience: Audience::One(&["aud"]),
        issuer: Issuer::Of("https://login.microsoftonline.com/{}/v2.0", &["tid"]),
        rules: &[Rule::Word(&["scp"], "access_as_user")],
        tenant: Field::At(&["tid"]),
        user: Field::At(&["oid"]),
        full_name: Some(Field::At(&["name"])),
        email: Some(Field::At(&["preferred_username"])),
        origins: &["https://teams.microsoft.com", "https://*.teams.microsoft.com", "https://*.cloud.microsoft"],
        bridge: Some(bridge::TEAMS),
        about: About {
            find: "`audience` is the application id of the app registration; `tenants` are directory ids.",
            notes: &[
                "A person is (`tid`, `oid`); addresses change hands and are for display. Tokens of an app without a user have no `scp` and are refused.",
            ],
            unverified: &[
                "The address of the keys.",
                "Tokens of version 1, whose `aud` begins with `api://`, are refused.",
                "Which pages frame a tab: write `origins` if yours are others.",
            ],
            package: None,
        },
        ..SIGNED_JWT
    },
    TELEGRAM,
    Platform {
        name: "telegram-ed25519",
        title: "Telegram Mini Apps, with Telegram's key",
        scheme: Scheme::SignedQuery(QueryForm::TelegramSignature),
        keys: KeySource::Published(&[
            ("production", "e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d"),
            ("test", "40055058a4ee38156a06562e52eece92a771bcd8346a8c4615cb7376eddf72ec"),
        ]),
        app: App::Asked("bot id"),
        about: About {
            find: "`audience` is the bot's id, the digits before the colon of its token; the token itself is not needed.",
            notes: &["The key is Telegram's for production; `environment = \"test\"` takes that of its test servers."],
            unverified: TELEGRAM_UNVERIFIED,
            package: TELEGRAM_LIBRARY,
        },
        ..TELEGRAM
    },
    Platform {
        name: "discord-activity-proxy",
        title: "Discord Activities",
        carriers: &[header("x-discord-proxy-payload", None, Comes::FromProxy)],
        scheme: Scheme::SignedRequest(RequestForm::DiscordPayload),
        keys: KeySource::PublicKey,
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::Between { begin: &["created_at"], end: &["expires_at"], unit: Unit::Seconds },
        opens_session: false,
        tenant: Field::At(&["application_id"]),
        user: Field::At(&["user_id"]),
        kind: KindOf::Always(Kind::Client),
        headers: &["x-signature-ed25519", "x-signature-timestamp"],
        origins: &["https://*.discordsays.com"],
        about: About {
            find: "`public_key` is the application's, under General Information; turn on proxy authentication there.",
            notes: &[
                "The payload is not bound to method, address or body: it is a bearer token until its `expires_at`.",
                "For WebSockets write the Activity's own page in `origins`, `https://APPLICATION-ID.discordsays.com`: other Activities fit the pattern too.",
            ],
            unverified: &[
                "Members of the payload beyond `created_at` and `expires_at` are not documented: `application_id` and `user_id` are taken to be there.",
            ],
            package: None,
        },
        ..SECRET_JWT
    },
    Platform {
        name: "atlassian-forge",
        title: "Atlassian Forge remote",
        carriers: &[header("authorization", Some("Bearer"), Comes::FromServer)],
        keys: KeySource::Jwks("https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json"),
        app: App::Asked("app ari, `ari:cloud:ecosystem::app/UUID`"),
        issuer: Issuer::Exactly("forge/invocation-token"),
        opens_session: false,
        tenant: Field::At(&["app", "installationId"]),
        user: Field::At(&["principal"]),
        headers: &["x-forge-oauth-system", "x-forge-oauth-user"],
        about: About {
            find: "`audience` is the app's id in `manifest.yml`.",
            notes: &["Calls without a person (`principal`) are refused, unless `nameless = \"service\"`."],
            unverified: &["How long a token lives."],
            package: None,
        },
        ..SIGNED_JWT
    },
    Platform {
        name: "canva",
        title: "Canva Apps",
        carriers: &[Carrier::Script, BEARER, query("canva_user_token")],
        keys: KeySource::Jwks("https://api.canva.com/rest/v1/apps/{audience}/jwks"),
        app: App::Asked("app id"),
        tenant: Field::At(&["brandId"]),
        user: Field::At(&["userId"]),
        origins: &["https://*.canva-apps.com"],
        about: About {
            find: "`audience` is the app's id in the developer portal.",
            notes: &["Design tokens have the same key and audience; without user and brand they are refused."],
            unverified: &["How long a token lives.", "Which pages frame an app: write `origins` if yours are others."],
            package: Some("`@canva/app-middleware` does not check `iss`."),
        },
        ..SIGNED_JWT
    },
    Platform {
        name: "highlevel",
        title: "HighLevel custom pages",
        carriers: &[Carrier::Script],
        scheme: Scheme::SealedCbc(CbcForm::HighLevel),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::FirstSeen(MINUTE.saturating_mul(10)),
        tenant: Field::At(&["companyId"]),
        user: Field::At(&["userId"]),
        organization: Some(Field::At(&["activeLocation"])),
        role: Some(Field::At(&["role"])),
        full_name: Some(Field::At(&["userName"])),
        email: Some(Field::At(&["email"])),
        bridge: Some(bridge::HIGHLEVEL),
        about: About {
            find: "`secret` is the app's shared secret, under Advanced settings. `origins` are the domains that the agency uses.",
            notes: &[
                "The tenant is the agency, the organization the sub-account (`activeLocation`).",
                "The format has no MAC, no end and no name of the app: a blob that leaks works until the secret is changed.",
            ],
            unverified: &[],
            package: Some("`crypto-js` with the published sample listens to messages of any page."),
        },
        ..SECRET_JWT
    },
    Platform {
        name: "miro",
        title: "Miro",
        carriers: &[Carrier::Script, BEARER],
        app: App::ByKey,
        audience: Audience::Nowhere,
        tenant: Field::At(&["team"]),
        user: Field::At(&["user"]),
        origins: &["https://miro.com"],
        bridge: Some(bridge::MIRO),
        about: About {
            find: "`secret` is the app's client secret.",
            notes: &["`exp` is required."],
            unverified: &[
                "Whether `exp` is always there, and how long a token lives.",
                "Which pages frame an app: write `origins` if yours are others.",
            ],
            package: Some("Miro's sample names no algorithm."),
        },
        ..SECRET_JWT
    },
    Platform {
        name: "whop",
        title: "Whop",
        carriers: &[header("x-whop-user-token", None, Comes::FromProxy)],
        scheme: Scheme::Jwt(&[Algorithm::Es256]),
        keys: KeySource::Jwks("https://api.whop.com/.well-known/jwks.json"),
        app: App::Asked("app id"),
        audience: Audience::One(&["aud"]),
        issuer: Issuer::Exactly("urn:whopcom:exp-proxy"),
        opens_session: false,
        tenant: Field::App,
        kind: KindOf::Always(Kind::Client),
        origins: &["https://whop.com", "https://*.apps.whop.com"],
        about: About {
            find: "`audience` is the app's id.",
            notes: &[
                "One key of Whop serves all apps, so `audience` is the check. Company and experience stand in the address, unsigned: the tenant is the app.",
                "For WebSockets write the app's own page in `origins`: pages of other apps fit the pattern too.",
            ],
            unverified: &["How long a token lives.", "Which pages frame an app: write `origins` if yours are others."],
            package: Some("`@whop/sdk` and `whop_sdk` accept a token without `exp`."),
        },
        ..SIGNED_JWT
    },
    Platform {
        name: "webflow",
        title: "Webflow Designer extensions",
        carriers: &[Carrier::Script, BEARER],
        scheme: Scheme::Introspection("https://api.webflow.com/beta/token/resolve"),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::FirstSeen(Duration::from_secs(15 * 60)),
        tenant: Field::At(&["siteId"]),
        user: Field::At(&["id"]),
        origins: &["https://webflow.com", "https://*.webflow-ext.com"],
        about: About {
            find: "`secret` is an access token of the site with the scope `authorized_user:read`.",
            notes: &["A token cannot be read: each new one is asked about at the platform."],
            unverified: &[
                "The address and the answer.",
                "How long a token lives: it is asked about again after 15 minutes.",
                "Which pages frame an app: write `origins` if yours are others.",
            ],
            ..ABOUT
        },
        ..SECRET_JWT
    },
];
