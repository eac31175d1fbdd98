use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::set::MAX_SET;
use super::*;

const RSA_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyB6NO60HhPZTaAVdjQyo
b5wg7YOteYb6LYNoEb2004cGUVMVgndSucUvaxuygxnBNQ84TQIGu4GuLGkKBIwp
tN6COcQCO4ul1cVsWLh/JqmMnVKwxqFA8yZPoJyTAy+kgzOq+QdvHuOdYwCRbmHj
D0WRDE2JnXym7m+oazDfcPENUY1bMuOvb0aSzU347PpwucWAZvh7dy2HRDi5BxAQ
LWgtctvbZMJ7BIajos9pm2227XSDMyCNdRSTKGD2N0cX6glfcoWAmoH0QwDhfoXA
A7UqX+sE+Cmw/gf5uITvuhqe7/bjP1tUF0L+8yFiN3cBw8eSHh5Pp8PBOCFP/SYA
aQIDAQAB
-----END PUBLIC KEY-----
";
const EC_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/2WC0hw+7jMPyCnzeuACwx8Cdrun
5XkV2wVnDbzp62FgC/5Ti56z3z+E8zvutPcIIHLJ/J9aypU7sJfmZ1wU6A==
-----END PUBLIC KEY-----
";
const ED_PEM: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA7UkoxijRwsbq6QM4kFmVYSlZJzpcY/k2NsFGFKyHN9E=
-----END PUBLIC KEY-----
";
const P384_PEM: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEMBc6tHzqn7d3DBu35AY2bO12fNlpigg0
KVSTLwdRch3OjyI0L5wArL9tUpUzV8PcCXO4Kl5K4NKxZAyJDI6s3paGH9lf/iCj
cAl97i+Vpi0I4h/x+J+T37toKQZVTXpk
-----END PUBLIC KEY-----
";
const SHORT_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC9Mw1Yu1TjxqmeQ2hMN33CWz82
Qun5Fb5PkfZ6TP4UifoPhNO/QwuKOj50V+v1o7wj5rG15qtuBF+e0SOiQDqm0SAt
+ua+7EHjeunjiMp9wEoNMPsit1EUfsd3TZ1GGfr7jJiEReXmbQ2tU3EoA2RMTwpe
emid1Sev7s9KxOOETwIDAQAB
-----END PUBLIC KEY-----
";

/// The same three keys.
const SET: &str = r#"{"keys":[
{"kty":"RSA","n":"yB6NO60HhPZTaAVdjQyob5wg7YOteYb6LYNoEb2004cGUVMVgndSucUvaxuygxnBNQ84TQIGu4GuLGkKBIwptN6COcQCO4ul1cVsWLh_JqmMnVKwxqFA8yZPoJyTAy-kgzOq-QdvHuOdYwCRbmHjD0WRDE2JnXym7m-oazDfcPENUY1bMuOvb0aSzU347PpwucWAZvh7dy2HRDi5BxAQLWgtctvbZMJ7BIajos9pm2227XSDMyCNdRSTKGD2N0cX6glfcoWAmoH0QwDhfoXAA7UqX-sE-Cmw_gf5uITvuhqe7_bjP1tUF0L-8yFiN3cBw8eSHh5Pp8PBOCFP_SYAaQ","e":"AQAB","kid":"rsa1","alg":"RS256","use":"sig"},
{"kty":"EC","x":"_2WC0hw-7jMPyCnzeuACwx8Cdrun5XkV2wVnDbzp62E","y":"YAv-U4ues98_hPM77rT3CCByyfyfWsqVO7CX5mdcFOg","crv":"P-256","kid":"ec1","alg":"ES256","use":"sig"},
{"kty":"OKP","crv":"Ed25519","x":"7UkoxijRwsbq6QM4kFmVYSlZJzpcY_k2NsFGFKyHN9E","kid":"ed1","alg":"EdDSA","use":"sig"}
]}"#;

