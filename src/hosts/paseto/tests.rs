use proptest::prelude::*;

use super::*;
use crate::hosts::PublicKey;

/// The published vectors of version 4: 4-E-1, 4-E-3, 4-E-5 and 4-S-1, 4-S-2.
const SEALED: [(&str, &[u8]); 3] = [
    (
        "v4.local.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAr68PS4AXe7If_ZgesdkUMvSwscFlAl1pk5HC0e8kApeaqMfGo_7OpBnwJOA\
         bY9V7WU6abu74MmcUE8YWAiaArVI8XJ5hOb_4v9RmDkneN0S92dx0OW4pgy7omxgf3S8c3LlQg",
        b"",
    ),
    (
        "v4.local.32VIErrEkmY4JVILovbmfPXKW9wT1OdQepjMTC_MOtjA4kiqw7_tcaOM5GNEcnTxl60WkwMsYXw6FSNb_UdJPXjpzm0KW9ojM5f4O2mR\
         vE2IcweP-PRdoHjd5-RHCiExR1IK6t6-tyebyWG6Ov7kKvBdkrrAJ837lKP3iDag2hzUPHuMKA",
        b"",
    ),
    (
        "v4.local.32VIErrEkmY4JVILovbmfPXKW9wT1OdQepjMTC_MOtjA4kiqw7_tcaOM5GNEcnTxl60WkwMsYXw6FSNb_UdJPXjpzm0KW9ojM5f4O2mR\
         vE2IcweP-PRdoHjd5-RHCiExR1IK6t4x-RMNXtQNbz7FvFZ_G-lFpk5RG3EOrwDL6CgDqcerSQ.eyJraWQiOiJ6VmhNaVBCUDlmUmYyc25FY1Q3Z\
         0ZUaW9lQTlDT2NOeTlEZmdMMVc2MGhhTiJ9",
        FOOTER,
    ),
];
const SIGNED: [&str; 2] = [
    "v4.public.eyJkYXRhIjoidGhpcyBpcyBhIHNpZ25lZCBtZXNzYWdlIiwiZXhwIjoiMjAyMi0wMS0wMVQwMDowMDowMCswMDowMCJ9bg_XBBzds8lTZShV\
     lwwKSgeKpLT3yukTw6JUz3W4h_ExsQV-P0V54zemZDcAxFaSeef1QlXEFtkqxT1ciiQEDA",
    "v4.public.eyJkYXRhIjoidGhpcyBpcyBhIHNpZ25lZCBtZXNzYWdlIiwiZXhwIjoiMjAyMi0wMS0wMVQwMDowMDowMCswMDowMCJ9v3Jt8mx_TdM2ceTG\
     oqwrh4yDFn0XsHvvV_D0DtwQxVrJEBMl0F2caAdgnpKlt4p7xBnx1HcO-SPo8FPp214HDw.eyJraWQiOiJ6VmhNaVBCUDlmUmYyc25FY1Q3Z0ZUaW9lQTl\
     DT2NOeTlEZmdMMVc2MGhhTiJ9",
];
const FOOTER: &[u8] = br#"{"kid":"zVhMiPBP9fRf2snEcT7gFTioeA9COcNy9DfgL1W60haN"}"#;
/// 4-E-9 and 4-S-3, which were made with an implicit assertion.
const ASSERTED: &str = "v4.local.32VIErrEkmY4JVILovbmfPXKW9wT1OdQepjMTC_MOtjA4kiqw7_tcaOM5GNEcnTxl60WiA8rd3wgFSNb_UdJPXjpzm0KW9ojM5f4O2mR\
     vE2IcweP-PRdoHjd5-RHCiExR1IK6t6tybdlmnMwcDMw0YxA_gFSE_IUWl78aMtOepFYSWYfQA.YXJiaXRyYXJ5LXN0cmluZy10aGF0LWlzbid0LWpzb24";
const SIGNED_ASSERTED: &str = "v4.public.eyJkYXRhIjoidGhpcyBpcyBhIHNpZ25lZCBtZXNzYWdlIiwiZXhwIjoiMjAyMi0wMS0wMVQwMDowMDowMCswMDowMCJ9NPWciuD3d0o5eXJX\
     G5pJy-DiVEoyPYWs1YSTwWHNJq6DZD3je5gf-0M4JR9ipdUSJbIovzmBECeaWmaqcaP0DQ.eyJraWQiOiJ6VmhNaVBCUDlmUmYyc25FY1Q3Z0ZUaW9lQTl\
     DT2NOeTlEZmdMMVc2MGhhTiJ9";

