//! Which files a configuration was read from, and whether they are still what they were.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Files as they were when they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Option<Identity>>);

/// What changes when a file is written, replaced, or reached by another link: device and inode, size, times of the content
/// and of the file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    place: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Files {
    /// Notes a file that is about to be read. What is written into it from now on is a change.
    pub(super) fn note(&mut self, path: &Path) {
        self.0.entry(path.to_owned()).or_insert_with(|| Identity::of(path));
    }

    /// The same files as they are now.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), Identity::of(path))).collect())
    }
}

impl Identity {
    /// Of the file behind all links; `None` for what is no file, such as a pipe, which can be read once only.
    fn of(path: &Path) -> Option<Self> {
        let data = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        Some(Self {
            place: (data.dev(), data.ino()),
            size: data.len(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn whatever_changes_what_would_be_read_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("one")).and_then(|()| fs::create_dir(at("two"))).expect("folders");
        fs::write(at("one/file"), "a").and_then(|()| fs::write(at("two/file"), "a")).expect("files");
        symlink("one", at("data")).and_then(|()| symlink("data/file", at("file"))).expect("links");
        let steps: [(&str, &dyn Fn() -> std::io::Result<()>); 6] = [
            ("a folder is swapped behind a link", &|| {
                symlink("two", at("next"))?;
                fs::rename(at("next"), at("data"))
            }),
            ("it is written", &|| fs::write(at("two/file"), "bb")),
            ("its mode", &|| fs::set_permissions(at("two/file"), fs::Permissions::from_mode(0o600))),
            ("it is replaced by its like", &|| {
                fs::write(at("two/other"), "bb")?;
                fs::rename(at("two/other"), at("two/file"))
            }),
            ("it is gone", &|| fs::remove_file(at("two/file"))),
            ("it is back", &|| fs::write(at("two/file"), "bb")),
        ];
        let mut files = Files::default();
        files.note(&at("file"));
        for (name, step) in steps {
            assert_eq!(files.again(), files, "before: {name}");
            // Longer than the file system's clock ticks.
            std::thread::sleep(std::time::Duration::from_millis(20));
            step().expect(name);
            assert_ne!(files.again(), files, "{name}");
            files = files.again();
        }
    }
}
