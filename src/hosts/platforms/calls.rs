//! Calls of the platforms' servers, each signed.

use std::time::Duration;

use super::super::platform::{
    About, App, Audience, Carrier, Comes, Field, KeySource, KindOf, Life, Once, Path, Platform, QueryForm, RequestForm,
    Rule, Scheme, Unit,
};
use super::{ABOUT, MINUTE, SECRET_JWT, SIGNED_JWT, header};
use crate::access::Kind;

/// A call that proves its platform, and nobody in particular.
const CALL: Platform = Platform {
    app: App::ByKey,
    audience: Audience::Nowhere,
    life: Life::SignedAt(MINUTE.saturating_mul(5)),
    opens_session: false,
    user: Field::Workspace,
    kind: KindOf::Always(Kind::Service),
    ..SECRET_JWT
};

const fn signature(name: &'static str, beside: &'static [&'static str]) -> Carrier {
    Carrier::Signature { name, beside }
}

/// The header that lists the others, which belong to it.
const CONTENTFUL: &[&str] = &[
    "x-contentful-signed-headers",
    "x-contentful-timestamp",
    "x-contentful-user-id",
    "x-contentful-space-id",
    "x-contentful-environment-id",
    "x-contentful-app-id",
    "x-contentful-crn",
];
const DISCORD_TIME: &[&str] = &["x-signature-timestamp"];
const SHOP: Path = &["shop"];

pub(super) static ROWS: &[Platform] = &[
    Platform {
        name: "hubspot-v3",
        title: "HubSpot signed requests, version 3",
        carriers: &[signature("x-hubspot-signature-v3", &["x-hubspot-request-timestamp"])],
        scheme: Scheme::SignedRequest(RequestForm::HubSpot),
        tenant: Field::At(&["portalId"]),
        user: Field::At(&["userId"]),
        kind: KindOf::Always(Kind::Internal),
        email: Some(Field::At(&["userEmail"])),
        about: About {
            find: "`secret` is the app's client secret.",
            notes: &["Versions 1 and 2 are a plain hash without a time and are refused."],
            unverified: &[
                "That `portalId` and `userId` in the query are always HubSpot's own; they are signed with the address.",
                "Which characters are decoded before signing: the address is tried as it came, then decoded.",
            ],
            package: Some("`@hubspot/api-client` accepts times in the future and compares byte by byte."),
        },
        ..CALL
    },
    Platform {
        name: "contentful",
        title: "Contentful signed requests",
        carriers: &[signature("x-contentful-signature", CONTENTFUL)],
        scheme: Scheme::SignedRequest(RequestForm::Contentful),
        life: Life::SignedAt(Duration::from_secs(30)),
        tenant: Field::At(&["x-contentful-space-id"]),
        user: Field::At(&["x-contentful-user-id"]),
        kind: KindOf::Always(Kind::Internal),
        about: About {
            find: "`secret` is the app's signing secret of 64 characters, under Security.",
            notes: &[
                "A header counts only if the signature covers it; a call with a context header that is not covered is refused.",
            ],
            ..ABOUT
        },
        ..CALL
    },
    Platform {
        name: "stripe-apps",
        title: "Stripe Apps",
        carriers: &[signature("stripe-signature", &[])],
        scheme: Scheme::SignedRequest(RequestForm::StripeApps),
        tenant: Field::At(&["account_id"]),
        user: Field::At(&["user_id"]),
        kind: KindOf::Always(Kind::Internal),
        origins: &["https://dashboard.stripe.com"],
        about: About {
            find: "`secret` is the app's signing secret (`absec_…`).",
            notes: &[
                "The signature covers the two ids and the time, not the request: whoever sees it can use it for five minutes.",
                "The ids are read from the body, which is JSON with `user_id` before `account_id`, as they are signed.",
            ],
            unverified: &[
                "Where fields that an app adds would stand in what is signed: such signatures are refused.",
                "Which pages frame an app: write `origins` if yours are others.",
            ],
            package: Some("`stripe` accepts times in the future."),
        },
        ..CALL
    },
    Platform {
        name: "slack",
        title: "Slack requests",
        carriers: &[signature("x-slack-signature", &["x-slack-request-timestamp"])],
        scheme: Scheme::SignedRequest(RequestForm::Slack),
        about: About {
            find: "`secret` is the app's signing secret; `tenants` names your workspace.",
            notes: &[
                "Who did what in Slack stands in the body, which the signature covers, for the app to read.",
                "The secret is the app's: where several workspaces have the app, a call from any of them counts as one from yours.",
            ],
            unverified: &[],
            package: Some("`@slack/bolt` accepts times in the future."),
        },
        ..CALL
    },
    Platform {
        name: "discord-interaction",
        title: "Discord interactions",
        carriers: &[signature("x-signature-ed25519", DISCORD_TIME)],
        scheme: Scheme::SignedRequest(RequestForm::DiscordCall),
        keys: KeySource::PublicKey,
        about: About { find: "`public_key` is the application's, under General Information.", ..ABOUT },
        ..CALL
    },
    Platform {
        name: "intercom-canvas",
        title: "Intercom Canvas Kit",
        carriers: &[signature("x-body-signature", &[])],
        scheme: Scheme::SignedRequest(RequestForm::Body),
        life: Life::Never,
        tenant: Field::At(&["workspace_id"]),
        about: About {
            find: "`secret` is the app's client secret.",
            notes: &["No time is signed: a call can be repeated by whoever saw it."],
            ..ABOUT
        },
        ..CALL
    },
    Platform {
        name: "assembly-webhook",
        title: "Assembly webhooks",
        carriers: &[signature("x-copilot-signature", &[])],
        scheme: Scheme::SignedRequest(RequestForm::Body),
        life: Life::Never,
        about: About {
            find: "`secret` is the webhook's signing secret; `tenants` names the workspace.",
            notes: &["No time is signed: a call can be repeated by whoever saw it."],
            unverified: &["Whether the header has another name since the platform has: only this one is read."],
            package: None,
        },
        ..CALL
    },
    Platform {
        name: "highlevel-webhook",
        title: "HighLevel webhooks",
        carriers: &[signature("x-ghl-signature", &[])],
        scheme: Scheme::SignedRequest(RequestForm::BodySignature),
        keys: KeySource::PublicKey,
        life: Life::Never,
        tenant: Field::At(&["companyId"]),
        about: About {
            find: "`public_key` is shown in the marketplace's settings.",
            notes: &["No time is checked: a call can be repeated by whoever saw it."],
            unverified: &["Whether every event has `companyId`; those without are refused."],
            package: None,
        },
        ..CALL
    },
    Platform {
        name: "webflow-webhook",
        title: "Webflow webhooks",
        carriers: &[signature("x-webflow-signature", &["x-webflow-timestamp"])],
        scheme: Scheme::SignedRequest(RequestForm::Webflow),
        about: About {
            find: "`secret` is the webhook's secret, or the app's client secret; `tenants` names the site.",
            notes: &["The client secret is the app's: a call from any site that has the app counts as one from yours."],
            unverified: &[],
            package: Some("`webflow-api` checks no age."),
        },
        ..CALL
    },
    Platform {
        name: "atlassian-connect-install",
        title: "Atlassian Connect, installed and uninstalled",
        carriers: &[header("authorization", Some("JWT"), Comes::FromServer)],
        keys: KeySource::KeyById("https://connect-install-keys.atlassian.com/"),
        app: App::Asked("base URL of the app"),
        opens_session: false,
        once: Once::Token,
        rules: &[Rule::RequestHash(&["qsh"])],
        tenant: Field::At(&["iss"]),
        user: Field::Workspace,
        kind: KindOf::Always(Kind::Service),
        about: About {
            find: "`audience` is the `baseUrl` of the app's descriptor.",
            notes: &[
                "Whoever is not checked here could install a secret of their own.",
                "The body is not signed: the app has to compare its `clientKey` with the tenant.",
            ],
            unverified: &["Which of two addresses of the keys newer sites use."],
            package: None,
        },
        ..SIGNED_JWT
    },
    Platform {
        name: "shopify-query-hmac",
        title: "Shopify, requests of the shop",
        carriers: &[Carrier::SignedQuery { signature: "hmac", covers: "" }],
        scheme: Scheme::SignedQuery(QueryForm::Shopify),
        life: Life::Issued { at: &["timestamp"], unit: Unit::Digits, age: Duration::from_secs(90) },
        tenant: Field::At(SHOP),
        origins: &["https://admin.shopify.com", "https://*.myshopify.com"],
        about: About {
            find: "`secret` is the app's client secret.",
            notes: &["Proves the shop and nobody in it, and can be repeated for 90 seconds: it opens no session."],
            unverified: &[
                "Whether values are signed encoded or decoded: the two official libraries differ; as encoded, here.",
                "Which pages frame an app: write `origins` if yours are others.",
            ],
            package: Some("`ShopifyAPI` accepts it for 24 hours."),
        },
        ..CALL
    },
    Platform {
        name: "shopify-app-proxy",
        title: "Shopify App Proxy",
        carriers: &[Carrier::SignedQuery { signature: "signature", covers: "" }],
        scheme: Scheme::SignedQuery(QueryForm::ShopifyProxy),
        life: Life::Issued { at: &["timestamp"], unit: Unit::Digits, age: Duration::from_secs(90) },
        tenant: Field::At(SHOP),
        user: Field::At(&["logged_in_customer_id"]),
        kind: KindOf::Always(Kind::Client),
        about: About {
            find: "`secret` is the app's client secret.",
            notes: &[
                "Pairs are signed with nothing between them, so some can be cut in another way: only customer, shop and time are used.",
                "A request is refused if `shop=`, `timestamp=` or `logged_in_customer_id=` occurs twice in all that is signed, so call no parameter `workshop`.",
            ],
            unverified: &[
                "That Shopify adds `logged_in_customer_id` even when nobody is signed in; without it a request is refused.",
            ],
            package: Some("`@shopify/shopify-api` accepts every way to cut it."),
        },
        ..CALL
    },
];
