//! The gateway as its own process.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::certificates::Issued;
use super::platform::{PORTAL, Platform};
use super::token::{API_KEY, CLIENT, TENANT, Token};
use super::upstream::Upstream;
use super::wire::{Answer, connect, exchange, read_answer, request};

pub(crate) const SESSION_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub(crate) const ADMIN_TOKEN: &str = "canary-admin-token-0123456789abcdef";

/// A gateway in the making.
pub(crate) struct Setup {
    pub(super) text: String,
    pub(super) environment: Vec<(String, String)>,
    files: Vec<(&'static str, String)>,
    /// What starts the binary, if it is not started by itself.
    launcher: Vec<&'static str>,
    listener: Option<TcpListener>,
}

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) platform: Platform,
    child: Mutex<Child>,
    folder: TempDir,
}

impl Setup {
    /// The usual configuration in front of this app.
    pub(crate) fn new(upstream: &Upstream) -> Self {
        Self::before(&format!("http://{}", upstream.address))
    }

    pub(crate) fn before(url: &str) -> Self {
        Self::of(include_str!("gateway.toml"), url)
    }

    /// Another configuration, as a whole.
    pub(crate) fn of(text: &str, url: &str) -> Self {
        let text = text
            .replace("{upstream}", url)
            .replace("{tenant}", TENANT)
            .replace("{client}", CLIENT)
            .replace("{portal}", PORTAL);
        let environment = [("ASSEMBLY_API_KEY", API_KEY), ("SESSION_KEY", SESSION_KEY), ("ADMIN_TOKEN", ADMIN_TOKEN)];
        Self {
            text,
            environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            files: Vec::new(),
            launcher: Vec::new(),
            listener: None,
        }
    }

    /// Replaces a part of the configuration, which must be there.
    pub(crate) fn with(mut self, old: &str, new: &str) -> Self {
        assert!(self.text.contains(old), "no {old:?} in the configuration");
        self.text = self.text.replace(old, new);
        self
    }

