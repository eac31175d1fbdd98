//! `vestibule hosts verify FILE`

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::access::{OrganizationId, Principal, SubjectId};
use crate::cli::OutputFormat;
use crate::hosts::Refusal;
use crate::hosts::vectors::{Expect, Vector};

/// What was decided about a line.
struct Verdict {
    vector: Vector,
    decided: Result<Principal, Refusal>,
}

/// Judges every line, says where it decides otherwise than the line expects, and counts.
pub(super) fn run(file: &Path, format: OutputFormat) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut passed, mut failed) = (0, 0);
    let mut out = std::io::stdout().lock();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}:{}", file.display(), index + 1);
        let vector: Vector = serde_json::from_str(line).with_context(|| format!("{} is no vector", place()))?;
        let decided = runtime.block_on(vector.judge());
        let verdict = Verdict { vector, decided };
        let disagreement = verdict.disagreement();
        if format == OutputFormat::Json {
            writeln!(out, "{}", verdict.to_json())?;
        } else if let Some(disagreement) = &disagreement {
            writeln!(out, "{}: {}: {disagreement}", place(), verdict.vector.id)?;
        }
        *if disagreement.is_none() { &mut passed } else { &mut failed } += 1;
    }
    // With JSON, the last line must not be taken for one of them.
    match format {
        OutputFormat::Text => writeln!(out, "{passed} passed, {failed} failed")?,
        OutputFormat::Json => writeln!(std::io::stderr(), "{passed} passed, {failed} failed")?,
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Verdict {
    fn disagreement(&self) -> Option<String> {
        match (self.vector.expect, &self.decided) {
            (Expect::Refuse, Err(_)) => None,
            (Expect::Refuse, Ok(principal)) => Some(format!("should be refused, and is {}", identity(principal))),
            (Expect::Accept, Err(refusal)) => Some(format!("should be accepted, and is refused: {refusal}")),
            (Expect::Accept, Ok(principal)) => {
                let found = identity(principal);
                let differs = |name: &&&str| {
                    self.vector.expected_identity.get(**name).is_some_and(|wanted| *wanted != found[**name])
                };
                let name = ["tenant", "user", "kind", "organization", "actor"].iter().find(differs)?;
                Some(format!("{name} should be {}, and is {}", self.vector.expected_identity[*name], found[*name]))
            }
        }
    }

    fn to_json(&self) -> Value {
        let (decision, reason) = match &self.decided {
            Ok(_) => ("accept", Value::Null),
            Err(refusal) => ("refuse", refusal.to_string().into()),
        };
        let principal = self.decided.as_ref().map_or(Value::Null, identity);
        json!({ "id": self.vector.id, "decision": decision, "reason": reason, "principal": principal })
    }
}

fn identity(principal: &Principal) -> Value {
    json!({
        "tenant": principal.tenant().as_str(),
        "user": principal.subject().as_str(),
        "kind": principal.kind().as_str(),
        "organization": principal.organization().map(OrganizationId::as_str),
        "actor": principal.actor().map(SubjectId::as_str),
    })
}
