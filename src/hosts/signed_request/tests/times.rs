use super::*;

/// Platforms that sign a time, and for how long it counts.
const AGES: [(&str, u64); 6] = [
    ("hubspot-v3", 300),
    ("contentful", 30),
    ("stripe-apps", 300),
    ("slack", 300),
    ("webflow-webhook", 300),
    ("discord-interaction", 300),
];

#[test]
fn a_signed_time_counts_for_so_long_and_not_a_moment_longer() {
    for (platform, age) in AGES {
        let mut call = plain(platform);
        let token = signed(platform, &mut call);
        let after = |millis: u64| judge_at(platform, &token, &call, NOW + Duration::from_millis(millis));
        assert!(after(age * 1000).is_ok(), "{platform}");
        assert_eq!(after(age * 1000 + 1), Err(Refusal::Expired), "{platform}");
    }
}

#[test]
fn a_signed_time_in_the_future_is_refused() {
    for (platform, _) in AGES {
        let mut call = plain(platform);
        let token = signed_at(platform, &mut call, NOW + Duration::from_hours(1));
        assert_eq!(judge(platform, &token, &call), Err(Refusal::NotYetValid), "{platform}");
        let mut call = plain(platform);
        let token = signed_at(platform, &mut call, NOW + Duration::from_mins(1));
        assert!(judge(platform, &token, &call).is_ok(), "{platform}: clocks differ by a minute at most");
    }
}

#[test]
fn a_time_that_is_not_the_signed_one_or_is_no_number_is_refused() {
    for (platform, name) in [
        ("hubspot-v3", "x-hubspot-request-timestamp"),
        ("contentful", "x-contentful-timestamp"),
        ("slack", "x-slack-request-timestamp"),
        ("webflow-webhook", "x-webflow-timestamp"),
        ("discord-interaction", "x-signature-timestamp"),
        ("discord-activity-proxy", "x-signature-timestamp"),
    ] {
        let mut call = plain(platform);
        let token = signed(platform, &mut call);
        let written = call.headers[name].to_str().expect("ASCII").to_owned();
        for other in
            [format!("{written}1"), format!("0{written}"), format!("{written}.0"), "x".to_owned(), String::new()]
        {
            assert!(judge(platform, &token, &with(&call, name, &other)).is_err(), "{platform} {other}");
        }
    }
}

#[test]
fn seconds_are_no_milliseconds() {
    // Signed with the secret, but in the other unit: long past, or far ahead.
    let secret = Secret::from(SECRET);
    let mac = |message: &str| faster_hex::hex_string(crate::hosts::material::mac(&secret, message.as_bytes()).as_ref());
    let slack = with(&plain("slack"), "x-slack-request-timestamp", "1790000000000");
    let token = format!("v0={}", mac("v0:1790000000000:payload=%7B%7D"));
    assert!(judge("slack", &token, &slack).is_err());
    let webflow = with(&plain("webflow-webhook"), "x-webflow-timestamp", "1790000000");
    assert_eq!(judge("webflow-webhook", &mac("1790000000:payload=%7B%7D"), &webflow), Err(Refusal::Expired));
}

#[test]
fn a_payload_of_discords_proxy_ends_when_it_says_so() {
    let mut call = plain("discord-activity-proxy");
    let token = signed("discord-activity-proxy", &mut call);
    let at = |secs| judge_at("discord-activity-proxy", &token, &call, Timestamp::from_secs(secs));
    assert!(at(1_790_000_059).is_ok());
    assert_eq!(at(1_790_000_060), Err(Refusal::Expired));
    assert!(at(1_789_999_940).is_ok(), "clocks differ by a minute at most");
    assert_eq!(at(1_789_999_939), Err(Refusal::NotYetValid));
    for body in [
        r#"{"application_id":"1","user_id":"2","created_at":1790000000}"#,
        r#"{"application_id":"1","user_id":"2","created_at":1790000000,"expires_at":null}"#,
        r#"{"application_id":"1","user_id":"2","created_at":1790000000,"expires_at":"1790000060"}"#,
        r#"{"application_id":"1","user_id":"2","created_at":1790000000,"expires_at":1790000060,"expires_at":1799999999}"#,
        r#"{"application_id":"1","user_id":"2","expires_at":1790000060}"#,
        r#"{"application_id":"1","user_id":"2","created_at":1790000000.0,"expires_at":1790000060}"#,
        r#"{"application_id":"1","user_id":"2","created_at":1789999999,"expires_at":1790000060}"#,
    ] {
        let mut call = Call { body: body.into(), ..plain("discord-activity-proxy") };
        let token = signed("discord-activity-proxy", &mut call);
        assert!(judge("discord-activity-proxy", &token, &call).is_err(), "{body}");
    }
}