/// Signed with them.
const RS256: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYTEiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2hvc3QuZXhhbXBsZSIsImF1ZCI6Im15LWFwcCIsInN1YiI6InVzZXItMSIsInRlbmFudCI6IndzLTEiLCJpYXQiOjE3OTAwMDAwMDAsIm5iZiI6MTc5MDAwMDAwMCwiZXhwIjoxNzkwMDAwMzAwLCJqdGkiOiJqMSJ9.rwEXJx6GrtSdjLieMUloYGjQfCyi8stpotVTaZfESNyed-5IGXWJGYRwVs21DD_r8BAgKFx2cs6jJnOOM9JZbHN9Qi7iWAbQ_GTmcwUeyqx-ztnRwNqPzjmozqOIiVeb0wPEOT9cl9bxMA5JjkpL7cA3Exf5Ue7zMI50YF3Rwn9zM2mhbSklKtptuCMelpCIKE5eU6R_JWfZ2snjCNTnPQ--aYNYCv7iMgAG5hBXiOE1HT7rJysEEH5ld0ZL-7LyCDKf79Ah_FaFhIek0ZF3MYsFQenZ-s-edVLU8u7Gx1Caja--kz2GJQKRt0TVdNOO66U1WlYHUwhXCKhYqC3SbA";
const EDDSA: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkMSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2hvc3QuZXhhbXBsZSIsImF1ZCI6Im15LWFwcCIsInN1YiI6InVzZXItMSIsInRlbmFudCI6IndzLTEiLCJpYXQiOjE3OTAwMDAwMDAsIm5iZiI6MTc5MDAwMDAwMCwiZXhwIjoxNzkwMDAwMzAwLCJqdGkiOiJqMSJ9.GtfgIxXeHvnvTXG9rzoI_sS7xI38fjDiABce98h5rN-nBOmpG4XyO4-DpuiCwJxX99N3-k1_EoX2CDAfh0NeDQ";
const ES256: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjMSJ9.eyJpc3MiOiJodHRwczovL2hvc3QuZXhhbXBsZSIsImF1ZCI6Im15LWFwcCIsInN1YiI6InVzZXItMSIsInRlbmFudCI6IndzLTEiLCJpYXQiOjE3OTAwMDAwMDAsIm5iZiI6MTc5MDAwMDAwMCwiZXhwIjoxNzkwMDAwMzAwLCJqdGkiOiJqMSJ9.17W_Jvg1_Mzawn_YoMka_m_ewPmfK-mTYhzQW3k4j0HdinzrW6rOZPIQLgFZo65ff4L98FuNJ47J9lcYprVNpA";

fn jwk(index: usize) -> Map<String, Value> {
    let set = crate::hosts::json::object(SET.as_bytes()).expect("an object");
    set["keys"][index].as_object().expect("an object").clone()
}

/// That key, with one member changed; `null` takes it away.
fn changed(index: usize, name: &str, value: impl Into<Value>) -> Map<String, Value> {
    let mut jwk = jwk(index);
    match value.into() {
        Value::Null => jwk.remove(name),
        value => jwk.insert(name.into(), value),
    };
    jwk
}

fn set(keys: &[&Map<String, Value>]) -> KeySet {
    KeySet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes()).expect("a set")
}

fn parts(token: &str) -> (&[u8], Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').expect("a token");
    (message.as_bytes(), URL_SAFE_NO_PAD.decode(signature).expect("base64url"))
}

/// The three keys with their algorithms and what they signed.
fn each() -> [(PublicKey, Algorithm, &'static str); 3] {
    let key = |pem| PublicKey::from_pem(pem).expect("a key");
    [
        (key(RSA_PEM), Algorithm::Rs256, RS256),
        (key(EC_PEM), Algorithm::Es256, ES256),
        (key(ED_PEM), Algorithm::EdDsa, EDDSA),
    ]
}

/// DER in PEM.
fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).expect("base64")
}

#[test]
fn algorithms_have_the_names_of_jose_and_no_others() {
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
    }
    for name in ["none", "", "rs256", "RS256 ", "RS384", "PS256", "ES384", "Ed25519"] {
        assert_eq!(Algorithm::parse(name), None, "{name}");
    }
}

#[test]
fn a_key_verifies_what_was_signed_with_it_and_nothing_else() {
    let all = [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
    for (key, own, token) in each() {
        let (message, signature) = parts(token);
        for algorithm in all {
            assert_eq!(key.verify(algorithm, message, &signature), algorithm == own, "{key:?} {algorithm:?}");
            assert_eq!(key.fits(algorithm), algorithm == own);
        }
        assert!(!key.verify(own, &message[1..], &signature));
        assert!(!key.verify(own, message, &[]));
        assert!(!key.verify(own, message, &signature[1..]));
        assert!(!key.verify(own, message, &[&signature[..], &[0]].concat()));
        assert!(!key.verify(own, message, &vec![0; signature.len()]));
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut other = signature.clone();
            other[at] ^= 1;
            assert!(!key.verify(own, message, &other), "{key:?} {at}");
        }
        for (other, algorithm, _) in each().iter().filter(|(other, ..)| *other != key) {
            assert!(!other.verify(*algorithm, message, &signature));
        }
    }
}

