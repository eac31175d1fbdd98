//! What the documentation tells people to type works, and what it links to exists.
//!
//! Of each page, the blocks ```` ```toml title=NAME ```` are written into an empty folder, and the lines that begin with `$ ` in
//! its ```` ```console ```` blocks run there, in one shell, in their order. `cargo run --release --` stands for the built binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

mod operate;
mod shown;

/// Commands that are not run here, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("./scripts/test", "it is what runs this test"),
    ("./scripts/soak", "takes minutes"),
    ("git clone", "this is a clone"),
    ("docker ", "needs an engine"),
    ("kubectl ", "needs a cluster"),
    ("systemctl ", "changes the machine"),
];

/// Runs a server until it says that it is ready, then ends it and wants it to end well. Its listeners take free ports, and
/// the host's API is an address of this machine where nobody answers.
const SHELL: &str = r#"
set -euo pipefail
bounded() {
    "$@" >served.log 2>&1 &
    local pid=$! status=0
    for _ in $(seq 300); do
        grep -qE '\b(ready|serving)\b|localhost:4400' served.log && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    grep -qE '\b(ready|serving)\b|localhost:4400' served.log || status=1
    kill -TERM "$pid" 2>/dev/null || status=1
    wait "$pid" || status=1
    [ "$status" -eq 0 ] || cat served.log >&2
    return "$status"
}
serve() {
    export VESTIBULE__SERVER__LISTEN=127.0.0.1:0 VESTIBULE__SERVER__DRAIN_DELAY=0s
    ! grep -q '^\[hosts.assembly\]' vestibule.toml || export VESTIBULE__HOSTS__ASSEMBLY__API_URL=http://127.0.0.1:9
    ! grep -q '^\[admin\]' vestibule.toml || export VESTIBULE__ADMIN__LISTEN=127.0.0.1:0
    bounded "$@"
    unset "${!VESTIBULE__@}"
}
# The command beside a process of the page's configuration, whose admin listener is at a port that is known to both.
beside() {
    local pid status=0
    export VESTIBULE__ADMIN__LISTEN=127.0.0.1:$((10000 + RANDOM % 20000)) VESTIBULE__SERVER__LISTEN=127.0.0.1:0
    export VESTIBULE__SERVER__DRAIN_DELAY=0s VESTIBULE__HOSTS__ASSEMBLY__API_URL=http://127.0.0.1:9
    # What an earlier one wrote there is not this one's word.
    : >beside.log
    vestibule serve -c vestibule.toml >>beside.log 2>&1 &
    pid=$!
    for _ in $(seq 300); do
        grep -q serving beside.log && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    "$@" || { status=$?; cat beside.log >&2; }
    kill -TERM "$pid" && wait "$pid" || status=1
    unset "${!VESTIBULE__@}"
    return "$status"
}
"#;

struct Page {
    name: String,
    text: String,
}

struct Block<'a> {
    info: &'a str,
    body: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<Page> {
    let docs = fs::read_dir(root().join("docs")).expect("docs").map(|entry| entry.expect("an entry").path());
    let markdown = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let fixed = ["README.md", "CHANGELOG.md", "SECURITY.md", "deploy/README.md", "examples/README.md"]
        .map(|name| root().join(name));
    let mut paths: Vec<PathBuf> = markdown.chain(fixed).collect();
    paths.sort();
    paths.into_iter().map(|path| page(&path)).collect()
}

fn page(path: &Path) -> Page {
    let name = path.strip_prefix(root()).expect("below the root").display().to_string();
    Page { name, text: fs::read_to_string(path).expect("readable") }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found: Vec<Block<'_>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(info) => {
                inside = true;
                found.push(Block { info, body: String::new() });
            }
            None if inside => {
                let block = found.last_mut().expect("a block is open");
                block.body.push_str(line);
                block.body.push('\n');
            }
            None => {}
        }
    }
    found
}

