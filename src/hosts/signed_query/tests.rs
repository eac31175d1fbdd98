use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use std::sync::Arc;

use super::super::keys::PublicKey;
use super::super::material::{KeyMaterial, mac, macs};
use super::super::{platforms, query};
use super::*;
use crate::access::HostName;
use crate::secret::Secret;

mod proxy;

const BOT: &str = "1234567890:AAthrowawayBotToken";
const FORMS: [QueryForm; 4] = [QueryForm::TelegramMac, QueryForm::Vk, QueryForm::Shopify, QueryForm::ShopifyProxy];

fn secret() -> Secret {
    Secret::from(BOT)
}

fn settings() -> HostedSettings {
    let row = platforms::find("telegram-ed25519").expect("a row");
    let mut settings = HostedSettings::of(HostName::new("h").expect("a name"), row, KeyMaterial::Pinned(Vec::new()));
    settings.audience = Some("1234567890".to_owned());
    settings
}

fn keys(form: QueryForm) -> Keys {
    match form {
        QueryForm::TelegramMac => Keys::Secrets(bot_keys(&[Secret::from("1:old"), secret()])),
        QueryForm::TelegramSignature => {
            let hex = faster_hex::hex_string(pair().public_key().as_ref());
            Keys::Pinned(vec![Arc::new(PublicKey::ed25519_from_hex(&hex).expect("a key"))])
        }
        _ => Keys::Secrets(macs(&[Secret::from("old"), secret()])),
    }
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a key")
}

fn read(form: QueryForm, query: &str) -> Result<Claims, Refusal> {
    open(form, query.as_bytes(), &settings(), &keys(form))
}

fn minted(form: QueryForm, pairs: &[(&str, &str)]) -> String {
    match form {
        QueryForm::TelegramSignature => mint::with_key(&pair(), "1234567890", pairs),
        form => mint::with_secret(form, &secret(), pairs).expect("a form with a secret"),
    }
}

