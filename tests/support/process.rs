//! Programs that are not ours: found, started, and ended again.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server of another make, on loopback. It ends with the test, and after two minutes if the test is killed.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Peer {
    /// Starts the command and waits until the address listens.
    pub(crate) fn start(command: &Command, address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let output = fs::File::create(folder.path().join("output")).expect("a file");
        let child = bounded(command, "120")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a handle"))
            .stderr(output)
            .spawn()
            .expect("`timeout` was found");
        let mut peer = Self { address, child, folder };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let ended = peer.child.try_wait().expect("a status").is_some();
            assert!(!ended && Instant::now() < deadline, "{command:?} does not listen:\n{}", peer.output());
            thread::sleep(Duration::from_millis(10));
        }
        peer
    }

    /// Everything that it has written.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // `timeout` passes the signal on, and does not leave the program behind as a kill would.
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// The standard output of a command that has to succeed.
pub(crate) fn output_of(command: &Command) -> String {
    let output = bounded(command, "120").stdin(Stdio::null()).output().expect("`timeout` was found");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out
}

/// The same command, ended when the seconds are over.
fn bounded(command: &Command, seconds: &str) -> Command {
    let mut bounded = tool("timeout");
    bounded.args(["-k", "2", seconds]).arg(command.get_program()).args(command.get_args());
    bounded.current_dir(command.get_current_dir().unwrap_or(root()));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    bounded
}

/// A program of this machine. One that is not there fails the test: what was not tried did not pass.
pub(crate) fn tool(name: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    assert!(found.is_some(), "{name} is not installed; ./scripts/test installs what the tests need");
    Command::new(found.expect("just looked at"))
}

/// Node in a folder of ours, whose packages must be installed.
pub(crate) fn node(folder: &str, packages: &[&str]) -> Command {
    for package in packages {
        let there = root().join(folder).join("node_modules").join(package).is_dir();
        assert!(there, "the npm package {package} is not installed in {folder}; ./scripts/test installs it");
    }
    let mut command = tool("node");
    command.current_dir(root().join(folder));
    command
}

/// The Python that has the packages of every requirements.txt.
pub(crate) fn python_with_packages() -> Command {
    python_tool("python")
}

/// A program that came with one of these packages.
pub(crate) fn python_tool(name: &str) -> Command {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let program = root().join(target).join("python/bin").join(name);
    assert!(program.is_file(), "{} is not there; ./scripts/test makes it", program.display());
    Command::new(program)
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
