use proptest::prelude::*;

use super::*;

const JSON: &[u8] = br#"{"sub":"user-1","aud":"my-app"}"#;

const FORMS: [GcmForm; 3] = [GcmForm::Plain, GcmForm::Intercom, GcmForm::Zoom];

/// Made by OpenSSL's AES-256-GCM: the key 00…1f, or `throwaway-secret`; Zoom's with `context` as additional data.
const PLAIN: &str = "oKGio6SlpqeoqaqrnToPWCfpOJ0XFuKhKkvi8lLNLHSwjWAB5SNH9g-JCJqVYmcfcmJh_JzrDrbqJgQ";
const INTERCOM: &str = "oKGio6SlpqeoqaoBjWGDEdJbIfCcphyF0ag8l+hCE6/1gtv7LY7HKZqwD4LWWofwX+4jTyVWZrUR0d4=";
const ZOOM: &str = "DKChoqOkpaanqKmqqwcAY29udGV4dB8AAAASMcjS4HkAj0AHLjPsOYXzbhVTKWi5xv3pv1qdgIclOGG6bO38l_6-tMVxZQn47Q";

fn secret(form: GcmForm) -> Secret {
    match form {
        GcmForm::Plain => Secret::new((0..32).collect::<Vec<u8>>()),
        GcmForm::Intercom | GcmForm::Zoom => Secret::from("throwaway-secret"),
    }
}

fn other(form: GcmForm) -> Secret {
    if form == GcmForm::Plain { Secret::new([7; 32]) } else { Secret::from("another-secret") }
}

fn known(form: GcmForm) -> &'static str {
    match form {
        GcmForm::Plain => PLAIN,
        GcmForm::Intercom => INTERCOM,
        GcmForm::Zoom => ZOOM,
    }
}

fn opened(form: GcmForm, token: &str) -> Result<Claims, Refusal> {
    open(form, token.as_bytes(), &[secret(form)]).map(|opened| opened.claims)
}

fn claims() -> Result<Claims, Refusal> {
    Claims::parse(JSON)
}

fn bytes_of(form: GcmForm) -> Vec<u8> {
    decode(form, known(form).as_bytes()).expect("base64")
}

fn written(form: GcmForm, bytes: &[u8]) -> String {
    if form == GcmForm::Intercom { BASE64_STANDARD.encode(bytes) } else { BASE64_URL_SAFE_NO_PAD.encode(bytes) }
}

#[test]
fn tokens_of_another_implementation_open() {
    for form in FORMS {
        assert_eq!(opened(form, known(form)), claims(), "{form:?}");
    }
}

#[test]
fn minted_tokens_open_with_any_of_several_secrets_and_with_no_other() {
    for form in FORMS {
        let token = mint(form, JSON, &secret(form)).expect("a key");
        let open = |secrets: &[Secret]| open(form, token.as_bytes(), secrets).map(|opened| opened.claims);
        assert_eq!(open(&[other(form), secret(form)]), claims(), "{form:?}");
        assert_eq!(open(&[other(form)]), Err(Refusal::BadDecrypt), "{form:?}");
        assert_eq!(open(&[]), Err(Refusal::BadDecrypt), "{form:?}");
    }
    assert_eq!(mint(GcmForm::Plain, JSON, &Secret::from("not 32 bytes")), None);
}

#[test]
fn every_bit_of_a_token_counts() {
    for form in FORMS {
        let good = bytes_of(form);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(opened(form, &written(form, &bytes)).is_err(), "{form:?}, bit {bit}");
        }
    }
}

#[test]
fn a_token_that_is_cut_or_goes_on_is_refused() {
    for form in FORMS {
        let good = bytes_of(form);
        for length in 0..good.len() {
            assert!(opened(form, &written(form, &good[..length])).is_err(), "{form:?}, {length} bytes");
        }
        for more in [&[0][..], &[0; 16]] {
            assert!(opened(form, &written(form, &[&good, more].concat())).is_err(), "{form:?}");
        }
    }
}