/// The commands of a page, with `\` at a line's end joining it to the next.
fn commands(text: &str) -> Vec<String> {
    let console = blocks(text).into_iter().filter(|block| block.info == "console");
    let mut commands = Vec::new();
    for block in console {
        let joined = block.body.replace("\\\n", " ");
        commands.extend(joined.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned));
    }
    commands
}

/// The line of the shell that a command becomes; `None` if it is not run here.
fn as_run(command: &str) -> Result<Option<String>, String> {
    if NOT_RUN.iter().any(|(start, _)| command.starts_with(start)) {
        return Ok(None);
    }
    let command = command.replace("cargo run --release -- ", "vestibule ").replace("cargo run -- ", "vestibule ");
    if command.starts_with("vestibule serve") {
        return Ok(Some(format!("serve {command}")));
    }
    if command.starts_with("vestibule reload") || command.starts_with("vestibule status") {
        return Ok(Some(format!("beside {command}")));
    }
    if command.starts_with("vestibule demo") && !command.contains("--smoke") {
        return Ok(Some(format!("bounded {command}")));
    }
    if command.starts_with("vestibule ") || command.starts_with("export ") {
        return Ok(Some(command));
    }
    Err(format!("`{command}` is neither run here nor listed with a reason"))
}

fn script(page: &Page) -> Result<Option<String>, String> {
    let mut script = String::from(SHELL);
    let mut any = false;
    for command in commands(&page.text) {
        if let Some(line) = as_run(&command)? {
            any = true;
            script.push_str(&["echo '$' ", &quoted(&line), " >&2\n", &line, "\n"].concat());
        }
    }
    Ok(any.then_some(script))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn write_files(page: &Page, folder: &Path) {
    for block in blocks(&page.text) {
        if let Some(name) = block.info.split(' ').find_map(|word| word.strip_prefix("title=")) {
            assert!(!name.contains(['/', '\\']), "{}: {name} is not a plain file name", page.name);
            fs::write(folder.join(name), block.body).expect("the folder can be written");
        }
    }
}

fn shell(script: &str, folder: &Path) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_vestibule"));
    let beside = binary.parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.arg("-c").arg(script).current_dir(folder).env("PATH", format!("{beside}:{path}"));
    command.output().expect("bash is there")
}

fn complain(output: &Output, name: &str) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n--- stdout\n{out}\n--- stderr\n{err}", output.status);
}

#[test]
fn every_command_in_the_documentation_works() {
    let mut run = 0;
    for page in pages() {
        let script = script(&page).unwrap_or_else(|problem| panic!("{}: {problem}", page.name));
        if let Some(script) = script {
            let folder = tempfile::tempdir().expect("a folder");
            write_files(&page, folder.path());
            complain(&shell(&script, folder.path()), &page.name);
            run += 1;
        }
    }
    assert!(run > 0, "no page has a command");
}

#[test]
fn every_configuration_for_a_deployment_is_valid() {
    let secrets = tempfile::tempdir().expect("a folder");
    let key = "0123456789abcdef".repeat(4);
    for name in ["assembly_api_key", "session_key", "admin_token"] {
        let file = secrets.path().join(name);
        fs::write(&file, &key).expect("the folder can be written");
    }
    let prepare = format!(
        "set -eu\nexport ASSEMBLY_API_KEY={key} VESTIBULE_SESSION_KEY={key} VESTIBULE_ADMIN_TOKEN={key}\n\
         vestibule keys generate assertion >assertion.pem\nchmod 600 *\n"
    );
    for kind in ["systemd", "compose/config", "kubernetes"] {
        let text = fs::read_to_string(root().join("deploy").join(kind).join("vestibule.toml")).expect("readable");
        // The secrets are where the service manager puts them; here they are in a folder of this test.
        let folder = secrets.path().display().to_string();
        let text =
            text.replace("/run/credentials/vestibule.service", &folder).replace("/run/secrets/vestibule", &folder);
        fs::write(secrets.path().join("vestibule.toml"), text).expect("the folder can be written");
        complain(&shell(&format!("{prepare}vestibule check -c vestibule.toml\n"), secrets.path()), kind);
    }
    fs::write(secrets.path().join("vestibule.toml"), "[server]\nlisten = 1\n").expect("the folder can be written");
    let refused = shell(&format!("{prepare}vestibule check -c vestibule.toml\n"), secrets.path());
    assert_eq!(refused.status.code(), Some(78), "a bad configuration passes the check");
}