/// What each platform sends, with a text that is encoded.
fn usual(form: QueryForm) -> Vec<(&'static str, &'static str)> {
    match form {
        QueryForm::TelegramMac | QueryForm::TelegramSignature => vec![
            ("user", r#"{"id":279058397,"first_name":"Ada + - ? \\/ ż"}"#),
            ("chat_type", "private"),
            ("start_param", ""),
            ("auth_date", "1790000000"),
        ],
        QueryForm::Vk => vec![
            ("vk_user_id", "494075"),
            ("vk_app_id", "6736218"),
            ("vk_access_token_settings", ""),
            ("vk_ref", "a b,ż~*"),
            ("vk_ts", "1790000000"),
        ],
        QueryForm::Shopify => {
            vec![("embedded", "1"), ("host", "YWRtaW4=="), ("shop", "demo.myshopify.com"), ("timestamp", "1790000000")]
        }
        QueryForm::ShopifyProxy => vec![
            ("extra", "1"),
            ("extra", "2 ż/"),
            ("shop", "demo.myshopify.com"),
            ("logged_in_customer_id", "7"),
            ("path_prefix", "/apps/x"),
            ("timestamp", "1790000000"),
        ],
    }
}

/// Appends the form's signature over a text that is put together by hand.
fn by_hand(form: QueryForm, query: &str, key: &Secret, signed: &str) -> String {
    let name = if form == QueryForm::TelegramMac { "hash" } else { "signature" };
    format!("{query}&{name}={}", faster_hex::hex_string(mac(key, signed.as_bytes()).as_ref()))
}

#[test]
fn what_was_minted_opens_in_any_order_and_says_what_it_says() {
    let all = [&FORMS[..], &[QueryForm::TelegramSignature]].concat();
    for form in all {
        let query = minted(form, &usual(form));
        let claims = read(form, &query).unwrap_or_else(|refusal| panic!("{form:?} {query}: {refusal}"));
        let mut parts: Vec<&str> = query.split('&').collect();
        // The values of one name stay in their order.
        parts.rotate_left(3);
        let turned = parts.join("&");
        assert_eq!(read(form, &turned).as_ref(), Ok(&claims), "{form:?} {turned}");
        let (path, value) = match form {
            QueryForm::TelegramMac | QueryForm::TelegramSignature => (&["user", "first_name"][..], r"Ada + - ? \/ ż"),
            QueryForm::Vk => (&["vk_ref"][..], "a b,ż~*"),
            QueryForm::Shopify => (&["host"][..], "YWRtaW4=="),
            QueryForm::ShopifyProxy => (&["logged_in_customer_id"][..], "7"),
        };
        assert_eq!(claims.text(path), Some(value), "{form:?}");
    }
}

#[test]
fn one_changed_added_or_missing_pair_is_refused() {
    for form in FORMS {
        let pairs = usual(form);
        let query = minted(form, &pairs);
        let cut = query.split_once('&').map(|(_, rest)| rest).expect("pairs");
        let name = if form == QueryForm::Vk { "vk_x" } else { "x" };
        for other in [cut.to_owned(), format!("{query}&{name}=1"), query.replace("17900", "17901"), String::new()] {
            assert!(read(form, &other).is_err(), "{form:?} {other}");
        }
        let (unsigned, _) = query.rsplit_once('&').expect("a signature");
        assert_eq!(read(form, unsigned), Err(Refusal::Malformed), "{form:?}: without a signature");
        let other = Secret::from("1234567890:another");
        let forged = mint::with_secret(form, &other, &pairs).expect("a form with a secret");
        assert_eq!(read(form, &forged), Err(Refusal::BadSignature), "{form:?}: another secret");
        let upper = format!("{unsigned}&{}", query[unsigned.len() + 1..].to_uppercase());
        assert!(read(form, &upper).is_err(), "{form:?}: another spelling");
    }
}

#[test]
fn what_stands_twice_or_is_badly_encoded_is_refused() {
    for form in FORMS {
        let query = minted(form, &usual(form));
        let again = match form {
            QueryForm::TelegramMac | QueryForm::TelegramSignature => "&auth_date=1790000000",
            QueryForm::Vk => "&vk_user_id=494075",
            QueryForm::Shopify | QueryForm::ShopifyProxy => "&shop=demo.myshopify.com",
        };
        for more in [again, "&a=1&a=2", "&b=%", "&b=%ff"] {
            assert!(read(form, &format!("{query}{more}")).is_err(), "{form:?} {more}");
            assert!(read(form, &format!("{}&{query}", &more[1..])).is_err(), "{form:?} {more} first");
        }
        let signature = query.rsplit('&').next().expect("a signature");
        assert!(read(form, &format!("{query}&{signature}")).is_err(), "{form:?}: two signatures");
    }
    let long = format!("a={}", "x".repeat(MAX_BYTES));
    assert_eq!(read(QueryForm::Vk, &minted(QueryForm::Vk, &[("vk_ref", &long)])), Err(Refusal::Malformed));
}

#[test]
fn telegram_signs_with_the_key_of_mini_apps_and_no_other() {
    let (query, signed) = ("user=%7B%22id%22%3A1%7D&auth_date=1790000000", "auth_date=1790000000\nuser={\"id\":1}");
    let key = |bytes: &[u8]| Secret::new(bytes.to_vec());
    let token = BOT.as_bytes();
    let right = key(mac(&key(b"WebAppData"), token).as_ref());
    let with = |secret: &Secret| read(QueryForm::TelegramMac, &by_hand(QueryForm::TelegramMac, query, secret, signed));
    assert!(with(&right).is_ok());
    let turned = key(mac(&key(token), b"WebAppData").as_ref());
    let login_widget = key(&crate::hosts::sha256(token));
    for wrong in [turned, login_widget, key(token), key(b"WebAppData")] {
        assert_eq!(with(&wrong), Err(Refusal::BadSignature));
    }
}

#[test]
fn telegrams_signature_is_covered_by_the_mac_and_not_by_itself() {
    let pairs = [&usual(QueryForm::TelegramMac)[..], &[("signature", "c2ln")]].concat();
    let query = minted(QueryForm::TelegramMac, &pairs);
    assert!(read(QueryForm::TelegramMac, &query).is_ok());
    assert!(read(QueryForm::TelegramMac, &query.replace("&signature=c2ln", "")).is_err());
    assert!(read(QueryForm::TelegramMac, &query.replace("c2ln", "c2lm")).is_err());
    let signed = minted(QueryForm::TelegramSignature, &usual(QueryForm::TelegramSignature));
    // Telegram sends `hash` along, which only the bot's owner can check: here it has a form, and is no claim.
    let sent = format!("&hash={}", "0".repeat(64));
    let with = |hash: &str| read(QueryForm::TelegramSignature, &signed.replace(&sent, hash));
    let claims = with(&format!("&hash={}", "ab".repeat(32))).expect("a genuine query");
    assert!(!claims.has("hash") && !claims.has("signature") && with("").is_ok());
    assert!(with("&hash=00").is_err() && with(&format!("{sent}0")).is_err());
}

#[test]
fn telegrams_lines_are_sorted_as_wholes_and_blank_values_stay() {
    // `=` sorts before `_` and behind `1`.
    let query = "user_x=&user=%7B%7D&user1=";
    let key = Secret::new(mac(&Secret::from("WebAppData"), BOT.as_bytes()).as_ref().to_vec());
    let whole = by_hand(QueryForm::TelegramMac, query, &key, "user1=\nuser={}\nuser_x=");
    let claims = read(QueryForm::TelegramMac, &whole).expect("a genuine query");
    assert_eq!(claims.text(&["user_x"]), Some(""));
    let by_names = by_hand(QueryForm::TelegramMac, query, &key, "user={}\nuser1=\nuser_x=");
    let without_blanks = by_hand(QueryForm::TelegramMac, query, &key, "user={}");
    assert!(read(QueryForm::TelegramMac, &by_names).is_err() && read(QueryForm::TelegramMac, &without_blanks).is_err());
}

#[test]
fn telegrams_lines_have_one_reading() {
    let query = minted(QueryForm::TelegramMac, &[("a", "1"), ("b", "2"), ("user", "{}")]);
    let hash = query.rsplit('&').next().expect("a hash");
    assert!(read(QueryForm::TelegramMac, &query).is_ok());
    for same_lines in ["a=1%0Ab%3D2&user=%7B%7D", "a=1&b%3D2=%0Auser%3D%7B%7D", "a%3D1%0Ab=2&user=%7B%7D"] {
        assert!(read(QueryForm::TelegramMac, &format!("{same_lines}&{hash}")).is_err(), "{same_lines}");
    }
    for user in ["[]", "x", "{\"id\":1,\"id\":2}", "{\"id\":1}{}", ""] {
        let query = minted(QueryForm::TelegramMac, &[("user", user)]);
        assert_eq!(read(QueryForm::TelegramMac, &query), Err(Refusal::Malformed), "{user}");
    }
}

#[test]
fn telegrams_signature_is_for_one_bot_and_of_telegrams_key() {
    let form = QueryForm::TelegramSignature;
    let pairs = usual(form);
    let (mine, other) = (mint::with_key(&pair(), "1234567890", &pairs), mint::with_key(&pair(), "99", &pairs));
    assert!(read(form, &mine).is_ok());
    assert_eq!(read(form, &other), Err(Refusal::BadSignature));
    let key = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).expect("32 bytes are a key");
    assert_eq!(read(form, &mint::with_key(&key, "1234567890", &pairs)), Err(Refusal::BadSignature));
    assert!(read(form, &format!("{mine}==")).is_err() && read(form, &format!("{mine}A")).is_err());
    let nobodys = HostedSettings { audience: None, ..settings() };
    assert_eq!(open(form, mine.as_bytes(), &nobodys, &keys(form)), Err(Refusal::WrongAudience));
    let secrets = keys(QueryForm::TelegramMac);
    assert_eq!(open(form, mine.as_bytes(), &settings(), &secrets), Err(Refusal::AlgorithmNotAllowed));
}