    /// Adds sections at the end.
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.text.push_str(more);
        self
    }

    /// Without roles, routes and grants.
    pub(crate) fn without_rules(mut self) -> Self {
        let start = self.text.find("[roles.viewer]").expect("roles");
        let end = self.text.find("[admin]\n").expect("the section behind the rules");
        self.text.replace_range(start..end, "");
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file beside the configuration.
    pub(crate) fn file(mut self, name: &'static str, content: &str) -> Self {
        self.files.push((name, content.to_owned()));
        self
    }

    /// Runs the binary through a command that takes it as its last argument.
    pub(crate) fn through(mut self, launcher: &[&'static str]) -> Self {
        self.launcher = launcher.to_vec();
        self
    }

    /// Shows this certificate to callers, who find the gateway at https.
    pub(crate) fn tls(self, pair: &Issued) -> Self {
        self.with(
            "public_url = \"http://{public}\"",
            "public_url = \"https://{public}\"\ntls = { certificate = \"tls.crt\", key = { file = \"tls.key\" } }",
        )
        .file("tls.crt", &pair.certificate)
        .file("tls.key", &pair.key)
    }

    /// Hands this listener over, as systemd does. To be started at its address.
    pub(crate) fn inheriting(mut self, listener: &TcpListener) -> Self {
        self.listener = Some(listener.try_clone().expect("a second handle"));
        self
    }

    /// What is run: the binary itself, or by way of a shell that puts its standard input where a handed-over socket belongs.
    fn command(launcher: &[&str], listener: Option<TcpListener>) -> Command {
        let binary = env!("CARGO_BIN_EXE_vestibule");
        let Some(listener) = listener else {
            let line = [launcher, &[binary, "serve", "-c", "vestibule.toml"]].concat();
            let mut command = Command::new(line[0]);
            command.args(&line[1..]).stdin(Stdio::null()).env_clear();
            return command;
        };
        let mut command = Command::new("bash");
        let hand_over = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve -c vestibule.toml";
        command.args(["-c", hand_over, binary]).stdin(OwnedFd::from(listener)).env_clear();
        command
    }

    pub(crate) fn start(self) -> Gateway {
        self.start_with(Platform::start())
    }

    pub(crate) fn start_with(self, platform: Platform) -> Gateway {
        let (public, admin) = (free_port(), free_port());
        self.start_at(platform, public, admin)
    }

    /// At known ports, so that cookies of one process can be shown to the next.
    pub(crate) fn start_at(self, platform: Platform, public: SocketAddr, admin: SocketAddr) -> Gateway {
        let folder = tempfile::tempdir().expect("a folder");
        let text = self
            .text
            .replace("{public}", &public.to_string())
            .replace("{admin}", &admin.to_string())
            .replace("{api}", &platform.address().to_string());
        fs::write(folder.path().join("vestibule.toml"), text).expect("a file");
        for (name, content) in &self.files {
            fs::write(folder.path().join(name), content).expect("a file");
        }
        let output = fs::File::create(folder.path().join("output")).expect("a file");
        let child = Self::command(&self.launcher, self.listener)
            .current_dir(folder.path())
            .envs(self.environment)
            .stdout(output.try_clone().expect("a handle"))
            .stderr(output)
            .spawn()
            .expect("the binary runs");
        let gateway = Gateway { address: public, admin, platform, child: Mutex::new(child), folder };
        gateway.wait_until_ready();
        gateway
    }
}

/// A port that nobody listens on, different for each call. Not one of those that the system gives to outgoing connections:
/// such a connection could take it before the server under test does.
pub(crate) fn free_port() -> SocketAddr {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(577);
    let candidate = || {
        let offset = start.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % 20_000;
        SocketAddr::from(([127, 0, 0, 1], u16::try_from(10_000 + offset).expect("below 30,000")))
    };
    let is_free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    (0..1000).map(|_| candidate()).find(is_free).expect("a free port")
}

impl Gateway {
    pub(crate) fn new(upstream: &Upstream) -> Self {
        Setup::new(upstream).start()
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.address).is_err() || TcpStream::connect(self.admin).is_err() {
            let ended = self.child.lock().expect("no panic").try_wait().expect("a status");
            assert!(ended.is_none() && Instant::now() < deadline, "the gateway does not start:\n{}", self.output());
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().expect("no panic").id()
    }

    /// What the process holds of memory, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Everything that the process has written.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    /// Sends exactly these bytes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Answer {
        Answer::read(&exchange(self.address, bytes))
    }

    /// The same, where the connection stays open behind the answer, as that of a handshake does.
    pub(crate) fn raw_first(&self, bytes: &[u8]) -> Answer {
        let mut stream = connect(self.address);
        stream.write_all(bytes).expect("sent");
        read_answer(&mut stream)
    }

    pub(crate) fn ask(&self, method: &str, target: &str, lines: &[&str]) -> Answer {
        self.raw(&request(method, target, &self.host(), lines, b""))
    }

    pub(crate) fn send(&self, method: &str, target: &str, lines: &[&str], body: &[u8]) -> Answer {
        self.raw(&request(method, target, &self.host(), lines, body))
    }

    /// A request of the app's own page, with a cookie.
    pub(crate) fn own(&self, method: &str, target: &str, cookie: &str) -> Answer {
        self.ask(method, target, &[&format!("Cookie: {cookie}"), "Sec-Fetch-Site: same-origin"])
    }

    /// A framed navigation from the portal.
    pub(crate) fn framed(&self, target: &str, more: &[&str]) -> Answer {
        let referer = format!("Referer: {PORTAL}/apps");
        let usual = [
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
            "Accept: text/html",
            &referer,
        ];
        self.ask("GET", target, &[&usual[..], more].concat())
    }

    pub(crate) fn present(&self, token: &str) -> Answer {
        self.framed(&format!("/open?token={token}"), &[])
    }

    /// Signs in and gives the cookie back.
    pub(crate) fn sign_in(&self, token: &Token) -> String {
        let answer = self.present(&token.sealed());
        assert_eq!(answer.status, 303, "{answer:?}\n{}", self.output());
        answer.cookie()
    }

    pub(crate) fn admin(&self, method: &str, target: &str, lines: &[&str], body: &[u8]) -> Answer {
        Answer::read(&exchange(self.admin, &request(method, target, &self.admin.to_string(), lines, body)))
    }

    /// Changes the configuration file.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        let file = self.folder().join("vestibule.toml");
        let text = fs::read_to_string(&file).expect("a file");
        assert!(text.contains(old), "no {old:?} in the configuration");
        fs::write(file, text.replace(old, new)).expect("a file");
    }

    /// `-TERM`, `-HUP`, …
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(name).arg(self.pid().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    /// Sends SIGTERM and waits for the exit status.
    pub(crate) fn terminate(&self) -> Option<i32> {
        self.signal("-TERM");
        self.exit_status()
    }

    /// Waits for the end of the process.
    pub(crate) fn exit_status(&self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.lock().expect("no panic").try_wait().expect("a status") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the process does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
