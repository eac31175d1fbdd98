//! The gateway in this process, for what can only be changed from inside: who holds what.

use std::net::SocketAddr;
use std::path::Path;

use tokio::runtime::Runtime;
use vestibule::access::{HostName, ProjectKey, RoleKey, Scope, SubjectId, TenantId};
use vestibule::app::{ConfigGrant, Options, Running, start};
use vestibule::config::{self, Environment};

use super::gateway::{ADMIN_TOKEN, SESSION_KEY, Setup, free_port};
use super::platform::{PORTAL, Platform};
use super::token::{API_KEY, CLIENT, TENANT, Token};
use super::wire::{Answer, exchange, request};

pub(crate) struct Inside {
    pub(crate) address: SocketAddr,
    running: Option<Running>,
    runtime: Runtime,
    _platform: Platform,
}

impl Inside {
    pub(crate) fn start(setup: &Setup) -> Self {
        let (platform, public, admin) = (Platform::start(), free_port(), free_port());
        let text = setup
            .text
            .replace("{public}", &public.to_string())
            .replace("{admin}", &admin.to_string())
            .replace("{api}", &platform.address().to_string());
        let environment = Environment::from([
            ("ASSEMBLY_API_KEY", API_KEY),
            ("SESSION_KEY", SESSION_KEY),
            ("ADMIN_TOKEN", ADMIN_TOKEN),
        ]);
        let config = config::parse(&text, Path::new("vestibule.toml"), &environment).expect("a sound configuration");
        let runtime = Runtime::new().expect("a runtime");
        let running = runtime.block_on(async { start(config, Options::default()) }).expect("a gateway");
        Self { address: public, running: Some(running), runtime, _platform: platform }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// The client holds this role on this project, and nothing else anywhere.
    pub(crate) fn grant(&self, role: &str, project: &str) {
        let grant = ConfigGrant {
            host: HostName::new("assembly").expect("a name"),
            tenant: TenantId::new(TENANT).expect("an id"),
            subject: SubjectId::new(CLIENT).expect("an id"),
            role: RoleKey::new(role).expect("a key"),
            scope: Scope::Project(ProjectKey::new(project).expect("a key")),
        };
        self.running.as_ref().expect("it runs").controls().set_grants(vec![grant]);
    }

    pub(crate) fn own(&self, method: &str, target: &str, cookie: &str) -> Answer {
        self.ask(method, target, &[&format!("Cookie: {cookie}"), "Sec-Fetch-Site: same-origin"])
    }

    pub(crate) fn sign_in(&self, token: &Token) -> String {
        let referer = format!("Referer: {PORTAL}/apps");
        let lines = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Sec-Fetch-Site: cross-site", &referer];
        self.ask("GET", &format!("/open?token={}", token.sealed()), &lines).cookie()
    }

    fn ask(&self, method: &str, target: &str, lines: &[&str]) -> Answer {
        Answer::read(&exchange(self.address, &request(method, target, &self.host(), lines, b"")))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}