#[test]
fn only_the_platforms_own_spelling_of_base64_is_read() {
    for form in [GcmForm::Plain, GcmForm::Zoom] {
        let standard = known(form).replace('-', "+").replace('_', "/");
        assert_ne!(standard, known(form), "the token has letters that differ");
        for token in [standard, format!("{}=", known(form)), format!("{}==", known(form))] {
            assert_eq!(opened(form, &token), Err(Refusal::Malformed), "{token}");
        }
    }
    let unpadded = INTERCOM.trim_end_matches('=');
    for token in [unpadded.to_owned(), INTERCOM.replace('/', "_"), INTERCOM.replace('+', "-"), format!("{INTERCOM}=")] {
        assert_eq!(opened(GcmForm::Intercom, &token), Err(Refusal::Malformed), "{token}");
    }
    for form in FORMS {
        let last = known(form).trim_end_matches('=').len() - 1;
        let mut bits = known(form).to_owned();
        // The last letter carries bits that belong to no byte.
        let letter = char::from(known(form).as_bytes()[last] + 1);
        bits.replace_range(last..=last, letter.encode_utf8(&mut [0; 4]));
        for token in [bits, format!(" {}", known(form)), format!("{}\n", known(form)), String::new()] {
            assert_eq!(opened(form, &token), Err(Refusal::Malformed), "{form:?}, {token}");
        }
    }
}

#[test]
fn zoom_lengths_are_exact_and_never_negative() {
    let (iv, key) = ([9; IV], key(GcmForm::Zoom, &secret(GcmForm::Zoom)).expect("a key"));
    let mut ciphertext = JSON.to_vec();
    let nonce = Nonce::assume_unique_for_key(iv);
    key.seal_in_place_append_tag(nonce, Aad::from(b"aad"), &mut ciphertext).expect("sealed");
    let right = u32::try_from(JSON.len()).expect("short").to_le_bytes();
    let layout = |iv_length: u8, aad_length: u16, length: [u8; 4], ciphertext: &[u8]| {
        let aad_length = aad_length.to_le_bytes();
        let bytes = [&[iv_length][..], &iv, &aad_length, b"aad", &length, ciphertext].concat();
        opened(GcmForm::Zoom, &BASE64_URL_SAFE_NO_PAD.encode(bytes))
    };
    assert_eq!(layout(12, 3, right, &ciphertext), claims());
    let minus = |by: i32| by.to_le_bytes();
    for length in [minus(-1), minus(-16), minus(i32::MIN), minus(i32::MAX), minus(0), minus(30), minus(32), minus(47)] {
        assert_eq!(layout(12, 3, length, &ciphertext), Err(Refusal::Malformed), "{length:?}");
    }
    let big_endian = u32::try_from(JSON.len()).expect("short").to_be_bytes();
    assert_eq!(layout(12, 3, big_endian, &ciphertext), Err(Refusal::Malformed));
    for (iv_length, aad_length) in [(0, 3), (11, 3), (13, 3), (16, 3), (255, 3), (12, 0), (12, 2), (12, 4), (12, 65535)]
    {
        assert!(layout(iv_length, aad_length, right, &ciphertext).is_err(), "{iv_length}, {aad_length}");
    }
    for tag in [0, 4, 8, 12, 15] {
        let cut = &ciphertext[..JSON.len() + tag];
        assert_eq!(layout(12, 3, right, cut), Err(Refusal::Malformed), "a tag of {tag} bytes");
    }
}

#[test]
fn zoom_contexts_without_additional_data_open() {
    let (iv, ciphertext) = seal(&key(GcmForm::Zoom, &secret(GcmForm::Zoom)).expect("a key"), b"", JSON);
    let length = u32::try_from(JSON.len()).expect("short").to_le_bytes();
    let bytes = [&[12][..], &iv, &[0, 0], &length, &ciphertext].concat();
    assert_eq!(opened(GcmForm::Zoom, &BASE64_URL_SAFE_NO_PAD.encode(bytes)), claims());
}