#[test]
fn what_vk_does_not_sign_is_no_claim() {
    let pairs = [&usual(QueryForm::Vk)[..], &[("user_id", "1"), ("VK_user_id", "2"), ("vk", "3")]].concat();
    let claims = read(QueryForm::Vk, &minted(QueryForm::Vk, &pairs)).expect("a genuine query");
    assert!(["user_id", "VK_user_id", "vk", "sign"].iter().all(|name| !claims.has(name)));
    assert_eq!(claims.text(&["vk_user_id"]), Some("494075"));
}

#[test]
fn vks_sign_keys_must_list_all_that_begins_with_vk() {
    let pairs = usual(QueryForm::Vk);
    let query = minted(QueryForm::Vk, &pairs);
    let all: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    let all = all.join(",");
    assert!(read(QueryForm::Vk, &format!("{query}&sign_keys={all}")).is_ok());
    for listed in ["vk_app_id", "vk_user_id,vk_app_id,vk_ts", "", &format!("{all},vk_x"), &format!("{all},vk_ts"), "*"]
    {
        assert!(read(QueryForm::Vk, &format!("{query}&sign_keys={listed}")).is_err(), "{listed}");
    }
    // Signed is what is listed, as newer documentation has it: somebody else could then add the rest.
    let (launch, signed) = ("vk_app_id=1&vk_user_id=2", |text: &str| mac(&secret(), text.as_bytes()));
    let sign = |tag: ring::hmac::Tag| ::base64::Engine::encode(&::base64::prelude::BASE64_URL_SAFE_NO_PAD, tag);
    let subset = format!("{launch}&sign_keys=vk_app_id&sign={}", sign(signed("vk_app_id=1")));
    assert_eq!(read(QueryForm::Vk, &subset), Err(Refusal::Malformed));
    let listed = |order: &str| format!("{launch}&sign_keys={order}&sign={}", sign(signed("vk_user_id=2&vk_app_id=1")));
    assert!(read(QueryForm::Vk, &listed("vk_user_id,vk_app_id")).is_ok(), "in the order of the list");
    assert_eq!(read(QueryForm::Vk, &listed("vk_app_id,vk_user_id")), Err(Refusal::BadSignature));
}

proptest! {
    #[test]
    fn nothing_but_what_was_minted_opens(noise in any::<String>(), at in any::<prop::sample::Index>(), bit in 0..7_u8) {
        for form in FORMS {
            prop_assert!(read(form, &noise).is_err());
            let query = minted(form, &usual(form));
            let genuine = read(form, &query);
            let mut bytes = query.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            // `&` for `&` and the like decode to the same; whatever opens says the same.
            let changed = open(form, &bytes, &settings(), &keys(form));
            prop_assert!(changed.is_err() || changed == genuine, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
}
