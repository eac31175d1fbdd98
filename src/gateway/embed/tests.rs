use super::*;
use crate::hosts::platforms;

#[test]
fn the_script_stays_below_four_kilobytes_for_every_platform() {
    let mut seen = 0;
    for row in platforms::all() {
        let Some(bridge) = &row.bridge else { continue };
        let script = script(&[entry(row.origins, bridge)]);
        assert!(script.len() < 4096, "{}: {} bytes", row.name, script.len());
        seen += 1;
    }
    assert!(seen >= 10, "{seen} platforms have a bridge");
}

#[test]
fn the_script_begins_with_the_hosts_and_names_no_other() {
    let bridge = Bridge { sdk: None, app_meta: None, script: "{get:0}" };
    let script = script(&[entry(&["https://a.example"], &bridge)]);
    assert!(script.starts_with("(()=>{const e=[{origins:[\"https://a.example\"],bridge:{get:0}}]"), "{script}");
    assert!(!script.contains("HOSTS"));
}

#[test]
fn an_entity_tag_is_found_in_a_list_and_nothing_like_it_is() {
    let etag = HeaderValue::from_static("\"abc\"");
    let named = |list| names(&HeaderValue::from_static(list), &etag);
    assert!(named("\"abc\"") && named("W/\"abc\"") && named("\"x\", \"abc\"") && named("*"));
    assert!(!named("\"abcd\"") && !named("abc") && !named(""));
}