const JSON: &[u8] = br#"{"data":"this is a secret message","exp":"2022-01-01T00:00:00+00:00"}"#;
const SIGNED_JSON: &[u8] = br#"{"data":"this is a signed message","exp":"2022-01-01T00:00:00+00:00"}"#;
const SEED: &str = "b4cbfb43df4ce210727d953e4a713307fa19bb7d9f85041438d9e11b942a3774";
const PUBLIC: &str = "1eb9dbbbbc047c03fd70604e0071f0987e16b28b757225c11f00415d0e20b1a2";

fn secret() -> Secret {
    Secret::new((0x70..0x90).collect::<Vec<u8>>())
}

fn secrets() -> KeyMaterial {
    KeyMaterial::Secrets(vec![secret()])
}

fn pinned(hex: &str) -> PublicKey {
    PublicKey::ed25519_from_hex(hex).expect("a key")
}

fn public() -> KeyMaterial {
    KeyMaterial::Pinned(vec![pinned(PUBLIC)])
}

fn key_pair() -> Ed25519KeyPair {
    let mut seed = [0; 32];
    faster_hex::hex_decode(SEED.as_bytes(), &mut seed).expect("hex");
    Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key")
}

fn opened(token: &str) -> Result<Claims, Refusal> {
    open(Purpose::Local, token.as_bytes(), &secrets())
}

fn verified(token: &str) -> Result<Claims, Refusal> {
    open(Purpose::Public, token.as_bytes(), &public())
}

#[test]
fn the_published_vectors_are_opened_and_made() {
    for (token, footer) in SEALED {
        assert_eq!(opened(token), Claims::parse(JSON), "{token}");
        let nonce = *read(Purpose::Local, token.as_bytes()).expect("parts").body.first_chunk().expect("a nonce");
        assert_eq!(seal(JSON, footer, nonce, &secret()).as_deref(), Some(token));
    }
    for (token, footer) in SIGNED.into_iter().zip([b"", FOOTER]) {
        assert_eq!(verified(token), Claims::parse(SIGNED_JSON), "{token}");
        assert_eq!(mint_public(SIGNED_JSON, footer, &key_pair()), token);
    }
}