#[test]
fn a_key_is_the_same_in_pem_jwk_and_hex() {
    for (index, (key, ..)) in each().into_iter().enumerate() {
        assert_eq!(PublicKey::from_jwk(&jwk(index)), Ok(key));
    }
    let hex = "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1";
    for hex in [hex, &hex.to_uppercase()] {
        assert_eq!(PublicKey::ed25519_from_hex(hex), PublicKey::from_pem(ED_PEM));
    }
    for bad in ["", &hex[1..], &format!("{hex}00"), &format!("{}g", &hex[1..]), &format!(" {}", &hex[1..])] {
        assert_eq!(PublicKey::ed25519_from_hex(bad), Err(KeyError::Hex), "{bad}");
    }
    assert!(PublicKey::from_pem(&format!("\n{}\n\n", ED_PEM.replace('\n', "\r\n"))).is_ok());
}

#[test]
fn pem_of_anything_but_one_public_key_is_refused() {
    let certificate = ED_PEM.replace("PUBLIC KEY", "CERTIFICATE");
    let damaged = ED_PEM.replace("MCow", "MC*w");
    let twice = format!("{ED_PEM}{EC_PEM}");
    let beside = format!("a comment\n{ED_PEM}");
    let after = format!("{ED_PEM}x");
    for bad in ["", "x", &certificate, &damaged, &twice, &beside, &after, ED_PEM.trim_end_matches("-\n")] {
        assert_eq!(PublicKey::from_pem(bad), Err(KeyError::Pem), "{bad}");
    }
    for kind in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        assert_eq!(PublicKey::from_pem(&ED_PEM.replace("PUBLIC KEY", kind)), Err(KeyError::Private));
    }
    assert_eq!(PublicKey::from_pem(P384_PEM), Err(KeyError::Kind));
    assert_eq!(PublicKey::from_pem(SHORT_PEM), Err(KeyError::RsaSize));
}

#[test]
fn der_is_read_to_its_last_byte() {
    for text in [RSA_PEM, EC_PEM, ED_PEM] {
        let good = der(text);
        assert_eq!(PublicKey::from_pem(&pem(&good)), PublicKey::from_pem(text));
        assert_eq!(PublicKey::from_pem(&pem(&[&good[..], &[0]].concat())), Err(KeyError::Damaged));
        for length in 0..good.len() {
            assert!(PublicKey::from_pem(&pem(&good[..length])).is_err(), "{length}");
        }
        for at in 0..good.len() {
            let mut other = good.clone();
            other[at] ^= 0x80;
            // Whatever comes of it, it is not the same key and no panic.
            assert_ne!(PublicKey::from_pem(&pem(&other)), PublicKey::from_pem(text), "{at}");
        }
    }
    // A compressed point, and Ed25519 with parameters.
    let mut compressed = der(EC_PEM)[..59].to_vec();
    (compressed[1], compressed[24], compressed[26]) = (57, 34, 2);
    assert_eq!(PublicKey::from_pem(&pem(&compressed)), Err(KeyError::Damaged));
    let mut parameters = der(ED_PEM);
    parameters.splice(9..9, [5, 0]);
    (parameters[1], parameters[3]) = (44, 7);
    assert_eq!(PublicKey::from_pem(&pem(&parameters)), Err(KeyError::Kind));
}

