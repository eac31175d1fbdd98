use proptest::prelude::*;

use super::*;

const FORMS: [CbcForm; 2] = [CbcForm::Ecwid, CbcForm::HighLevel];

/// Made by OpenSSL with the keys of [`secret`].
const ECWID: &str = "EBESExQVFhcYGRobHB0eH4k5Ocw3EAXlwSiaR-NwI7NODlTH7okgVi-meu5nBgUWo0sf4LFc3oDm7D36edBvG_6aJxxtMcwxpKzWr00zx9gW\
                     9v5fvv2kG9TylNMZYYIS";
const HIGHLEVEL: &str = "U2FsdGVkX18BAgMEBQYHCMNYxQaFBjVUmjIhoRXhVGjWEDMUPbzShjFG9SbTgxvkAgZUBrW3/sFD5t+ls4nbKNUZ8AUDa/BlduVMeTUHE2\
                         SXsZDGXIIeovm4W120mDx3eyM0L4ehwBFd2fdYlqjO77qb/hibav8H6IeNkccczh7VDQlRFtpqxVzK8R4qsfvbInGyJY6VO3M9whQrD2oy\
                         6QjxmA6GC68Ta/PF23Vq/ZNcj7m6YZcMO6fhDbcJEUy8u/kxgYbzdUFnOzeBROeN8g==";

const STORE: &str = r#"{"store_id":1003,"access_token":"secret_x","lang":"en","view_mode":"PAGE"}"#;
const PERSON: &str = r#"{"userId":"MKQJ7wOVVmNOMvrnKKKK","companyId":"GNb7aIv4rQFVb9iwNl5K","role":"admin","type":"location","activeLocation":"ve9EPM428h8vShlRW1KT","userName":"John Doe","email":"john@example.com"}"#;

fn secret(form: CbcForm) -> Secret {
    Secret::from(if form == CbcForm::Ecwid { "throwawayEcwidSecret0123456789" } else { "throwaway-ghl-secret" })
}

fn json(form: CbcForm) -> &'static str {
    if form == CbcForm::Ecwid { STORE } else { PERSON }
}

fn known(form: CbcForm) -> &'static str {
    if form == CbcForm::Ecwid { ECWID } else { HIGHLEVEL }
}

fn bytes_of(form: CbcForm) -> Vec<u8> {
    let (head, blocks) = {
        let sealed = Sealed::read(form, known(form).as_bytes());
        (sealed.head, sealed.blocks)
    };
    [&head[..], &blocks].concat()
}

fn written(form: CbcForm, bytes: &[u8]) -> String {
    if form == CbcForm::Ecwid { BASE64_URL_SAFE_NO_PAD.encode(bytes) } else { BASE64_STANDARD.encode(bytes) }
}

fn opened(form: CbcForm, token: &str) -> Result<Claims, Refusal> {
    open(form, token.as_bytes(), &[secret(form)]).map(|opened| opened.claims)
}

fn minted(form: CbcForm, json: &str) -> String {
    mint(form, json.as_bytes(), &secret(form)).expect("a key")
}

#[test]
fn tokens_of_another_implementation_open() {
    for form in FORMS {
        assert_eq!(opened(form, known(form)), Claims::parse(json(form).as_bytes()), "{form:?}");
    }
}

#[test]
fn minted_tokens_open_with_any_of_several_secrets_and_with_no_other() {
    let other = Secret::from("another-secret-of-some-length");
    for form in FORMS {
        let token = minted(form, json(form));
        let open = |secrets: &[Secret]| open(form, token.as_bytes(), secrets).map(|opened| opened.claims);
        for secrets in [[other.clone(), secret(form)], [secret(form), other.clone()]] {
            assert_eq!(open(&secrets), Claims::parse(json(form).as_bytes()), "{form:?}");
        }
        assert_eq!(open(std::slice::from_ref(&other)), Err(Refusal::BadDecrypt), "{form:?}");
        assert_eq!(open(&[]), Err(Refusal::BadDecrypt), "{form:?}");
        assert_ne!(minted(form, json(form)), token, "each has its own IV or salt");
    }
    assert_eq!(mint(CbcForm::Ecwid, STORE.as_bytes(), &Secret::from("15 characters..")), None);
}

#[test]
fn of_an_ecwid_secret_the_first_sixteen_characters_count() {
    let same = Secret::from("throwawayEcwidSeANOTHER");
    assert!(open(CbcForm::Ecwid, ECWID.as_bytes(), &[same]).is_ok());
    let other = Secret::from("throwawayEcwidScret0123456789");
    assert!(open(CbcForm::Ecwid, ECWID.as_bytes(), &[other]).is_err());
}

