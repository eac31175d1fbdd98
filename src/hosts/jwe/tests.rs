use proptest::prelude::*;

use super::*;

const JSON: &[u8] = br#"{"sub":"user-1","aud":"my-app"}"#;

/// Made by OpenSSL's AES-256-GCM with the key 00…1f. Its header has `typ` and `kid` too.
const KNOWN: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwidHlwIjoiSldUIiwia2lkIjoiazEifQ..oKGio6Slpqeoqaqr.\
                     nToPWCfpOJ0XFuKhKkvi8lLNLHSwjWAB5SNH9g-JCA.2X1S0hiYXSJpLsKQOAEZ3Q";

fn secret() -> Secret {
    Secret::new((0..32).collect::<Vec<u8>>())
}

fn opened(token: &str) -> Result<Claims, Refusal> {
    open(token.as_bytes(), &[secret()])
}

fn claims() -> Result<Claims, Refusal> {
    Claims::parse(JSON)
}

/// A token with this header, sealed as it should be.
fn with_header(header: &str) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.encode(header);
    let (iv, mut ciphertext) = seal(&prepared(secret().expose()).expect("a key"), header.as_bytes(), JSON);
    let tag = ciphertext.split_off(JSON.len());
    let [iv, ciphertext, tag] = [&iv[..], &ciphertext, &tag].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("{header}..{iv}.{ciphertext}.{tag}")
}

/// The known token with another part.
fn with_part(at: usize, part: &str) -> String {
    let mut parts: Vec<&str> = KNOWN.split('.').collect();
    parts[at] = part;
    parts.join(".")
}

#[test]
fn a_token_of_another_implementation_opens() {
    assert_eq!(opened(KNOWN), claims());
}

#[test]
fn minted_tokens_open_with_any_of_several_secrets_and_with_no_other() {
    let token = mint(JSON, &secret()).expect("a key");
    let other = Secret::new([7; 32]);
    assert_eq!(open(token.as_bytes(), &[other.clone(), secret()]), claims());
    assert_eq!(open(token.as_bytes(), &[other]), Err(Refusal::BadDecrypt));
    assert_eq!(mint(JSON, &Secret::from("short")), None);
}

#[test]
fn other_algorithms_are_not_read_from_the_header() {
    for header in [
        r#"{"alg":"A256KW","enc":"A256GCM"}"#,
        r#"{"alg":"A256GCMKW","enc":"A256GCM"}"#,
        r#"{"alg":"none","enc":"A256GCM"}"#,
        r#"{"alg":"DIR","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1000000000}"#,
        r#"{"alg":"dir","enc":"A128GCM"}"#,
        r#"{"alg":"dir","enc":"A256CBC-HS512"}"#,
        r#"{"alg":"dir","enc":"a256gcm"}"#,
    ] {
        assert_eq!(opened(&with_header(header)), Err(Refusal::AlgorithmNotAllowed), "{header}");
    }
    for header in [
        r#"{"alg":"dir"}"#,
        r#"{"enc":"A256GCM"}"#,
        r#"{"alg":["dir"],"enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":null}"#,
        r#"{"alg":"dir","alg":"dir","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A256GCM","\u0065nc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A256GCM"} {}"#,
        r#"["dir","A256GCM"]"#,
        "",
    ] {
        assert_eq!(opened(&with_header(header)), Err(Refusal::Malformed), "{header}");
    }
}