#[test]
fn a_jwk_with_other_material_is_refused() {
    let long = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
    let x = jwk(1)["x"].as_str().expect("text").to_owned();
    for (index, name, value, error) in [
        (0, "n", Value::Null, KeyError::Damaged),
        (0, "n", 1.into(), KeyError::Damaged),
        (0, "n", "".into(), KeyError::Damaged),
        (0, "n", format!("{}=", long(256)).into(), KeyError::Damaged),
        (0, "n", long(255).into(), KeyError::RsaSize),
        (0, "n", long(1025).into(), KeyError::RsaSize),
        (0, "n", URL_SAFE_NO_PAD.encode([&[0][..], &[0xff; 256]].concat()).into(), KeyError::Damaged),
        (0, "n", URL_SAFE_NO_PAD.encode([0xfe; 256]).into(), KeyError::Damaged),
        (0, "e", "AQ".into(), KeyError::Damaged),
        (0, "e", "AA".into(), KeyError::Damaged),
        (0, "e", "AAEAAQ".into(), KeyError::Damaged),
        (0, "e", "AQAA".into(), KeyError::Damaged),
        (0, "e", long(5).into(), KeyError::Damaged),
        (0, "d", "AQ".into(), KeyError::Private),
        (0, "kty", "oct".into(), KeyError::Private),
        (0, "kty", "rsa".into(), KeyError::Kind),
        (0, "kty", Value::Null, KeyError::Kind),
        (1, "crv", "P-384".into(), KeyError::Kind),
        (1, "crv", Value::Null, KeyError::Kind),
        (1, "x", long(31).into(), KeyError::Damaged),
        (1, "x", long(33).into(), KeyError::Damaged),
        (1, "x", format!("{x}=").into(), KeyError::Damaged),
        (1, "x", x.replace('_', "/").into(), KeyError::Damaged),
        // The last bits of the last character mean nothing, and are zero (RFC 4648 §3.5).
        (1, "x", format!("{}F", &x[..42]).into(), KeyError::Damaged),
        (1, "y", Value::Null, KeyError::Damaged),
        (2, "crv", "X25519".into(), KeyError::Kind),
        (2, "crv", "Ed448".into(), KeyError::Kind),
        (2, "x", long(31).into(), KeyError::Damaged),
        (2, "d", "AQ".into(), KeyError::Private),
    ] {
        assert_eq!(PublicKey::from_jwk(&changed(index, name, value.clone())), Err(error), "{name} {value}");
    }
    assert!(PublicKey::from_jwk(&changed(0, "e", "Aw")).is_ok(), "3 is an exponent");
}

#[test]
fn a_point_beside_the_curve_verifies_nothing() {
    let beside = PublicKey::from_jwk(&changed(1, "y", jwk(1)["x"].clone())).expect("32 bytes each");
    let (message, signature) = parts(ES256);
    assert!(!beside.verify(Algorithm::Es256, message, &signature));
}

#[test]
fn a_key_is_found_by_its_name_and_algorithm() {
    let keys = KeySet::parse(SET.as_bytes()).expect("a set");
    for ((key, algorithm, _), name) in each().iter().zip(["rsa1", "ec1", "ed1"]) {
        assert_eq!(keys.find(Some(name), *algorithm).map(AsRef::as_ref), Some(key));
        assert_eq!(keys.find(None, *algorithm).map(AsRef::as_ref), Some(key), "the only one of its kind");
        assert_eq!(keys.find(Some(name), Algorithm::Hs256), None);
    }
    for name in ["", "rsa", "rsa1 ", "RSA1", "rsa2"] {
        assert_eq!(keys.find(Some(name), Algorithm::Rs256), None, "{name}");
    }
    assert_eq!(keys.find(Some("rsa1"), Algorithm::Es256), None);
    assert_eq!(keys.find(None, Algorithm::Hs256), None);
}

#[test]
fn without_a_name_a_key_is_found_only_where_there_is_no_choice() {
    let (named, other) = (jwk(1), changed(1, "kid", "ec2"));
    let unnamed = changed(1, "kid", Value::Null);
    assert_eq!(set(&[&named, &other]).find(None, Algorithm::Es256), None);
    assert!(set(&[&named, &jwk(0)]).find(None, Algorithm::Es256).is_some());
    let keys = set(&[&unnamed, &jwk(0)]);
    assert!(keys.find(None, Algorithm::Es256).is_some());
    assert_eq!(keys.find(Some(""), Algorithm::Es256), None, "no name is no empty name");
}

#[test]
fn two_keys_of_one_name_are_none() {
    let twin = changed(0, "kid", "ec1");
    for keys in [set(&[&jwk(1), &jwk(1)]), set(&[&jwk(1), &twin]), set(&[&jwk(1), &jwk(2), &twin])] {
        assert_eq!(keys.find(Some("ec1"), Algorithm::Es256), None);
        assert_eq!(keys.find(Some("ec1"), Algorithm::Rs256), None);
    }
    // One that is of no use here takes nobody's name.
    let encrypts = changed(1, "use", "enc");
    assert!(set(&[&jwk(1), &encrypts]).find(Some("ec1"), Algorithm::Es256).is_some());
}

