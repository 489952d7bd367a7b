//! A file that gets its name when it is whole, so that half of one never looks like all of it.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// What is written so far.
pub(super) struct Draft {
    path: PathBuf,
    to: To,
    is_forced: bool,
}

enum To {
    /// Beside where it will be; it is gone if it never gets there.
    Beside(NamedTempFile),
    /// What is no file, such as a pipe, is written to as it is.
    Device(File),
}

impl Draft {
    /// Begins a file, which will replace one of its name only if it `is_forced`.
    ///
    /// # Errors
    ///
    /// What is wrong with the place.
    pub(super) fn new(path: &Path, is_forced: bool) -> Result<Self, String> {
        let shown = path.display();
        let failed = |error: io::Error| format!("cannot write {shown}: {error}");
        let there = fs::metadata(path).ok();
        let (path, to) = match &there {
            Some(there) if there.is_dir() => {
                return Err(format!("{shown} is a folder; name a file in it with --out"));
            }
            Some(there) if !there.is_file() => {
                let device = File::options().write(true).open(path).map_err(failed)?;
                (path.to_owned(), To::Device(device))
            }
            Some(_) if !is_forced => return Err(exists(path)),
            // What a link leads to is replaced, and not the link.
            Some(there) => {
                let path = path.canonicalize().map_err(failed)?;
                let beside = beside(&path, Some(there)).map_err(failed)?;
                (path, To::Beside(beside))
            }
            None => (path.to_owned(), To::Beside(beside(path, None).map_err(failed)?)),
        };
        Ok(Self { path, to, is_forced })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    ///
    /// When somebody made one of that name in between, or the system does not let it.
    pub(super) fn finish(self) -> io::Result<()> {
        let To::Beside(file) = self.to else { return Ok(()) };
        let named = match self.is_forced {
            true => file.persist(&self.path),
            false => file.persist_noclobber(&self.path),
        };
        named.map(drop).map_err(|error| error.error)
    }
}

/// Why a file is not replaced.
pub(super) fn exists(path: &Path) -> String {
    format!("{} exists already; write over it with --force, or name another one", path.display())
}

/// A file in the same folder, with the rights of the one that it will replace.
fn beside(path: &Path, replaces: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let usual = || fs::Permissions::from_mode(0o666);
        builder.permissions(replaces.map_or_else(usual, Metadata::permissions));
    }
    #[cfg(not(unix))]
    let _ = replaces;
    // The folder is told once, by who asked for the file.
    builder.tempfile_in(folder).map_err(|error| match error.get_ref() {
        Some(_) => io::Error::from(error.kind()),
        None => error,
    })
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Beside(file) => file.write(bytes),
            To::Device(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Beside(file) => file.flush(),
            To::Device(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::Draft;

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let mut draft = Draft::new(&path, false).unwrap();
        draft.write_all(b"some").unwrap();
        assert!(!path.exists() && files() == 1);
        drop(draft);
        assert_eq!(files(), 0, "what was given up is gone");
        let (one, other) = (Draft::new(&path, false).unwrap(), Draft::new(&path, false).unwrap());
        one.finish().unwrap();
        other.finish().expect_err("another was faster");
        assert!(Draft::new(&path, false).err().unwrap().contains("--force"));
        let mut forced = Draft::new(&path, true).unwrap();
        forced.write_all(b"all").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        forced.finish().unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), files()), (b"all".as_slice(), 1));
    }
}