#[test]
fn additional_data_that_nobody_agreed_on_opens_nothing() {
    let (iv, ciphertext) = seal(&prepared(secret(GcmForm::Plain).expose()).expect("a key"), b"more", JSON);
    let token = BASE64_URL_SAFE_NO_PAD.encode([&iv[..], &ciphertext].concat());
    assert_eq!(opened(GcmForm::Plain, &token), Err(Refusal::BadDecrypt));
}

#[test]
fn an_intercom_form_field_counts_by_its_user_alone() {
    let form = |json: &str| opened(GcmForm::Intercom, json);
    assert_eq!(form(&format!(r#"{{"user":"{INTERCOM}","workspace_id":"forged"}}"#)), claims());
    assert_eq!(form(&format!(r#"{{"user":"{}"}}"#, INTERCOM.replace('/', "\\/"))), claims());
    for json in [
        "{}".to_owned(),
        r#"{"user":null}"#.to_owned(),
        format!(r#"{{"user":["{INTERCOM}"]}}"#),
        format!(r#"{{"user":{{"user":"{INTERCOM}"}}}}"#),
        format!(r#"{{"user":"{INTERCOM}","user":"{INTERCOM}"}}"#),
        format!(r#"{{"user":"{INTERCOM}","\u0075ser":"x"}}"#),
        format!(r#"{{"user":"{INTERCOM}"}}x"#),
        format!(r#" {{"user":"{INTERCOM}"}}"#),
        format!(r#"["{INTERCOM}"]"#),
        format!(r#""{INTERCOM}""#),
    ] {
        assert_eq!(form(&json), Err(Refusal::Malformed), "{json}");
    }
    for other in [GcmForm::Plain, GcmForm::Zoom] {
        assert_eq!(opened(other, &format!(r#"{{"user":"{}"}}"#, known(other))), Err(Refusal::Malformed));
    }
}

#[test]
fn a_token_has_one_name_whatever_stands_around_it() {
    let mark = |text: &str| {
        let opened = open(GcmForm::Intercom, text.as_bytes(), &[secret(GcmForm::Intercom)]);
        opened.map(|opened| opened.mark.expect("a name"))
    };
    let bare = mark(INTERCOM).expect("a token");
    assert_eq!(mark(&format!(r#"{{"user":"{INTERCOM}"}}"#)), Ok(bare));
    assert_eq!(mark(&format!(r#"{{"x":1, "user":"{INTERCOM}"}}"#)), Ok(bare));
    let again = mint(GcmForm::Intercom, JSON, &secret(GcmForm::Intercom)).expect("a key");
    assert_ne!(mark(&again), Ok(bare), "another token of the same person");
}

#[test]
fn what_is_sealed_must_be_one_object() {
    for form in FORMS {
        for json in [&b""[..], b"hello", b"[]", b"{\"a\":1}{}", b"{\"a\":1,\"a\":1}", b"{\"a\":\"\xff\"}"] {
            let token = mint(form, json, &secret(form)).expect("a key");
            assert_eq!(opened(form, &token), Err(Refusal::Malformed), "{form:?}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_BYTES));
        let token = mint(form, long.as_bytes(), &secret(form)).expect("a key");
        assert_eq!(opened(form, &token), Err(Refusal::Malformed), "{form:?}");
    }
}

proptest! {
    /// Nothing that a caller can send is read, unless somebody with the key made it.
    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for form in FORMS {
            prop_assert!(open(form, &bytes, &[secret(form)]).is_err());
            prop_assert!(opened(form, &written(form, &bytes)).is_err());
            let framed = [&[12][..], &bytes].concat();
            prop_assert!(opened(form, &written(form, &framed)).is_err());
        }
    }
}