#[test]
fn keys_that_are_of_no_use_are_skipped() {
    for (name, value) in [
        ("use", "enc".into()),
        ("use", 1.into()),
        ("alg", "ES384".into()),
        ("alg", "RS256".into()),
        ("alg", "HS256".into()),
        ("alg", 1.into()),
        ("key_ops", serde_json::json!(["sign"])),
        ("key_ops", serde_json::json!([])),
        ("key_ops", "verify".into()),
        ("kid", 1.into()),
        ("kty", "EC2".into()),
        ("d", "AQ".into()),
    ] {
        let keys = set(&[&changed(1, name, value.clone()), &jwk(2)]);
        assert_eq!(keys.find(None, Algorithm::Es256), None, "{name} {value}");
        assert!(keys.find(Some("ed1"), Algorithm::EdDsa).is_some(), "{name} {value}");
        assert!(set(&[&changed(1, name, value)]).is_empty());
    }
    for (name, value) in
        [("key_ops", serde_json::json!(["verify"])), ("alg", Value::Null), ("use", Value::Null), ("x5u", "x".into())]
    {
        assert!(set(&[&changed(1, name, value)]).find(Some("ec1"), Algorithm::Es256).is_some(), "{name}");
    }
}

#[test]
fn a_set_of_another_form_or_size_is_refused() {
    for bad in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, r#"{"keys":[{"kid":"a","kid":"b"}]}"#] {
        assert_eq!(KeySet::parse(bad.as_bytes()), Err(KeyError::Set), "{bad}");
    }
    assert!(KeySet::parse(br#"{"keys":[]}"#).is_ok_and(|keys| keys.is_empty()));
    assert!(KeySet::parse(br#"{"keys":[1,null,[]],"more":1}"#).is_ok_and(|keys| keys.is_empty()));
    let of = |count: usize| format!("{{\"keys\":[{}1]}}", "1,".repeat(count - 1));
    assert!(KeySet::parse(of(100).as_bytes()).is_ok());
    assert_eq!(KeySet::parse(of(101).as_bytes()), Err(KeyError::SetSize));
    let padded = format!("{SET}{}", " ".repeat(MAX_SET - SET.len()));
    assert!(KeySet::parse(padded.as_bytes()).is_ok());
    assert_eq!(KeySet::parse(format!("{padded} ").as_bytes()), Err(KeyError::SetSize));
}

proptest! {
    /// A byte of the set or of the PEM changed, or the text cut, is another key, none, or the same; never a panic.
    #[test]
    fn any_change_of_a_text_is_read_without_a_panic(at in 0..SET.len(), byte: u8, length in 0..SET.len()) {
        let mut json = SET.as_bytes().to_vec();
        json[at] = byte;
        if let Ok(set) = KeySet::parse(&json) {
            let (message, signature) = parts(ES256);
            set.find(Some("ec1"), Algorithm::Es256).map(|key| key.verify(Algorithm::Es256, message, &signature));
        }
        prop_assert_eq!(KeySet::parse(&SET.as_bytes()[..length]), Err(KeyError::Set));
        let mut pem = RSA_PEM.as_bytes().to_vec();
        let at = at % pem.len();
        pem[at] = byte;
        if let Some(key) = std::str::from_utf8(&pem).ok().and_then(|pem| PublicKey::from_pem(pem).ok()) {
            let (message, signature) = parts(RS256);
            let same = Ok(key.clone()) == PublicKey::from_pem(RSA_PEM);
            prop_assert_eq!(key.verify(Algorithm::Rs256, message, &signature), same);
        }
    }
}

#[test]
fn a_key_serves_the_issuer_that_its_set_names() {
    let key = |issuer: Value| {
        let x = URL_SAFE_NO_PAD.encode([7; 32]);
        let jwk = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "issuer": issuer });
        PublicKey::from_jwk(jwk.as_object().expect("an object")).expect("a key")
    };
    let any = key("https://login.example/{tenantid}/v2.0".into());
    assert!(any.serves("https://login.example/a/v2.0") && any.serves("https://login.example/b/v2.0"));
    assert!(!any.serves("https://other.example/a/v2.0") && !any.serves("https://login.example/a/v1.0"));
    let one = key("https://login.example/a/v2.0".into());
    assert!(one.serves("https://login.example/a/v2.0") && !one.serves("https://login.example/b/v2.0"));
    assert!(key(Value::Null).serves("https://anybody.example"));
}
