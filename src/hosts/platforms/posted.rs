//! Platforms that post a form with the token into the frame.

use super::super::platform::{
    About, App, Audience, Field, GcmForm, Issuer, KeySource, KindOf, Life, Once, PayloadForm, Platform, Rule, Scheme,
    Unit,
};
use super::{ABOUT, MINUTE, SECRET_JWT, SIGNED_JWT, form};
use crate::access::Kind;

pub(super) static ROWS: &[Platform] = &[
    Platform {
        name: "facebook",
        title: "Facebook signed_request",
        carriers: &[form("signed_request")],
        scheme: Scheme::SignedPayload(PayloadForm::MacFirst),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::Issued { at: &["issued_at"], unit: Unit::Seconds, age: MINUTE.saturating_mul(10) },
        rules: &[Rule::Is(&["algorithm"], "HMAC-SHA256")],
        tenant: Field::At(&["page", "id"]),
        user: Field::At(&["user_id"]),
        kind: KindOf::Always(Kind::Client),
        role: Some(Field::Flag(&["page", "admin"], "admin")),
        origins: &["https://www.facebook.com", "https://apps.facebook.com"],
        about: About {
            find: "`secret` is the app secret, under Basic settings.",
            notes: &[
                "The tenant is the page that the app is a tab of. Who is not signed in to the app has no `user_id` and is refused.",
            ],
            unverified: &["Which pages frame an app: write `origins` if yours are others."],
            ..ABOUT
        },
        ..SECRET_JWT
    },
    Platform {
        name: "salesforce-canvas",
        title: "Salesforce Canvas",
        carriers: &[form("signed_request")],
        scheme: Scheme::SignedPayload(PayloadForm::MacFirstPadded),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::Issued { at: &["issuedAt"], unit: Unit::Seconds, age: MINUTE.saturating_mul(10) },
        once: Once::Token,
        rules: &[Rule::Is(&["algorithm"], "HMACSHA256")],
        tenant: Field::At(&["context", "organization", "organizationId"]),
        user: Field::At(&["userId"]),
        role: Some(Field::At(&["context", "user", "profileId"])),
        full_name: Some(Field::At(&["context", "user", "fullName"])),
        email: Some(Field::At(&["context", "user", "email"])),
        origins: &[
            "https://*.my.salesforce.com",
            "https://*.lightning.force.com",
            "https://*.visual.force.com",
            "https://*.visualforce.com",
        ],
        about: About {
            find: "`secret` is the consumer secret of the connected app.",
            notes: &[
                "Nothing in it ends: it is accepted once, and not when `issuedAt` is old.",
                "It holds a live OAuth token of the user, which is not passed on.",
            ],
            unverified: &[
                "Whether `issuedAt` is the time of the request or of the OAuth token; if launches are refused as too old, raise `max_token_age`.",
                "Which pages frame an app: write `origins` if yours are others.",
            ],
            package: Some("Salesforce's Java SDK takes the algorithm from the payload and checks no age."),
        },
        ..SECRET_JWT
    },
    Platform {
        name: "zendesk",
        title: "Zendesk apps with signed URLs",
        carriers: &[form("token")],
        keys: KeySource::PublicKey,
        app: App::Asked("installation URL, `https://SUBDOMAIN.zendesk.com/api/v2/apps/installations/ID.json`"),
        issuer: Issuer::Asked,
        once: Once::Token,
        tenant: Field::At(&["iss"]),
        user: Field::LastSegment(&["sub"], ".json"),
        origins: &["https://*.zendesk.com"],
        about: About {
            find: "`public_key` is the app's, from `/api/v2/apps/ID/public_key.pem`; `issuer` is `SUBDOMAIN.zendesk.com`.",
            notes: &[
                "Sent with the first load only. One key serves all customers, so `audience` and `issuer` are the tenant check.",
            ],
            unverified: &[
                "The shape of `sub`: its last path segment is the user.",
                "The address of the public key, and how long a token lives.",
                "Which pages frame an app: write `origins` if yours are others.",
            ],
            package: Some("Published samples allow HS256 beside RS256, with the public key as its key."),
        },
        ..SIGNED_JWT
    },
    Platform {
        name: "lti13",
        title: "LTI 1.3 (Canvas, Moodle, Blackboard and others)",
        carriers: &[form("id_token")],
        keys: KeySource::Chosen,
        audience: Audience::Party(&["aud"]),
        issuer: Issuer::Asked,
        once: Once::By(&["nonce"]),
        rules: &[
            Rule::Nonce(&["nonce"]),
            Rule::Is(&["https://purl.imsglobal.org/spec/lti/claim/version"], "1.3.0"),
            Rule::OneOf(
                &["https://purl.imsglobal.org/spec/lti/claim/message_type"],
                &["LtiResourceLinkRequest", "LtiDeepLinkingRequest"],
            ),
            Rule::With(
                &["https://purl.imsglobal.org/spec/lti/claim/message_type"],
                "LtiResourceLinkRequest",
                &["https://purl.imsglobal.org/spec/lti/claim/resource_link", "id"],
            ),
            Rule::List(&["https://purl.imsglobal.org/spec/lti/claim/roles"]),
            Rule::NamedKey,
            Rule::Deployment(&["https://purl.imsglobal.org/spec/lti/claim/deployment_id"]),
        ],
        tenant: Field::Joined(&[&["iss"], &[], &["https://purl.imsglobal.org/spec/lti/claim/deployment_id"]]),
        kind: KindOf::Always(Kind::Client),
        role: Some(Field::FirstFragment(&["https://purl.imsglobal.org/spec/lti/claim/roles"])),
        target: Some(&["https://purl.imsglobal.org/spec/lti/claim/target_link_uri"]),
        full_name: Some(Field::At(&["name"])),
        email: Some(Field::At(&["email"])),
        about: About {
            find: "Register the tool at the LMS: it names `issuer`, client id (`audience`), deployments, `jwks_url` and the authorization endpoint (`login_url`).",
            notes: &[
                "Begins with a login (OpenID Connect) at `/.vestibule/login/NAME`; nonce and state are used once. `docs/lti.md` goes through it step by step.",
                "The tenant is issuer, client id and deployment, joined by `|`: one issuer can stand for many schools.",
                "An anonymous launch, without `sub`, is refused.",
                "The role is that in the course which the launch is from; a default role by `host_role` holds in the whole tenant.",
            ],
            unverified: &["The LTI storage of the platform's window, for browsers that keep no cookie."],
            package: None,
        },
        ..SIGNED_JWT
    },
    Platform {
        name: "intercom-sheets",
        title: "Intercom Sheets",
        carriers: &[form("intercom_data")],
        scheme: Scheme::SealedGcm(GcmForm::Intercom),
        app: App::ByKey,
        audience: Audience::Nowhere,
        life: Life::FirstSeen(MINUTE.saturating_mul(5)),
        user: Field::At(&["user_id"]),
        kind: KindOf::Always(Kind::Client),
        email: Some(Field::At(&["email"])),
        origins: &["https://intercom-sheets.com"],
        about: About {
            find: "`secret` is the app's client secret; `tenants` names your workspace.",
            notes: &[
                "Only `user` in the form is authentic. It names no workspace and no end.",
                "The secret is the app's: where several workspaces have the app, a user of any of them counts as one of yours.",
            ],
            unverified: &[
                "The names of the members of `user`.",
                "Which pages frame a sheet: write `origins` if yours are others.",
            ],
            package: None,
        },
        ..SECRET_JWT
    },
];
