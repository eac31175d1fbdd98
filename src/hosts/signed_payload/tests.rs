use proptest::prelude::*;

use super::*;
use crate::hosts::material::macs;

const FORMS: [PayloadForm; 3] = [PayloadForm::MacFirst, PayloadForm::MacFirstPadded, PayloadForm::PayloadFirst];
const JSON: &[u8] = br#"{"user":"ada","note":"\u00ff?>~"}"#;

fn secret(text: &str) -> Secret {
    Secret::from(text)
}

fn keys(secrets: &[&str]) -> Keys {
    Keys::Secrets(macs(&secrets.iter().map(|text| secret(text)).collect::<Vec<_>>()))
}

#[test]
fn what_was_minted_opens_with_any_of_the_secrets() {
    for form in FORMS {
        let token = mint(form, &secret("new"), JSON);
        let claims = open(form, token.as_bytes(), &keys(&["old", "new"])).expect("a genuine token");
        assert_eq!(claims.text(&["user"]), Some("ada"), "{form:?}");
        assert_eq!(open(form, token.as_bytes(), &keys(&["old"])), Err(Refusal::BadSignature), "{form:?}");
        assert_eq!(open(form, token.as_bytes(), &keys(&[])), Err(Refusal::BadSignature), "{form:?}");
    }
}

#[test]
fn public_keys_are_never_secrets() {
    for form in FORMS {
        let token = mint(form, &secret("s"), JSON);
        assert_eq!(open(form, token.as_bytes(), &Keys::Pinned(Vec::new())), Err(Refusal::AlgorithmNotAllowed));
    }
}

#[test]
fn a_token_of_one_form_is_none_of_another() {
    for made in FORMS {
        for read in FORMS.into_iter().filter(|read| *read != made) {
            assert!(open(read, mint(made, &secret("s"), JSON).as_bytes(), &keys(&["s"])).is_err(), "{made:?} {read:?}");
        }
    }
}

#[test]
fn another_spelling_of_a_genuine_token_is_refused() {
    for form in FORMS {
        let token = mint(form, &secret("s"), JSON);
        let (first, second) = token.split_once('.').expect("two parts");
        for spelling in [
            format!("{token}."),
            format!(".{token}"),
            format!("{token}\n"),
            format!(" {token}"),
            format!("{token}="),
            format!("{first}=.{second}"),
            format!("{first}{second}"),
            format!("{first}..{second}"),
            format!("{first}.{second}.{second}"),
            format!("{first}."),
            format!(".{second}"),
            format!("{}.{second}", first.replace('=', "")),
            format!("{first}.{}", second.replace('=', "")),
            format!("{second}.{first}"),
            token.replace('-', "+").replace('_', "/"),
            token.replace('+', "-").replace('/', "_"),
            String::new(),
            ".".to_owned(),
        ] {
            assert!(
                spelling == token || open(form, spelling.as_bytes(), &keys(&["s"])).is_err(),
                "{form:?} {spelling}"
            );
        }
    }
}

#[test]
fn the_mac_is_over_the_encoded_payload_or_the_json_as_the_form_has_it() {
    let mac = |message: &[u8]| mac(&secret("s"), message);
    // The other reading of each form: MAC over the JSON where it is over the text, and the raw MAC where it is in hex.
    let url = BASE64_URL_SAFE_NO_PAD;
    let facebook = format!("{}.{}", url.encode(mac(JSON)), url.encode(JSON));
    let salesforce = format!("{}.{}", BASE64_STANDARD.encode(mac(JSON)), BASE64_STANDARD.encode(JSON));
    let encoded = BASE64_STANDARD.encode(JSON);
    let hex = |tag: ring::hmac::Tag| BASE64_STANDARD.encode(faster_hex::hex_string(tag.as_ref()));
    let over_text = format!("{encoded}.{}", hex(mac(encoded.as_bytes())));
    let raw = format!("{encoded}.{}", BASE64_STANDARD.encode(mac(JSON)));
    let upper = faster_hex::hex_string(mac(JSON).as_ref()).to_uppercase();
    let upper = format!("{encoded}.{}", BASE64_STANDARD.encode(upper));
    for (form, token) in [
        (PayloadForm::MacFirst, facebook),
        (PayloadForm::MacFirstPadded, salesforce),
        (PayloadForm::PayloadFirst, over_text),
        (PayloadForm::PayloadFirst, raw),
        (PayloadForm::PayloadFirst, upper),
    ] {
        assert!(open(form, token.as_bytes(), &keys(&["s"])).is_err(), "{form:?} {token}");
    }
}

#[test]
fn a_payload_with_two_readings_is_refused_though_it_is_signed() {
    for form in FORMS {
        for json in [&b"{\"a\":1,\"a\":2}"[..], b"{\"a\":\"\xff\"}", b"{} ,", b"[1]", b"", b"\xef\xbb\xbf{}"] {
            let token = mint(form, &secret("s"), json);
            assert_eq!(open(form, token.as_bytes(), &keys(&["s"])), Err(Refusal::Malformed), "{form:?} {json:?}");
        }
    }
}

#[test]
fn a_token_that_is_too_long_is_not_looked_at() {
    let json = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_BYTES));
    for form in FORMS {
        let token = mint(form, &secret("s"), json.as_bytes());
        assert_eq!(open(form, token.as_bytes(), &keys(&["s"])), Err(Refusal::Malformed), "{form:?}");
    }
}

proptest! {
    #[test]
    fn nothing_but_what_was_minted_opens(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        for form in FORMS {
            prop_assert!(open(form, &noise, &keys(&["s"])).is_err());
            let mut token = mint(form, &secret("s"), JSON).into_bytes();
            let at = at.index(token.len());
            token[at] ^= 1 << bit;
            prop_assert!(open(form, &token, &keys(&["s"])).is_err());
        }
    }
}