#[test]
fn the_socket_of_the_service_is_where_its_configuration_says() {
    let read = |name: &str| fs::read_to_string(root().join("deploy/systemd").join(name)).expect("readable");
    let (socket, config) = (read("vestibule.socket"), read("vestibule.toml"));
    let listen = socket.lines().find_map(|line| line.strip_prefix("ListenStream=")).expect("an address");
    assert!(config.contains(&format!("[server]\nlisten = \"{listen}\"\n")), "{listen}");
}

/// Links of a page that lead to no file, or to a heading that is not there.
fn dead_links(page: &Page) -> Vec<String> {
    let base = root().join(&page.name);
    let folder = base.parent().expect("a folder");
    let links = page.text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    let local = links.filter(|link| !link.contains("://"));
    let dead = local.filter(|link| {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let path = if file.is_empty() { base.clone() } else { folder.join(file) };
        !path.exists() || !(heading.is_empty() || has_heading(&path, heading))
    });
    dead.map(|link| format!("{}: {link}", page.name)).collect()
}

fn has_heading(path: &Path, anchor: &str) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    // As common renderers make it: without punctuation, "-" for each space.
    let stays = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let slug =
        |line: &str| line.trim_start_matches('#').trim().to_lowercase().chars().filter(stays).collect::<String>();
    headings.map(|line| slug(line).replace(' ', "-")).any(|slug| slug == anchor)
}

#[test]
fn every_link_leads_somewhere() {
    let dead: Vec<String> = pages().iter().flat_map(dead_links).collect();
    assert_eq!(dead, Vec::<String>::new());
    let bad = Page {
        name: "README.md".into(),
        text: "[a](no-such-file.md) [b](docs/errors.md#no-such) [c](docs/errors.md)".into(),
    };
    assert_eq!(dead_links(&bad).len(), 2);
}

#[test]
fn commands_are_found_and_none_is_skipped_in_silence() {
    let text = "```toml title=a.toml\nx = 1\n```\n```console\n$ cargo run --release -- demo\nout\n$ vestibule check \\\n  -c a.toml\n```\n";
    assert_eq!(commands(text), ["cargo run --release -- demo", "vestibule check    -c a.toml"]);
    assert_eq!(as_run("cargo run --release -- demo"), Ok(Some("bounded vestibule demo".into())));
    assert_eq!(as_run("vestibule serve -c a.toml"), Ok(Some("serve vestibule serve -c a.toml".into())));
    assert_eq!(as_run("./scripts/test"), Ok(None));
    assert!(as_run("rm -rf x").is_err());
    let folder = tempfile::tempdir().expect("a folder");
    write_files(&Page { name: "x".into(), text: text.into() }, folder.path());
    assert_eq!(fs::read_to_string(folder.path().join("a.toml")).expect("written"), "x = 1\n");
    assert!(!shell("set -e\nfalse\ntrue\n", folder.path()).status.success());
}

#[test]
fn a_server_that_does_not_come_up_or_ends_badly_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |body: &str| {
        shell(&format!("{SHELL}\nserver() {{ {body}; }}\nbounded server\n"), folder.path()).status.success()
    };
    assert!(run("trap 'exit 0' TERM; echo serving; while :; do sleep 0.05; done"));
    assert!(!run("trap 'exit 3' TERM; echo serving; while :; do sleep 0.05; done"));
    assert!(!run("exit 1"));
}
