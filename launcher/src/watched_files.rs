//! Files of the pod that Envoy gets in its own form: the kubelet renews them, Envoy watches ours.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::arguments::File;

/// Where the text goes in a form, within a string of JSON.
const PLACE: &str = "@TEXT@";

/// The last good text counts while a file cannot be read, is empty, or is no text.
pub struct WatchedFiles {
    files: Vec<Watched>,
}

struct Watched {
    file: File,
    known: String,
    has_failed: bool,
}

impl WatchedFiles {
    /// Whoever made the plan has written each `target` once.
    pub fn new(files: Vec<File>) -> WatchedFiles {
        let known = |file: &File| fs::read_to_string(&file.target).unwrap_or_default();
        let files = files.into_iter().map(|file| Watched { known: known(&file), file, has_failed: false });
        WatchedFiles { files: files.collect() }
    }

    /// What cannot be written is told once and tried again the next time.
    pub fn refresh(&mut self) {
        for one in &mut self.files {
            if let Err(error) = one.refresh()
                && !one.has_failed
            {
                one.has_failed = true;
                crate::say(&format!("{}: {error}; Envoy keeps what it has", one.file.target.display()));
            }
        }
    }
}

impl Watched {
    fn refresh(&mut self) -> io::Result<()> {
        let text = fs::read_to_string(&self.file.source).unwrap_or_default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let content = self.file.form.replace(PLACE, &in_json(text));
        if content != self.known {
            write_private(&self.file.target, content.as_bytes())?;
            self.known = content;
            self.has_failed = false;
        }
        Ok(())
    }
}

/// As the inside of a string of JSON.
fn in_json(text: &str) -> String {
    let mut found = String::with_capacity(text.len() + 64);
    for one in text.chars() {
        match one {
            '"' | '\\' => found.extend(['\\', one]),
            '\n' => found.push_str("\\n"),
            one if one < ' ' => {
                let _ = write!(found, "\\u{:04x}", u32::from(one));
            }
            one => found.push(one),
        }
    }
    found
}

/// Appears whole or not at all, readable by the owner only.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use tempfile::TempDir;

    const FORM: &str = r#"{"secret": "@TEXT@"}"#;

    fn watched(folder: &TempDir) -> WatchedFiles {
        let [source, target] = ["source", "target.json"].map(|name| folder.path().join(name));
        WatchedFiles::new(vec![File { source, target, form: FORM.into() }])
    }

    fn target(folder: &TempDir) -> String {
        fs::read_to_string(folder.path().join("target.json")).unwrap()
    }

    #[test]
    fn the_last_good_text_counts() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("target.json"), r#"{"secret": "OLD"}"#).unwrap();
        let mut files = watched(&folder);
        for (content, expected) in [
            (None, "OLD"),
            (Some(&b""[..]), "OLD"),
            (Some(b"NEW\n"), "NEW"),
            (Some(b" "), "NEW"),
            (Some(b"\xff"), "NEW"),
            (None, "NEW"),
            (Some(b"3"), "3"),
        ] {
            let source = folder.path().join("source");
            match content {
                Some(content) => fs::write(source, content).unwrap(),
                None => drop(fs::remove_file(source)),
            }
            files.refresh();
            assert_eq!(target(&folder), FORM.replace(PLACE, expected));
        }
    }

    #[test]
    fn nothing_is_written_anew_without_a_change() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("source"), "t0ken\n").unwrap();
        watched(&folder).refresh();
        let written = || fs::metadata(folder.path().join("target.json")).unwrap();
        let before = written().ino();
        // As another launcher finds it.
        let mut files = watched(&folder);
        files.refresh();
        files.refresh();
        assert_eq!((written().ino(), written().mode() & 0o777), (before, 0o600));
    }

    #[test]
    fn what_cannot_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        let [source, target] = [folder.path().join("source"), place.join("target.json")];
        fs::write(&source, "t0ken").unwrap();
        let mut files = WatchedFiles::new(vec![File { source, target: target.clone(), form: FORM.into() }]);
        files.refresh();
        fs::create_dir(&place).unwrap();
        files.refresh();
        assert_eq!(fs::read_to_string(target).unwrap(), r#"{"secret": "t0ken"}"#);
    }

    #[test]
    fn a_text_stays_within_its_string() {
        let text = "a\"b\\c\nd\te\u{1}f\u{7f}ä😀";
        assert_eq!(in_json(text), "a\\\"b\\\\c\\nd\\u0009e\\u0001f\u{7f}ä😀");
    }
}