#[test]
fn a_header_that_asks_for_more_is_refused() {
    for more in [
        r#""zip":"DEF""#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":[]"#,
        r#""jwk":{"kty":"oct"}"#,
        r#""jku":"https://keys.example/""#,
        r#""x5u":"https://keys.example/""#,
        r#""b64":true"#,
        r#""cty":"JWT""#,
        r#""kid":7"#,
        r#""typ":"dpop+jwt""#,
        r#""typ":1"#,
    ] {
        let header = format!(r#"{{"alg":"dir","enc":"A256GCM",{more}}}"#);
        assert_eq!(opened(&with_header(&header)), Err(Refusal::Malformed), "{more}");
    }
    for harmless in [r#""typ":"jwt""#, r#""kid":"of-another-tenant""#, r#""x":1"#] {
        assert_eq!(opened(&with_header(&format!(r#"{{"alg":"dir","enc":"A256GCM",{harmless}}}"#))), claims());
    }
}

#[test]
fn every_part_has_its_exact_form() {
    let parts: Vec<&str> = KNOWN.split('.').collect();
    for key in ["AAAA", "A", "="] {
        assert_eq!(opened(&with_part(1, key)), Err(Refusal::Malformed), "a key in the token");
    }
    for length in [0, 8, 11, 13, 16] {
        let iv = BASE64_URL_SAFE_NO_PAD.encode(vec![0; length]);
        assert_eq!(opened(&with_part(2, &iv)), Err(Refusal::Malformed), "an IV of {length} bytes");
    }
    let tag = BASE64_URL_SAFE_NO_PAD.decode(parts[4]).expect("base64");
    for length in [0, 4, 8, 12, 15] {
        let tag = BASE64_URL_SAFE_NO_PAD.encode(&tag[..length]);
        assert_eq!(opened(&with_part(4, &tag)), Err(Refusal::Malformed), "a tag of {length} bytes");
    }
    let longer = BASE64_URL_SAFE_NO_PAD.encode([&tag[..], &[0]].concat());
    assert_eq!(opened(&with_part(4, &longer)), Err(Refusal::Malformed));
    assert_eq!(opened(&with_part(3, "")), Err(Refusal::BadDecrypt));
    for at in [0, 2, 3, 4] {
        for spelled in [format!("{}=", parts[at]), format!("{}==", parts[at]), format!(" {}", parts[at])] {
            assert_eq!(opened(&with_part(at, &spelled)), Err(Refusal::Malformed), "{spelled}");
        }
    }
    assert_eq!(opened(&with_part(3, &parts[3].replace('-', "+"))), Err(Refusal::Malformed));
    // The last letter of the tag carries four bits that belong to no byte.
    assert_eq!(opened(&with_part(4, &parts[4].replace("3Q", "3R"))), Err(Refusal::Malformed));
}

#[test]
fn a_token_has_five_parts() {
    let four = KNOWN.rsplit_once('.').expect("a dot").0;
    let jws = KNOWN.splitn(4, '.').take(3).collect::<Vec<_>>().join(".");
    for token in [String::new(), "....".into(), four.into(), format!("{KNOWN}."), format!("{KNOWN}.AA"), jws] {
        assert_eq!(opened(&token), Err(Refusal::Malformed), "{token}");
    }
    assert_eq!(open(b"\xff....", &[secret()]), Err(Refusal::Malformed));
    let json = r#"{"protected":"e30","iv":"","ciphertext":"","tag":""}"#;
    assert_eq!(opened(json), Err(Refusal::Malformed), "the JSON serialization is not read");
}

#[test]
fn what_is_sealed_and_the_header_are_bound_to_each_other() {
    let other = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM"}"#);
    assert_eq!(opened(&with_part(0, &other)), Err(Refusal::BadDecrypt));
    for at in [2, 3, 4] {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(KNOWN.split('.').nth(at).expect("a part")).expect("base64");
        bytes[0] ^= 1;
        assert_eq!(opened(&with_part(at, &BASE64_URL_SAFE_NO_PAD.encode(bytes))), Err(Refusal::BadDecrypt), "{at}");
    }
}

#[test]
fn what_is_sealed_must_be_one_object_of_bounded_size() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_BYTES));
    for json in [&b""[..], b"hello", b"[]", b"{\"a\":1,\"\\u0061\":1}", b"{\"a\":\"\xff\"}", long.as_bytes()] {
        assert_eq!(opened(&mint(json, &secret()).expect("a key")), Err(Refusal::Malformed));
    }
}

proptest! {
    /// Nothing that a caller can send is read, unless somebody with the key made it.
    #[test]
    fn any_bytes_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        parts in prop::collection::vec("[A-Za-z0-9_=-]{0,24}", 0..7),
        at in 0_usize..5,
    ) {
        prop_assert!(open(&bytes, &[secret()]).is_err());
        prop_assert!(opened(&parts.join(".")).is_err());
        let spoiled = with_part(at, &BASE64_URL_SAFE_NO_PAD.encode(&bytes));
        prop_assert!(spoiled == KNOWN || opened(&spoiled).is_err());
    }
}
