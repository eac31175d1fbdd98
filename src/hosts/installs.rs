//! Secrets that a platform sends while we run: one for each site that installs the app (Atlassian Connect's `installed` and
//! `uninstalled` calls).
//!
//! They stand in one file, which one process writes. A call is learned from only after it was proven to be the platform's
//! own; without that, anybody could install a secret of their own choice and sign with it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use ring::hmac;
use serde_json::{Map, Value, json};

use super::{HostError, json};
use crate::access::{HostName, TenantId};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// Sites that are remembered.
const MAX_SITES: usize = 100_000;

/// The largest file that is read: that many sites with the longest ids and secrets.
const MAX_FILE: u64 = 100 * 1024 * 1024;

/// Lengths of a secret. Atlassian's have 64 characters or more.
const SECRET: std::ops::RangeInclusive<usize> = 8..=512;

type Sites = BTreeMap<String, Arc<Site>>;

/// The secrets of one file. Looked up without a lock; changed by one call at a time.
pub struct Installs {
    file: PathBuf,
    sites: ArcSwap<Sites>,
    turn: Mutex<()>,
}

struct Site {
    secret: Secret,
    key: hmac::Key,
    installed_at: String,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstallsError {
    /// It, or its folder.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// What stands in it.
    #[error("{0} is not what was written there, or has more than {MAX_SITES} sites")]
    Content(PathBuf),
}

/// What a call was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learned {
    Installed,
    Uninstalled,
    /// Something else.
    Nothing,
}

/// Why a call is not learned from.
#[derive(Debug, thiserror::Error)]
enum LearnError {
    #[error("the body is not of the site that signed it, or has no secret")]
    Refused,
    #[error("there is no room for more sites")]
    Full,
    #[error(transparent)]
    File(#[from] InstallsError),
}

impl Installs {
    /// Of this file, which is not looked at yet.
    pub fn at(file: PathBuf) -> Self {
        Self { file, sites: ArcSwap::default(), turn: Mutex::new(()) }
    }

    /// Where they stand.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Reads the file, or makes an empty one: what cannot be written is told at start, and not when the first site comes.
    pub fn open(&self) -> Result<(), InstallsError> {
        let broken = |error| InstallsError::File(self.file.clone(), error);
        let sites = match File::open(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                save(&self.file, &Sites::default()).map_err(broken)?;
                Sites::default()
            }
            Err(error) => return Err(broken(error)),
            Ok(file) => {
                let mut text = Vec::new();
                file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(broken)?;
                let sites = (text.len() as u64 <= MAX_FILE).then(|| read(&text)).flatten();
                sites.ok_or_else(|| InstallsError::Content(self.file.clone()))?
            }
        };
        self.sites.store(Arc::new(sites));
        Ok(())
    }

    /// Whether the site's secret fits; `None` for a site that is not installed.
    pub(super) fn fits(&self, site: &str, fits: impl Fn(&hmac::Key) -> bool) -> Option<bool> {
        self.sites.load().get(site).map(|site| fits(&site.key))
    }

    /// Takes over what a proven call of a site says, and writes down that it did. To the end, also if the caller leaves. What
    /// could not be kept is no fault of the platform, which tries again.
    pub(super) async fn hear(
        self: Arc<Self>,
        host: HostName,
        site: TenantId,
        body: Bytes,
        now: Timestamp,
    ) -> Result<(), HostError> {
        let (heard, told) = (site.clone(), tokio::task::spawn_blocking(move || self.learn(&site, &body, now)));
        match told.await.unwrap_or(Err(LearnError::Full)) {
            Ok(Learned::Nothing) => Ok(()),
            Ok(learned) => {
                tracing::info!(event = "host_install", host = %host, tenant = %heard, "{learned:?}");
                Ok(())
            }
            Err(error) => {
                tracing::warn!(event = "host_install", host = %host, tenant = %heard, error = %error, "nothing was kept");
                Err(if matches!(error, LearnError::Refused) { HostError::Refused } else { HostError::Unavailable })
            }
        }
    }

    /// Takes over what a proven call of a site says, for good before it returns. Waits for the disk.
    fn learn(&self, site: &TenantId, body: &[u8], now: Timestamp) -> Result<Learned, LearnError> {
        let said = json::object(body).ok_or(LearnError::Refused)?;
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        if text("clientKey") != Some(site.as_str()) {
            return Err(LearnError::Refused);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sites = Sites::clone(&self.sites.load());
        let learned = match text("eventType") {
            Some("installed") => {
                let secret = text("sharedSecret").ok_or(LearnError::Refused)?;
                let made = Site::new(secret, now.to_rfc3339()).ok_or(LearnError::Refused)?;
                sites.insert(site.to_string(), Arc::new(made));
                Learned::Installed
            }
            Some("uninstalled") => {
                sites.remove(site.as_str());
                Learned::Uninstalled
            }
            _ => return Ok(Learned::Nothing),
        };
        if sites.len() > MAX_SITES {
            return Err(LearnError::Full);
        }
        save(&self.file, &sites).map_err(|error| InstallsError::File(self.file.clone(), error))?;
        self.sites.store(Arc::new(sites));
        Ok(learned)
    }
}

/// Who uses the app is nobody's business, nor with what.
impl std::fmt::Debug for Installs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Installs({})", self.file.display())
    }
}

impl Site {
    fn new(secret: &str, installed_at: String) -> Option<Self> {
        let fits = SECRET.contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic());
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        fits.then(|| Self { secret: Secret::from(secret), key, installed_at })
    }
}

