//! Forms without a platform: for a host of your own, or one that is not in the list.

use super::super::platform::{About, Life};
use super::super::platform::{
    App, Audience, Field, GcmForm, Issuer, KeySource, KindOf, Platform, Purpose, Scheme, Unit,
};
use super::{ABOUT, BEARER, SECRET_JWT, form, query};

const CONFIGURED: Platform = Platform {
    carriers: &[query("token"), BEARER, form("token")],
    app: App::Asked("app's id, as `aud` has it"),
    issuer: Issuer::Asked,
    tenant: Field::Asked,
    user: Field::Asked,
    kind: KindOf::Asked,
    organization: Some(Field::Asked),
    role: Some(Field::Asked),
    full_name: Some(Field::Asked),
    email: Some(Field::Asked),
    ..SECRET_JWT
};

pub(super) static ROWS: &[Platform] = &[
    Platform {
        name: "generic-jwt",
        title: "Any host that signs a JWT",
        scheme: Scheme::Jwt(&[]),
        keys: KeySource::Chosen,
        about: About {
            find: "The host says how it signs: `algorithms`, and `jwks_url`, `public_key` or `secret`.",
            ..ABOUT
        },
        ..CONFIGURED
    },
    Platform {
        name: "generic-jwe",
        title: "Any host that seals a JWE (`dir`, `A256GCM`)",
        scheme: Scheme::Jwe,
        about: About { find: "`secret` is the shared key: 32 bytes as 64 hex digits or base64url.", ..ABOUT },
        ..CONFIGURED
    },
    Platform {
        name: "generic-aes-256-gcm",
        title: "Any host that seals JSON with AES-256-GCM",
        scheme: Scheme::SealedGcm(GcmForm::Plain),
        issuer: Issuer::Anybody,
        about: About { find: "`secret` is the shared key: 32 bytes as 64 hex digits or base64url.", ..ABOUT },
        ..CONFIGURED
    },
    Platform {
        name: "generic-paseto-v4-local",
        title: "Any host that seals a PASETO v4.local",
        scheme: Scheme::Paseto(Purpose::Local),
        audience: Audience::One(&["aud"]),
        life: Life::Stated(Unit::Rfc3339),
        about: About { find: "`secret` is the shared key: 32 bytes as 64 hex digits or base64url.", ..ABOUT },
        ..CONFIGURED
    },
    Platform {
        name: "generic-paseto-v4-public",
        title: "Any host that signs a PASETO v4.public",
        scheme: Scheme::Paseto(Purpose::Public),
        keys: KeySource::PublicKey,
        audience: Audience::One(&["aud"]),
        life: Life::Stated(Unit::Rfc3339),
        about: About { find: "`public_key` is the host's Ed25519 key: PEM, or 64 hex digits.", ..ABOUT },
        ..CONFIGURED
    },
];