#[test]
fn an_assembly_token_is_minted_for_its_own_reader() {
    let secret = Secret::from("throwaway-assembly-api-key-0001");
    let token = mint(CbcForm::Assembly, b"{\"workspaceId\":\"x\"}", &secret).expect("a token");
    let unsealed = SealedCbc::new(&secret).unseal(token.as_bytes());
    assert!(unsealed.sound && unsealed.plaintext == b"{\"workspaceId\":\"x\"}");
    assert!(open(CbcForm::Assembly, token.as_bytes(), &[secret]).is_err());
}

#[test]
fn odd_forms_are_all_refused_alike() {
    for form in FORMS {
        let (good, bytes) = (known(form), bytes_of(form));
        let last = good.trim_end_matches('=').len() - 1;
        let mut bits = good.to_owned();
        bits.replace_range(last..=last, char::from(good.as_bytes()[last] + 1).encode_utf8(&mut [0; 4]));
        let other = if form == CbcForm::Ecwid { good.replace('-', "+") } else { good.replace('/', "_") };
        for token in [
            String::new(),
            "!".repeat(good.len()),
            bits,
            other,
            good[..good.len() - 1].to_owned(),
            format!("{good}="),
            format!("{good}\n"),
            format!(" {good}"),
            written(form, &bytes[..bytes.len() - 1]),
            written(form, &[&bytes[..], &[0]].concat()),
            written(form, &bytes[..bytes.len() - BLOCK]),
            written(form, &bytes[..2 * BLOCK]),
            written(form, &bytes[..BLOCK]),
            written(form, &[&bytes[..], &[0; BLOCK]].concat()),
            written(form, &vec![0; MAX_BYTES]),
            written(form, &vec![0; MAX_BYTES + BLOCK]),
            "A".repeat(1 << 20),
        ] {
            assert_eq!(
                opened(form, &token),
                Err(Refusal::BadDecrypt),
                "{form:?}, {}",
                token.get(..40).unwrap_or(&token)
            );
        }
    }
    let (unsalted, unpadded) =
        (written(CbcForm::HighLevel, &bytes_of(CbcForm::HighLevel)[16..]), HIGHLEVEL.trim_matches('='));
    let lower = written(CbcForm::HighLevel, &[b"salted__", &bytes_of(CbcForm::HighLevel)[8..]].concat());
    let in_json = format!(r#"{{"encryptedData":"{HIGHLEVEL}"}}"#);
    for token in [&unsalted, unpadded, &lower, &in_json] {
        assert_eq!(opened(CbcForm::HighLevel, token), Err(Refusal::BadDecrypt), "{token}");
    }
}

#[test]
fn the_longest_text_that_is_read_is_bounded() {
    let of = |form: CbcForm, length: usize| {
        let rest = json(form).strip_prefix('{').expect("an object");
        let padding = "x".repeat(length - json(form).len() - 9);
        opened(form, &minted(form, &format!(r#"{{"pad":"{padding}",{rest}"#)))
    };
    for form in FORMS {
        assert!(of(form, MAX_BYTES - BLOCK - 1).is_ok(), "{form:?}");
        assert_eq!(of(form, MAX_BYTES - BLOCK), Err(Refusal::BadDecrypt), "{form:?}");
    }
}

#[test]
fn texts_that_no_platform_writes_are_refused_alike() {
    let person = |change: (&str, &str)| (CbcForm::HighLevel, PERSON.replacen(change.0, change.1, 1));
    let store = |text: &str| (CbcForm::Ecwid, text.to_owned());
    for (form, json) in [
        (CbcForm::HighLevel, "hello, this is no JSON, and is longer than a block".to_owned()),
        (CbcForm::HighLevel, format!("{PERSON}{{}}")),
        (CbcForm::HighLevel, STORE.to_owned()),
        person((r#""userId":"MKQJ7wOVVmNOMvrnKKKK","#, "")),
        person((r#""companyId":"GNb7aIv4rQFVb9iwNl5K","#, "")),
        person(("\"MKQJ7wOVVmNOMvrnKKKK\"", "\"short\"")),
        person(("\"MKQJ7wOVVmNOMvrnKKKK\"", "1234567890")),
        person(("\"MKQJ7wOVVmNOMvrnKKKK\"", "null")),
        person(("MKQJ7wOVVmNOMvrnKKKK", "MKQJ7wOVVmNOMvrn-KKK")),
        person(("MKQJ7wOVVmNOMvrnKKKK", &"x".repeat(41))),
        person(("GNb7aIv4rQFVb9iwNl5K", "GNb7aIv4rQFVb9iwNl\u{e9}K")),
        person(("ve9EPM428h8vShlRW1KT", "")),
        person(("ve9EPM428h8vShlRW1KT", "ve9EPM428h 8vShlRW1KT")),
        person(("\"admin\"", "\"Admin!\"")),
        person(("\"admin\"", "[\"admin\"]")),
        person(("\"location\"", "7")),
        person(("John Doe", "John\\u0000Doe")),
        person(("John Doe", "John\\nDoe")),
        person(("John Doe", "John\u{7f}Doe")),
        person(("userName", "user name")),
        person(("\"John Doe\"", "{\"x\":[\"\\u0007\"]}")),
        person(("userName", "userId")),
        store(r#"{"store_id":"1003","access_token":"secret_x"}"#),
        store(r#"{"store_id":0,"access_token":"secret_x"}"#),
        store(r#"{"store_id":-1003,"access_token":"secret_x"}"#),
        store(r#"{"store_id":1003.0,"access_token":"secret_x"}"#),
        store(r#"{"store_id":1e3,"access_token":"secret_x"}"#),
        store(r#"{"store_id":[1003],"access_token":"secret_x"}"#),
        store(r#"{"access_token":"secret_x","lang":"en"}"#),
        store(r#"{"store_id":1003,"store_id":1004,"lang":"en"}"#),
        store(r#"{"store_id":1003,"lang":"e\u001bn","view_mode":""}"#),
    ] {
        assert_ne!(json, self::json(form), "something was changed");
        assert_eq!(opened(form, &minted(form, &json)), Err(Refusal::BadDecrypt), "{json}");
    }
    let not_utf8 = [PERSON.as_bytes(), b"\xff"].concat();
    let token = mint(CbcForm::HighLevel, &not_utf8, &secret(CbcForm::HighLevel)).expect("a token");
    assert_eq!(opened(CbcForm::HighLevel, &token), Err(Refusal::BadDecrypt));
    // Outside of a location there is none; other members come and go.
    let agency = PERSON.replace(r#""activeLocation":"ve9EPM428h8vShlRW1KT","#, r#""activeLocation":null,"plan":7,"#);
    assert!(opened(CbcForm::HighLevel, &minted(CbcForm::HighLevel, &agency)).is_ok());
    assert!(
        opened(CbcForm::HighLevel, &minted(CbcForm::HighLevel, &PERSON.replace("John Doe", "Zoë Ødegård"))).is_ok()
    );
}

#[test]
fn all_that_can_be_made_of_a_token_without_the_key_has_its_name() {
    let mark =
        |token: &str| open(CbcForm::Ecwid, token.as_bytes(), &[secret(CbcForm::Ecwid)]).map(|opened| opened.mark);
    let mut bytes = bytes_of(CbcForm::Ecwid);
    // The fifteenth letter is a digit of the store: without a MAC, nobody can tell.
    bytes[14] ^= b'0' ^ b'9';
    let flipped = written(CbcForm::Ecwid, &bytes);
    assert_eq!(opened(CbcForm::Ecwid, &flipped).map(|claims| claims.id(&["store_id"])), Ok(Some("1093".to_owned())));
    assert_eq!(mark(&flipped), mark(ECWID));
    assert_ne!(mark(&minted(CbcForm::Ecwid, STORE)), mark(ECWID), "another token for the same store");
    // A block in the middle that was garbled: the text is refused, and the name stays.
    let sealed = |bytes: &[u8]| Sealed::read(CbcForm::Ecwid, written(CbcForm::Ecwid, bytes).as_bytes()).mark();
    bytes[2 * BLOCK] ^= 1;
    assert_eq!(Ok(Some(sealed(&bytes))), mark(ECWID));
}

#[test]
fn a_block_that_was_garbled_refuses_a_token() {
    let good = bytes_of(CbcForm::HighLevel);
    for bit in 64..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(opened(CbcForm::HighLevel, &written(CbcForm::HighLevel, &bytes)).is_err(), "bit {bit}");
    }
}

#[test]
fn padding_is_right_only_if_every_byte_of_it_is() {
    let block = |tail: &[u8]| [vec![b'a'; BLOCK * 2 - tail.len()], tail.to_vec()].concat();
    for (tail, expected) in [
        (&[1_u8][..], Some(31)),
        (&[2, 2], Some(30)),
        (&[16; 16], Some(16)),
        (&[0], None),
        (&[17; 17], None),
        (&[3, 2, 3], None),
        (&[255], None),
    ] {
        let (length, sound) = unpadded(&block(tail));
        assert_eq!(sound.then_some(length), expected, "{tail:?}");
    }
}

proptest! {
    /// Nothing that a caller can send is read, unless somebody with the key made it.
    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), blocks in 2_usize..20) {
        for form in FORMS {
            prop_assert!(open(form, &bytes, &[secret(form)]).is_err());
            prop_assert!(opened(form, &written(form, &bytes)).is_err());
            let whole: Vec<u8> = bytes.iter().copied().chain(std::iter::repeat(0)).take(blocks * BLOCK).collect();
            let whole = [&highlevel::MAGIC[..], &[0; 8], &whole].concat();
            prop_assert!(opened(form, &written(form, &whole)).is_err());
        }
    }
}
