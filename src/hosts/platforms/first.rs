//! Platforms whose token comes with the frame's first navigation, in its address or in a header.

use std::time::Duration;

use super::super::platform::{
    About, App, Audience, Carrier, CbcForm, Comes, Field, GcmForm, Issuer, KeySource, KindOf, Life, Once, PayloadForm,
    Platform, QueryForm, Rule, Scheme, Unit,
};
use super::{ABOUT, BEARER, MINUTE, SECRET_JWT, SIGNED_JWT, bridge, form, header, query};
use crate::access::Kind;

pub(super) static ROWS: &[Platform] = &[
    Platform {
        name: "assembly",
        title: "Assembly (formerly Copilot)",
        carriers: &[query("token")],
        scheme: Scheme::SealedCbc(CbcForm::Assembly),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::FirstSeen(MINUTE.saturating_mul(10)),
        tenant: Field::At(&["workspaceId"]),
        user: Field::At(&["clientId"]),
        kind: KindOf::InternalIf(&["internalUserId"], &[]),
        origins: &["https://dashboard.assembly.com", "https://*.myassembly.com", "https://*.copilot.app"],
        bridge: Some(bridge::ASSEMBLY),
        about: About {
            find: "`api_key` is made when the app is added under App Setup.",
            notes: &[
                "The format has no MAC: every person is confirmed with the platform's API.",
                "Its keys, and what is asked about each person, stand in `docs/assembly.md`.",
            ],
            unverified: &["The lifetime of a token and the form of `expiresAt` are not published."],
            package: Some("`@assembly-js/node-sdk` checks no age and forgives what stands behind the hex digits."),
        },
        ..SECRET_JWT
    },
    Platform {
        name: "shopify",
        title: "Shopify embedded app",
        carriers: &[query("id_token"), BEARER],
        issuer: Issuer::Shop,
        leeway: Duration::from_secs(10),
        tenant: Field::HostOf(&["dest"]),
        origins: &["https://admin.shopify.com", "https://*.myshopify.com"],
        bridge: Some(bridge::SHOPIFY),
        about: About {
            find: "`audience` is the app's client id and `secret` its client secret, both under API credentials.",
            notes: &["A token lives for one minute. The tenant is the shop's domain, such as `demo.myshopify.com`."],
            unverified: &["Which pages frame an app: write `origins` if yours are others."],
            package: Some(
                "`@shopify/shopify-api` checks neither `iss` nor that `exp` is there; `ShopifyAPI` checks `iss`.",
            ),
        },
        ..SECRET_JWT
    },
    Platform {
        name: "atlassian-connect",
        title: "Atlassian Connect",
        carriers: &[query("jwt"), form("jwt"), header("authorization", Some("JWT"), Comes::FromPage)],
        keys: KeySource::SecretOfTenant,
        app: App::ByKey,
        audience: Audience::Nowhere,
        rules: &[Rule::RequestHash(&["qsh"])],
        tenant: Field::At(&["iss"]),
        origins: &["https://*.atlassian.net"],
        bridge: Some(bridge::ATLASSIAN),
        about: About {
            find: "Each site sends its `sharedSecret` once, in the `installed` call, which the gateway can learn from (`docs/atlassian-connect.md`); the tenant is its `clientKey`.",
            notes: &[
                "`qsh` binds a token to one request; a context token (`context-qsh`) counts for requests of scripts only.",
                "If the `baseUrl` of the app's descriptor has a path, write it as `audience`: that path is not in `qsh`.",
            ],
            unverified: &["Which pages frame an app: write `origins` if yours are others."],
            ..ABOUT
        },
        ..SECRET_JWT
    },
    Platform {
        name: "bigcommerce",
        title: "BigCommerce",
        carriers: &[query("signed_payload_jwt")],
        issuer: Issuer::Exactly("bc"),
        once: Once::By(&["jti"]),
        tenant: Field::After(&["sub"], "stores/"),
        user: Field::At(&["user", "id"]),
        role: Some(Field::Same(&["user", "id"], &["owner", "id"], "owner")),
        email: Some(Field::At(&["user", "email"])),
        origins: &["https://*.mybigcommerce.com"],
        about: About {
            find: "`audience` and `secret` are the client id and client secret of the app in the developer portal.",
            notes: &["A token lives for 24 hours and stands in an address, so it is accepted once."],
            unverified: &["Which pages frame an app: write `origins` if yours are others."],
            package: Some("`bigcommerce` (PyPI) does not check `iss`."),
        },
        ..SECRET_JWT
    },
    Platform {
        name: "bigcommerce-legacy",
        title: "BigCommerce, former signed payload",
        carriers: &[query("signed_payload")],
        scheme: Scheme::SignedPayload(PayloadForm::PayloadFirst),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::Issued { at: &["timestamp"], unit: Unit::Seconds, age: MINUTE.saturating_mul(5) },
        once: Once::Token,
        tenant: Field::At(&["store_hash"]),
        user: Field::At(&["user", "id"]),
        role: Some(Field::Same(&["user", "id"], &["owner", "id"], "owner")),
        email: Some(Field::At(&["user", "email"])),
        origins: &["https://*.mybigcommerce.com"],
        about: About {
            find: "`secret` is the client secret of the app in the developer portal.",
            notes: &["The platform replaces it by `bigcommerce`; use that if you can."],
            unverified: &["Which pages frame an app: write `origins` if yours are others."],
            ..ABOUT
        },
        ..SECRET_JWT
    },
    Platform {
        name: "monday",
        title: "monday.com",
        carriers: &[query("sessionToken"), BEARER],
        audience: Audience::One(&["dat", "client_id"]),
        tenant: Field::At(&["dat", "account_id"]),
        user: Field::At(&["dat", "user_id"]),
        kind: KindOf::Always(Kind::Internal),
        role: Some(Field::At(&["dat", "user_kind"])),
        origins: &["https://*.monday.com"],
        bridge: Some(bridge::MONDAY),
        about: About {
            find: "`audience` is the client id and `secret` the client secret (not the signing secret), under Basic information.",
            notes: &[
                "There is no `aud`: `dat.client_id` takes its place. Board and item in the address are not signed.",
                "Whom an account lets in is `internal`, guests too; `dat.user_kind` tells them apart, as `host_role`.",
            ],
            unverified: &["How long a token lives.", "Which pages frame an app: write `origins` if yours are others."],
            ..ABOUT
        },
        ..SECRET_JWT
    },
    Platform {
        name: "pipedrive",
        title: "Pipedrive custom panels and modals",
        carriers: &[query("token"), BEARER],
        app: App::ByKey,
        audience: Audience::Nowhere,
        tenant: Field::At(&["companyId"]),
        user: Field::At(&["userId"]),
        origins: &["https://*.pipedrive.com"],
        bridge: Some(bridge::PIPEDRIVE),
        about: About {
            find: "`secret` is the extension's JWT secret if it has one, else the app's client secret.",
            notes: &["A token lives for five minutes. The ids beside it in the address are not signed."],
            unverified: &["Which pages frame an app: write `origins` if yours are others."],
            ..ABOUT
        },
        ..SECRET_JWT
    },
    Platform {
        name: "vk",
        title: "VK Mini Apps",
        carriers: &[Carrier::SignedQuery { signature: "sign", covers: "vk_" }],
        scheme: Scheme::SignedQuery(QueryForm::Vk),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::Issued { at: &["vk_ts"], unit: Unit::Digits, age: MINUTE.saturating_mul(10) },
        tenant: Field::At(&["vk_app_id"]),
        user: Field::At(&["vk_user_id"]),
        kind: KindOf::Always(Kind::Client),
        organization: Some(Field::At(&["vk_group_id"])),
        role: Some(Field::At(&["vk_viewer_group_role"])),
        origins: &["https://vk.com", "https://m.vk.com"],
        about: About {
            find: "`secret` is the app's secure key.",
            notes: &[
                "All `vk_` parameters are signed; if there is a `sign_keys`, it must list each of them.",
                "Without `vk_ts` a launch has no age and is refused.",
                "The organization is the community (`vk_group_id`). Anyone can found one and be its admin, so let no default role depend on `host_role`.",
            ],
            unverified: &[
                "Whether what is signed is in the order of names or of `sign_keys`: either is accepted.",
                "Which pages frame an app: write `origins` if yours are others.",
            ],
            ..ABOUT
        },
        ..SECRET_JWT
    },
    Platform {
        name: "wix",
        title: "Wix app instance",
        carriers: &[query("instance")],
        scheme: Scheme::SignedPayload(PayloadForm::MacFirst),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::Issued { at: &["signDate"], unit: Unit::Rfc3339, age: MINUTE.saturating_mul(10) },
        rules: &[Rule::Absent(&["aid"])],
        tenant: Field::At(&["instanceId"]),
        user: Field::At(&["uid"]),
        kind: KindOf::InternalIf(&["permissions"], &["OWNER"]),
        role: Some(Field::At(&["permissions"])),
        origins: &["https://manage.wix.com", "https://*.wix.com", "https://*.wixsite.com"],
        about: About {
            find: "`secret` is the app secret key, under OAuth in the app's dashboard.",
            notes: &["Visitors that are signed in to nothing (`aid`) are refused."],
            unverified: &[
                "Whether `expirationDate` is ever there; it is not used.",
                "Which pages frame an app: write `origins` if yours are others.",
            ],
            ..ABOUT
        },
        ..SECRET_JWT
    },
    Platform {
        name: "ecwid",
        title: "Ecwid (Lightspeed E-Series)",
        carriers: &[query("payload")],
        scheme: Scheme::SealedCbc(CbcForm::Ecwid),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::FirstSeen(MINUTE.saturating_mul(10)),
        tenant: Field::At(&["store_id"]),
        user: Field::Workspace,
        kind: KindOf::Always(Kind::Service),
        origins: &["https://my.ecwid.com"],
        about: About {
            find: "`secret` is the app's client secret, with Enhanced Security turned on by the platform's support.",
            notes: &[
                "A payload names a store and no person: everybody at the store is the same caller, of kind `service`.",
                "The format has no MAC and no end.",
                "Whoever has a payload of one store can turn it into one of another: serve stores that trust each other.",
            ],
            unverified: &["Which pages frame an app: write `origins` if yours are others."],
            ..ABOUT
        },
        ..SECRET_JWT
    },
    Platform {
        name: "front",
        title: "Front plugin",
        carriers: &[query("auth_secret")],
        scheme: Scheme::SharedSecret,
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::Never,
        tenant: Field::TheTenant,
        user: Field::Nobody,
        kind: KindOf::Always(Kind::Service),
        origins: &["https://app.frontapp.com"],
        about: About {
            find: "`secret` is the plugin's auth secret.",
            notes: &[
                "The secret proves the company and nobody in it, and never ends: refused, unless `nameless = \"service\"`.",
            ],
            unverified: &["Which pages frame a plugin: write `origins` if yours are others."],
            ..ABOUT
        },
        ..SECRET_JWT
    },
    Platform {
        name: "zoom",
        title: "Zoom Apps",
        carriers: &[header("x-zoom-app-context", None, Comes::First), Carrier::Script],
        scheme: Scheme::SealedGcm(GcmForm::Zoom),
        audience: Audience::One(&["aud"]),
        issuer: Issuer::Exactly("marketplace.zoom.us"),
        life: Life::Stated(Unit::Millis),
        tenant: Field::App,
        user: Field::At(&["uid"]),
        kind: KindOf::Always(Kind::Client),
        role: Some(Field::At(&["attendrole"])),
        bridge: Some(bridge::ZOOM),
        about: About {
            find: "`audience` and `secret` are the app's client id and client secret.",
            notes: &[
                "A context names no account: the tenant is the app, and everybody is a client. Guests have no `uid` and are refused.",
                "Contexts of 2022, without `iss` and `aud`, are refused.",
                "`attendrole` is a role in one meeting, and anyone can begin one, so let no default role depend on `host_role`.",
            ],
            unverified: &["Which headers the client demands of the home page."],
            package: Some("Zoom's sample accepts tags of 4 to 16 bytes and negative lengths."),
        },
        ..SECRET_JWT
    },
    Platform {
        name: "contentstack",
        title: "Contentstack signed locations",
        carriers: &[query("app-token")],
        keys: KeySource::PublicKey,
        app: App::Asked("app uid"),
        audience: Audience::One(&["app_uid"]),
        tenant: Field::Joined(&[&["organization_uid"], &["stack_api_key"]]),
        user: Field::At(&["user_uid"]),
        origins: &["https://app.contentstack.com", "https://*.contentstack.com"],
        about: About {
            find: "`public_key` is the platform's key for signed locations; `audience` is the app's uid.",
            notes: &["Comes with the first load only, and lives for a few minutes."],
            unverified: &[
                "The algorithm, taken to be RS256.",
                "The name of the parameter, and which claims are always there.",
                "Which pages frame an app: write `origins` if yours are others.",
            ],
            package: None,
        },
        ..SIGNED_JWT
    },
];
