//! Starts the proxies with the files of `deploy/`. What is not as it is there: addresses, folders, and the certificate.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::NAME;
use crate::support::{Peer, python_tool, root, tool};

/// Where a proxy listens, what is behind it, and where its files are; `tls.crt` and `tls.key` are there already.
pub(super) struct Place<'a> {
    pub(super) listen: SocketAddr,
    pub(super) gateway: SocketAddr,
    pub(super) folder: &'a Path,
}

/// A proxy, and what has to be replaced in its files before it can run here.
pub(super) struct Proxy {
    pub(super) name: &'static str,
    files: &'static [&'static str],
    changes: fn(&Place) -> Vec<(&'static str, String)>,
    command: fn(&Path) -> Command,
}

pub(super) const PROXIES: [&Proxy; 3] = [NGINX, CADDY, TRAEFIK];

pub(super) const NGINX: &Proxy =
    &Proxy { name: "nginx", files: &["vestibule.conf"], changes: for_nginx, command: nginx };
pub(super) const CADDY: &Proxy = &Proxy { name: "caddy", files: &["Caddyfile"], changes: for_caddy, command: caddy };
pub(super) const TRAEFIK: &Proxy =
    &Proxy { name: "traefik", files: &["traefik.toml", "dynamic.toml"], changes: for_traefik, command: traefik };

impl Proxy {
    /// The names and texts of its files.
    pub(super) fn texts(&self) -> Vec<(&'static str, String)> {
        let folder = root().join("deploy").join(self.name);
        self.files.iter().map(|file| (*file, fs::read_to_string(folder.join(file)).expect("a file"))).collect()
    }

    /// Runs it; whatever is replaced has to be in one of its files.
    pub(super) fn start(&self, place: &Place, more: &[(&str, &str)]) -> Peer {
        let mut texts = self.texts();
        let own = (self.changes)(place);
        let own = own.iter().map(|(old, new)| (*old, new.as_str()));
        for (old, new) in more.iter().copied().chain(own) {
            let found = texts.iter().any(|(_, text)| text.contains(old));
            assert!(found, "{}: the file has no {old:?}", self.name);
            for (_, text) in &mut texts {
                *text = text.replace(old, new);
            }
        }
        for (file, text) in texts {
            fs::write(place.folder.join(file), text).expect("a file");
        }
        Peer::start(&(self.command)(place.folder), place.listen)
    }
}

fn for_nginx(place: &Place) -> Vec<(&'static str, String)> {
    let folder = place.folder.display();
    vec![
        ("listen 443 ", format!("listen {} ", place.listen)),
        ("server 127.0.0.1:8080;", format!("server {};", place.gateway)),
        ("/var/log/nginx", folder.to_string()),
        ("/etc/nginx/tls/app.example.com.crt", format!("{folder}/tls.crt")),
        ("/etc/nginx/tls/app.example.com.key", format!("{folder}/tls.key")),
    ]
}

/// The file is one of many that nginx's own includes; here the own has nothing else.
fn nginx(folder: &Path) -> Command {
    let shown = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("{kind}_temp_path {shown}/{kind};\n")).concat();
    let main = format!(
        "daemon off;\nmaster_process off;\npid {shown}/pid;\nevents {{}}\n\
         http {{\n{temporary}include {shown}/vestibule.conf;\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), main).expect("a file");
    let mut command = tool("nginx");
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder);
    command
}

fn for_caddy(place: &Place) -> Vec<(&'static str, String)> {
    let (folder, port) = (place.folder.display(), place.listen.port());
    vec![
        // Without the second line it would listen on port 80 too, and without the last it would order a certificate.
        (
            "admin unix//var/lib/caddy/admin.sock",
            format!("admin unix/{folder}/admin.sock\n\tauto_https disable_redirects"),
        ),
        (
            "\napp.example.com {",
            format!("\n{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {folder}/tls.crt {folder}/tls.key"),
        ),
        ("reverse_proxy 127.0.0.1:8080", format!("reverse_proxy {}", place.gateway)),
        ("/var/log/caddy", folder.to_string()),
    ]
}

fn caddy(folder: &Path) -> Command {
    let mut command = python_tool("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config", "Caddyfile"]).current_dir(folder);
    command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    command
}

fn for_traefik(place: &Place) -> Vec<(&'static str, String)> {
    let folder = place.folder.display();
    vec![
        ("address = \":443\"", format!("address = \"{}\"", place.listen)),
        ("http://127.0.0.1:8080", format!("http://{}", place.gateway)),
        ("/etc/traefik/tls/app.example.com.crt", format!("{folder}/tls.crt")),
        ("/etc/traefik/tls/app.example.com.key", format!("{folder}/tls.key")),
        ("/etc/traefik/dynamic.toml", format!("{folder}/dynamic.toml")),
        ("/var/log/traefik", folder.to_string()),
    ]
}

fn traefik(folder: &Path) -> Command {
    let mut command = python_tool("traefik");
    command.arg("--configFile=traefik.toml").current_dir(folder);
    command
}
