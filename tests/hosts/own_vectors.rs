//! Tokens of our own making that somebody would try: misread, replayed, relabelled, or just unlike those of the samples. They
//! are in the form of the other vectors, one a line.

use vestibule::hosts::vectors::{Expect, Vector};

/// So that no line is lost in silence.
const LINES: usize = 691;
const ACCEPTED: usize = 153;

#[tokio::test]
async fn every_line_of_our_own_is_decided_as_it_says() {
    let (mut lines, mut accepted) = (0, 0);
    for line in include_str!("../data/own-vectors.jsonl").lines() {
        let vector: Vector = serde_json::from_str(line).expect("a vector");
        let decided = vector.judge().await;
        assert_eq!(decided.is_ok(), vector.expect == Expect::Accept, "{}: {decided:?}", vector.id);
        for (name, wanted) in &vector.expected_identity {
            let principal = decided.as_ref().expect(&vector.id);
            let found = match name.as_str() {
                "tenant" => principal.tenant().as_str(),
                "user" => principal.subject().as_str(),
                other => panic!("{}: no line says `{other}`", vector.id),
            };
            assert_eq!(wanted, found, "{}", vector.id);
        }
        lines += 1;
        accepted += usize::from(decided.is_ok());
    }
    assert_eq!((lines, accepted), (LINES, ACCEPTED));
}
