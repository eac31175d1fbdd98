//! `vestibule hosts list`

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::words;
use crate::cli::OutputFormat;
use crate::hosts::{Platform, platforms};

/// Columns of the text that goes on below itself.
const WIDTH: usize = 96;

/// Prints all platforms, a line each, or all that there is to say of one.
pub(super) fn run(platform: Option<&str>, format: OutputFormat) -> anyhow::Result<ExitCode> {
    let all: Vec<&Platform> = match platform {
        Some(name) => {
            vec![platforms::find(name).with_context(|| format!("`{name}` is no platform; leave it out for a list"))?]
        }
        None => platforms::all().collect(),
    };
    let text = match (format, platform) {
        (OutputFormat::Json, _) => all.iter().map(|platform| facts(platform).to_string() + "\n").collect(),
        (OutputFormat::Text, None) => table(&all),
        (OutputFormat::Text, Some(_)) => all.iter().map(|platform| whole(platform)).collect::<String>(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn table(platforms: &[&Platform]) -> String {
    let mut text = format!("{:<26} {:<25} {:<12} {}\n", "PLATFORM", "SCHEME", "SERVES", "NEEDS");
    for platform in platforms {
        let (scheme, needs) = (words::scheme(platform), words::needs(platform).join(", "));
        let _ = writeln!(text, "{:<26} {scheme:<25} {:<12} {needs}", platform.name, words::serves(platform));
    }
    text.push_str("\n`vestibule hosts list PLATFORM` says all of one, docs/hosts.md has an example of each.\n");
    text
}

fn whole(platform: &Platform) -> String {
    let mut text = format!("{}: {}\n\n", platform.name, platform.title);
    let mut line = |name: &str, said: &str| {
        for (index, part) in folded(said).iter().enumerate() {
            let _ = writeln!(text, "{:<13} {part}", if index == 0 { name } else { "" });
        }
    };
    let about = &platform.about;
    line("token", &words::carriers(platform));
    line("scheme", &words::scheme(platform));
    line("needs", &words::needs(platform).join(", "));
    line("find", about.find);
    line("for this app", &words::app(platform));
    line("workspace", &words::field(platform.tenant));
    line("person", &words::field(platform.user));
    line("counts", &words::life(platform));
    line("serves", words::serves(platform));
    match platform.origins {
        [] if words::lacks_origins(platform) => line("pages", "none by default: write `origins`"),
        origins => line("pages", &origins.join(", ")),
    }
    about.notes.iter().for_each(|note| line("note", note));
    about.unverified.iter().for_each(|mark| line("not verified", mark));
    about.package.iter().for_each(|package| line("its package", package));
    text
}

/// Lines of words, none longer than the page.
fn folded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() + 15 < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn facts(platform: &Platform) -> Value {
    json!({
        "platform": platform.name,
        "title": platform.title,
        "token": platform.carriers.iter().map(words::carrier).collect::<Vec<_>>(),
        "scheme": words::scheme(platform),
        "needs": words::needs(platform),
        "for_this_app": words::app(platform),
        "workspace": words::field(platform.tenant),
        "person": words::field(platform.user),
        "counts": words::life(platform),
        "opens_session": platform.opens_session,
        "origins": platform.origins,
        "find": platform.about.find,
        "notes": platform.about.notes,
        "not_verified": platform.about.unverified,
        "package": platform.about.package,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_one_platform_is_longer_than_a_hundred_columns() {
        for platform in platforms::all() {
            for line in whole(platform).lines() {
                assert!(line.chars().count() <= 100, "{line}");
            }
        }
    }

    #[test]
    fn the_list_has_a_line_for_each_platform_that_fits_a_screen() {
        let all: Vec<_> = platforms::all().collect();
        let text = table(&all);
        assert_eq!(text.lines().count(), all.len() + 3);
        for line in text.lines() {
            assert!(line.chars().count() <= 150, "{line}");
        }
    }
}
