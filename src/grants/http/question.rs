//! What is asked: who somebody is, in the words of the host.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::access::{OrganizationId, Principal};

/// The body of a question about a person. What they have not is left out.
pub(super) fn body(who: &Principal) -> Bytes {
    let properties: Map<String, Value> =
        properties(who).into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
    let subject = json!({ "type": "user", "id": who.subject().as_str(), "properties": properties });
    Bytes::from(json!({ "subject": subject }).to_string())
}

/// Whether a subject that an answer repeats is the one that was asked about: every member that it repeats is the same.
pub(super) fn is_about(subject: &Value, who: &Principal) -> bool {
    let own = [("type", Some("user")), ("id", Some(who.subject().as_str()))];
    match subject {
        Value::Null => true,
        Value::Object(members) => {
            repeats(members, &own)
                && match members.get("properties") {
                    None | Some(Value::Null) => true,
                    Some(Value::Object(members)) => repeats(members, &properties(who)),
                    Some(_) => false,
                }
        }
        _ => false,
    }
}

fn properties(who: &Principal) -> [(&'static str, Option<&str>); 4] {
    [
        ("host", Some(who.host().as_str())),
        ("tenant", Some(who.tenant().as_str())),
        ("kind", Some(who.kind().as_str())),
        ("organization", who.organization().map(OrganizationId::as_str)),
    ]
}

fn repeats(members: &Map<String, Value>, own: &[(&str, Option<&str>)]) -> bool {
    own.iter().all(|(name, own)| match members.get(*name) {
        None | Some(Value::Null) => true,
        Some(repeated) => repeated.as_str() == *own && own.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{HostName, Kind, SubjectId, TenantId};

    fn ann(organization: Option<&str>) -> Principal {
        let (tenant, subject) = (TenantId::new("t").expect("id"), SubjectId::new("ann").expect("id"));
        let organization = organization.map(|id| OrganizationId::new(id).expect("id"));
        Principal::proven(HostName::new("assembly").expect("a name"), tenant, subject, Kind::Client)
            .in_organization(organization)
    }

    #[test]
    fn a_question_names_the_person_completely_and_leaves_out_what_they_have_not() {
        let read = |who: &Principal| serde_json::from_slice::<Value>(&body(who)).expect("JSON");
        let properties = json!({ "host": "assembly", "tenant": "t", "kind": "client", "organization": "acme" });
        let subject = json!({ "type": "user", "id": "ann", "properties": properties });
        assert_eq!(read(&ann(Some("acme"))), json!({ "subject": subject }));
        let properties = json!({ "host": "assembly", "tenant": "t", "kind": "client" });
        let subject = json!({ "type": "user", "id": "ann", "properties": properties });
        assert_eq!(read(&ann(None).previewed_by(SubjectId::new("sam").ok())), json!({ "subject": subject }));
    }

    #[test]
    fn a_repeated_subject_is_the_same_in_all_that_it_repeats() {
        let who = ann(Some("acme"));
        for same in [
            json!(null),
            json!({}),
            json!({ "id": "ann", "label": "Ann" }),
            json!({ "type": "user", "id": "ann", "properties": { "host": "assembly", "tenant": "t", "plan": "gold" } }),
            json!({ "properties": { "kind": "client", "organization": "acme" } }),
        ] {
            assert!(is_about(&same, &who), "{same}");
        }
        for other in [
            json!("ann"),
            json!([]),
            json!({ "id": "bob" }),
            json!({ "id": "Ann" }),
            json!({ "id": 1 }),
            json!({ "type": "service" }),
            json!({ "id": "ann", "properties": { "tenant": "other" } }),
            json!({ "id": "ann", "properties": { "host": "other" } }),
            json!({ "properties": { "kind": "internal" } }),
            json!({ "properties": { "organization": "other" } }),
            json!({ "properties": "t" }),
        ] {
            assert!(!is_about(&other, &who), "{other}");
        }
        assert!(!is_about(&json!({ "properties": { "organization": "acme" } }), &ann(None)), "nobody asked about acme");
    }
}