#[test]
fn minted_tokens_open_with_any_of_several_keys_and_with_no_other() {
    let other = Secret::new([7; 32]);
    let token = mint_local(JSON, b"", &secret()).expect("a key");
    let open_with = |keys: Vec<Secret>| open(Purpose::Local, token.as_bytes(), &KeyMaterial::Secrets(keys));
    assert_eq!(open_with(vec![other.clone(), secret()]), Claims::parse(JSON));
    assert_eq!(open_with(vec![other]), Err(Refusal::BadDecrypt));
    assert_ne!(Some(token.clone()), mint_local(JSON, b"", &secret()), "each has its own nonce");
    assert_eq!(mint_local(JSON, b"", &Secret::from("not 32 bytes")), None);

    let other = pinned("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    let verify_with = |keys| open(Purpose::Public, SIGNED[0].as_bytes(), &KeyMaterial::Pinned(keys));
    assert_eq!(verify_with(vec![other.clone(), pinned(PUBLIC)]), Claims::parse(SIGNED_JSON));
    assert_eq!(verify_with(vec![other]), Err(Refusal::BadSignature));
}

#[test]
fn a_key_of_one_purpose_is_none_of_the_other() {
    // Whoever knows a public key could seal with it, if it were taken for a secret.
    let mut bytes = [0; 32];
    faster_hex::hex_decode(PUBLIC.as_bytes(), &mut bytes).expect("hex");
    let forged = mint_local(SIGNED_JSON, b"", &Secret::new(bytes)).expect("a key");
    assert_eq!(open(Purpose::Local, forged.as_bytes(), &public()), Err(Refusal::AlgorithmNotAllowed));
    assert_eq!(open(Purpose::Public, forged.as_bytes(), &public()), Err(Refusal::Malformed));
    assert_eq!(open(Purpose::Public, SIGNED[0].as_bytes(), &secrets()), Err(Refusal::AlgorithmNotAllowed));
}

#[test]
fn version_and_purpose_are_not_read_from_the_token() {
    let (sealed, signed) = (SEALED[0].0, SIGNED[0]);
    for header in
        ["v1.local.", "v2.local.", "v3.local.", "v5.local.", "V4.local.", "v4.Local.", "v4.public.", "v4.", ""]
    {
        assert_eq!(opened(&sealed.replacen("v4.local.", header, 1)), Err(Refusal::Malformed), "{header}");
    }
    for header in ["v2.public.", "v3.public.", "v4.secret.", "v4.local.", "v4.public"] {
        assert_eq!(verified(&signed.replacen("v4.public.", header, 1)), Err(Refusal::Malformed), "{header}");
    }
    assert_eq!(opened(&signed.replacen("public", "local", 1)), Err(Refusal::BadDecrypt));
    assert_eq!(verified(&sealed.replacen("local", "public", 1)), Err(Refusal::BadSignature));
}

#[test]
fn a_footer_counts_like_the_rest_and_is_not_read() {
    let footers = |token: &str, footer: &str| format!("{}.{footer}", token.rsplit_once('.').expect("a footer").0);
    let other = BASE64_URL_SAFE_NO_PAD.encode(br#"{"kid":"another"}"#);
    assert_eq!(opened(&footers(SEALED[2].0, &other)), Err(Refusal::BadDecrypt));
    assert_eq!(verified(&footers(SIGNED[1], &other)), Err(Refusal::BadSignature));
    assert_eq!(opened(&format!("{}.{other}", SEALED[0].0)), Err(Refusal::BadDecrypt), "one that was added");
    assert_eq!(verified(&format!("{}.{other}", SIGNED[0])), Err(Refusal::BadSignature), "one that was added");
    let without = |token: &str| token.rsplit_once('.').expect("a footer").0.to_owned();
    assert_eq!(opened(&without(SEALED[2].0)), Err(Refusal::BadDecrypt), "one that was taken away");
    assert_eq!(verified(&without(SIGNED[1])), Err(Refusal::BadSignature), "one that was taken away");
    // Keys, names of keys, no JSON: all the same.
    for footer in [&b"x"[..], br#"{"wpk":"k4.local-wrap.pie.AAAA"}"#, b"{\"kid\":1,\"kid\":2}", b"\xff\x00"] {
        assert_eq!(opened(&mint_local(JSON, footer, &secret()).expect("a key")), Claims::parse(JSON));
        assert_eq!(verified(&mint_public(JSON, footer, &key_pair())), Claims::parse(JSON));
    }
    let long = vec![b'x'; MAX_FOOTER + 1];
    assert_eq!(opened(&mint_local(JSON, &long, &secret()).expect("a key")), Err(Refusal::Malformed));
    assert_eq!(verified(&mint_public(JSON, &long, &key_pair())), Err(Refusal::Malformed));
}

#[test]
fn implicit_assertions_are_not_guessed() {
    assert_eq!(opened(ASSERTED), Err(Refusal::BadDecrypt));
    assert_eq!(verified(SIGNED_ASSERTED), Err(Refusal::BadSignature));
}

#[test]
fn a_token_has_one_spelling() {
    let last = |token: &str, letter: char| format!("{}{letter}", &token[..token.len() - 1]);
    for (token, spoiled) in [(SEALED[1].0, last(SEALED[1].0, 'B')), (SIGNED[0], last(SIGNED[0], 'B'))] {
        let open = |text: &str| if token == SIGNED[0] { verified(text) } else { opened(text) };
        for text in [
            spoiled,
            format!("{token}."),
            format!("{token}.."),
            format!("{token}="),
            format!("{token}=="),
            format!("{token}\n"),
            format!(" {token}"),
            format!("{token}.AA.AA"),
            token.replace('_', "/"),
            token.replace('-', "+"),
        ] {
            assert_eq!(open(&text), Err(Refusal::Malformed), "{text}");
        }
    }
}

#[test]
fn every_byte_of_a_token_counts() {
    for (purpose, keys, token) in [(Purpose::Local, secrets(), SEALED[1].0), (Purpose::Public, public(), SIGNED[0])] {
        let parts = read(purpose, token.as_bytes()).expect("parts");
        for at in 0..parts.body.len() {
            let mut body = parts.body.clone();
            body[at] ^= 1;
            assert!(open(purpose, written(header(purpose), &body, b"").as_bytes(), &keys).is_err(), "byte {at}");
            let cut = written(header(purpose), &parts.body[..at], b"");
            assert!(open(purpose, cut.as_bytes(), &keys).is_err(), "{at} bytes");
        }
        let longer = written(header(purpose), &[&parts.body[..], &[0]].concat(), b"");
        assert!(open(purpose, longer.as_bytes(), &keys).is_err());
    }
}

#[test]
fn what_is_sealed_or_signed_must_be_one_object_of_bounded_size() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_BYTES));
    for json in [&b""[..], b"hello", b"[]", b"{\"a\":1,\"\\u0061\":1}", b"{\"a\":\"\xff\"}", long.as_bytes()] {
        assert_eq!(opened(&mint_local(json, b"", &secret()).expect("a key")), Err(Refusal::Malformed));
        assert_eq!(verified(&mint_public(json, b"", &key_pair())), Err(Refusal::Malformed));
    }
}

proptest! {
    /// Nothing that a caller can send is read, unless somebody with the key made it.
    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), footer in ".{0,20}") {
        for (purpose, keys) in [(Purpose::Local, secrets()), (Purpose::Public, public())] {
            prop_assert!(open(purpose, &bytes, &keys).is_err());
            let token = written(header(purpose), &bytes, footer.as_bytes());
            prop_assert!(open(purpose, token.as_bytes(), &keys).is_err());
        }
    }
}