/// `{"CLIENT-KEY": {"secret": "…", "installed_at": "…"}}`, and nothing else.
fn read(text: &[u8]) -> Option<Sites> {
    let written = json::object(text).filter(|sites| sites.len() <= MAX_SITES)?;
    let site = |(name, entry): (String, Value)| {
        TenantId::new(&name).ok()?;
        let entry = entry.as_object().filter(|entry| entry.len() == 2)?;
        let text = |name: &str| entry.get(name)?.as_str();
        Some((name, Arc::new(Site::new(text("secret")?, text("installed_at")?.to_owned())?)))
    };
    written.into_iter().map(site).collect()
}

/// Writes a new file beside the old one and puts it in its place, so that there is always a whole one.
fn save(file: &Path, sites: &Sites) -> io::Result<()> {
    let mut next = file.as_os_str().to_owned();
    next.push(".new");
    let entry = |(name, site): (&String, &Arc<Site>)| {
        let secret = site.secret.expose_str().unwrap_or_default();
        (name.clone(), json!({"secret": secret, "installed_at": site.installed_at}))
    };
    let text = Secret::new(Value::Object(sites.iter().map(entry).collect::<Map<_, _>>()).to_string());
    // Left over from a process that was ended in the middle.
    let _ = fs::remove_file(&next);
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
    written.write_all(text.expose())?;
    written.sync_all()?;
    fs::rename(&next, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn site(name: &str) -> TenantId {
        TenantId::new(name).expect("an id")
    }

    fn body(site: &str, event: &str, secret: &str) -> Vec<u8> {
        json!({"clientKey": site, "eventType": event, "sharedSecret": secret, "key": "app"}).to_string().into_bytes()
    }

    /// Whether what this secret signed is the site's; `None` if it is not installed.
    fn has(installs: &Installs, site: &str, secret: &str) -> Option<bool> {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), b"text");
        installs.fits(site, |key| hmac::verify(key, b"text", tag.as_ref()).is_ok())
    }

    #[test]
    fn what_was_learned_is_there_at_once_and_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("installs.json");
        let installs = Installs::at(file.clone());
        installs.open().expect("a new file");
        assert_eq!(
            installs.learn(&site("s1"), &body("s1", "installed", "secret-one"), NOW).ok(),
            Some(Learned::Installed)
        );
        assert_eq!(
            installs.learn(&site("s2"), &body("s2", "installed", "secret-two"), NOW).ok(),
            Some(Learned::Installed)
        );
        assert_eq!(has(&installs, "s1", "secret-one"), Some(true));
        assert_eq!(has(&installs, "s1", "secret-two"), Some(false));
        assert_eq!(has(&installs, "s3", "secret-one"), None);
        let again = Installs::at(file.clone());
        again.open().expect("the same file");
        assert_eq!(has(&again, "s1", "secret-one"), Some(true));
        again.learn(&site("s1"), &body("s1", "installed", "secret-new"), NOW).expect("installed anew");
        assert_eq!((has(&again, "s1", "secret-new"), has(&again, "s1", "secret-one")), (Some(true), Some(false)));
        again.learn(&site("s1"), &body("s1", "uninstalled", ""), NOW).expect("uninstalled");
        assert_eq!((has(&again, "s1", "secret-new"), has(&again, "s2", "secret-two")), (None, Some(true)));
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let names: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|one| one.expect("one").file_name()).collect();
        assert_eq!(names, ["installs.json"]);
        assert!(!format!("{again:?}").contains("s2"));
    }

    #[test]
    fn what_is_not_the_sites_own_word_is_not_learned() {
        let folder = tempfile::tempdir().expect("a folder");
        let installs = Installs::at(folder.path().join("installs.json"));
        installs.open().expect("a new file");
        for refused in [
            body("s2", "installed", "secret-one"),
            body("s1", "installed", "short"),
            body("s1", "installed", &"x".repeat(513)),
            body("s1", "installed", "with a blank"),
            br#"{"clientKey":"s1","eventType":"installed"}"#.to_vec(),
            br#"{"clientKey":"s1","clientKey":"s1","eventType":"installed","sharedSecret":"secret-one"}"#.to_vec(),
            br#"{"eventType":"installed","sharedSecret":"secret-one"}"#.to_vec(),
            b"clientKey=s1".to_vec(),
            Vec::new(),
        ] {
            let learned = installs.learn(&site("s1"), &refused, NOW);
            assert!(matches!(learned, Err(LearnError::Refused)), "{learned:?}: {}", String::from_utf8_lossy(&refused));
        }
        let other = installs.learn(&site("s1"), &body("s1", "enabled", "secret-one"), NOW);
        assert_eq!(other.ok(), Some(Learned::Nothing));
        assert_eq!(has(&installs, "s1", "secret-one"), None);
    }

    #[test]
    fn a_file_that_is_not_ours_or_cannot_be_written_is_told_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("installs.json");
        for text in
            ["", "[]", r#"{"s1":"secret-one"}"#, r#"{"s1":{"secret":"short","installed_at":""}}"#, r#"{"s 1":{}}"#]
        {
            fs::write(&file, text).expect("written");
            assert!(matches!(Installs::at(file.clone()).open(), Err(InstallsError::Content(_))), "{text}");
        }
        let nowhere = Installs::at(folder.path().join("no/installs.json"));
        assert!(matches!(nowhere.open(), Err(InstallsError::File(..))));
        // What cannot be kept is not in force either.
        let learned = nowhere.learn(&site("s1"), &body("s1", "installed", "secret-one"), NOW);
        assert!(matches!(learned, Err(LearnError::File(_))));
        assert_eq!(has(&nowhere, "s1", "secret-one"), None);
    }
}
