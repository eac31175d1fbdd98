use serde_json::{Value, json};

use super::*;
use crate::hosts::platforms;

const NOW: u64 = 1_790_000_000;
const SECRET: &str = "a-client-secret-of-this-test";

fn host(platform: &str) -> Hosted {
    let platform = platforms::find(platform).expect("a platform");
    let name = HostName::new("h").expect("a name");
    let settings = HostedSettings::of(name, platform, KeyMaterial::Secrets(vec![Secret::from(SECRET)]));
    let settings = HostedSettings { audience: Some("app".to_owned()), ..settings };
    Hosted::new(settings, Clock::manual(Timestamp::from_secs(NOW))).expect("a host")
}

async fn judge(host: &Hosted, claims: Value) -> Result<Proof, Refusal> {
    let token = jwt::mint::with_secret(&Secret::from(SECRET), None, claims.to_string().as_bytes());
    host.judge(&Secret::from(token.as_str()), &Presented::default()).await
}

#[tokio::test]
async fn what_is_spent_in_one_workspace_is_new_in_another() {
    let host = host("bigcommerce");
    let token = |store: &str, user: u64| {
        let sub = format!("stores/{store}");
        json!({ "aud": "app", "iss": "bc", "exp": NOW + 60, "jti": "j", "sub": sub, "user": { "id": user } })
    };
    assert!(judge(&host, token("one", 1)).await.is_ok());
    assert!(judge(&host, token("two", 1)).await.is_ok());
    assert_eq!(judge(&host, token("one", 1)).await.err(), Some(Refusal::Replay));
    assert_eq!(judge(&host, token("one", 2)).await.err(), Some(Refusal::Replay), "another text of the same name");
}

#[test]
fn a_full_memory_keeps_the_newest_token_and_none_is_forgotten_with_time() {
    let host = host("bigcommerce");
    assert_eq!([host.spent.policy().time_to_live(), host.seen.policy().time_to_live()], [None; 2]);
    let memory = newest(8);
    for round in 0..20 {
        for old in 0..8_u8 {
            let known = memory.entry([old; 32]).or_insert(());
            assert!(known.is_fresh() == (round == 0), "{old}");
        }
    }
    for new in 100..120_u8 {
        memory.entry([new; 32]).or_insert(());
        memory.run_pending_tasks();
        assert!(!memory.entry([new; 32]).or_insert(()).is_fresh(), "{new}");
    }
}

#[tokio::test]
async fn a_name_that_is_none_costs_the_name_and_not_the_person() {
    let host = host("monday");
    let token = |kind: Value| json!({ "exp": NOW + 60, "dat": { "client_id": "app", "account_id": 7, "user_id": 8, "user_kind": kind } });
    let role = |proof: Result<Proof, Refusal>| proof.map(|proof| proof.confirmed.standing.host_role.clone());
    assert_eq!(role(judge(&host, token(json!("admin"))).await), Ok(Some("admin".to_owned())));
    for odd in [json!(["admin"]), json!({ "admin": true }), json!(1.5), json!(true), json!(""), Value::Null] {
        assert_eq!(role(judge(&host, token(odd.clone())).await), Ok(None), "{odd}");
    }
}

#[test]
fn what_is_presented_shows_no_token_to_a_log() {
    let headers =
        http::HeaderMap::from_iter([(http::header::AUTHORIZATION, http::HeaderValue::from_static("JWT t0ken"))]);
    let url = "https://app.example.com/?jwt=t0ken".to_owned();
    let call = Call { method: http::Method::POST, url, headers, body: "t0ken".into() };
    let presented = Presented { call: Some(Arc::new(call)), ..Presented::default() };
    let shown = format!("{presented:?}");
    assert!(shown.contains("Call(POST)") && !shown.contains("t0ken"), "{shown}");
}
