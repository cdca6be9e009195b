//! A file that records are appended to, one write a line, before the stream of the request ends: whatever ends this process
//! then, the line is with the kernel. A file keeps its place over changes of the configuration.

use super::losses::Losses;
use arc_swap::ArcSwapOption;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

/// So often is looked whether the file still stands where it was, and tried to open one that could not be.
const PAUSE: Duration = Duration::from_secs(1);
/// What a pipe that can be written to takes at once (`PIPE_BUF`).
const PIECE: usize = 4096;
const MODE: u32 = 0o644;

#[derive(Debug)]
pub struct LogFile {
    path: Box<str>,
    open: ArcSwapOption<Open>,
    /// In milliseconds since 1970; 0 before the first time.
    looked: AtomicI64,
    /// The last time that somebody tried, it could not be opened.
    has_failed: AtomicBool,
    /// The last line has no end.
    is_broken: AtomicBool,
    opening: Mutex<()>,
    losses: Losses,
}

#[derive(Debug)]
struct Open {
    file: File,
    device: u64,
    inode: u64,
    /// Others have it too, so that nothing may be set on it: what it takes is asked before each piece.
    is_shared: bool,
}

impl LogFile {
    /// The same for all who name the same path.
    pub fn at(path: &str) -> Arc<Self> {
        static FILES: LazyLock<Mutex<HashMap<Box<str>, Weak<LogFile>>>> = LazyLock::new(Mutex::default);
        let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(path).and_then(Weak::upgrade) {
            return file;
        }
        files.retain(|_, file| file.strong_count() > 0);
        let file = Arc::new(Self {
            path: path.into(),
            open: ArcSwapOption::empty(),
            looked: AtomicI64::new(0),
            has_failed: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            opening: Mutex::new(()),
            losses: Losses::new("file-log", path),
        });
        files.insert(path.into(), Arc::downgrade(&file));
        file
    }

    /// Appends the line, end and all. `reopens` opens the file for this one line. `now_ms` is the wall clock's.
    pub fn append(&self, line: &[u8], now_ms: i64, reopens: bool) {
        let written = if reopens {
            self.opened(now_ms).and_then(|open| self.write(&open, line))
        } else {
            self.append_to_current(line, now_ms)
        };
        match written {
            Ok(()) => self.losses.kept(),
            Err(error) => self.losses.lost(1, &error),
        }
    }

    fn append_to_current(&self, line: &[u8], now_ms: i64) -> io::Result<()> {
        let is_due = self.is_due(now_ms);
        // Counts no references, as long as this thread does not hold many.
        let open = self.open.load();
        match &*open {
            Some(open) if !is_due => self.write(open, line),
            open => self.write(&*self.current(open.as_ref(), now_ms, is_due)?, line),
        }
    }

    fn write(&self, open: &Open, line: &[u8]) -> io::Result<()> {
        let is_broken = self.is_broken.load(Ordering::Relaxed) && self.is_broken.swap(false, Ordering::Relaxed);
        let joined = is_broken.then(|| [b"\n", line].concat());
        let line = joined.as_deref().unwrap_or(line);
        let (written, outcome) = open.write(line);
        if outcome.is_err() && (written > 0 || joined.is_some()) {
            self.is_broken.store(true, Ordering::Relaxed);
        }
        outcome
    }

    fn current(&self, open: Option<&Arc<Open>>, now_ms: i64, is_due: bool) -> io::Result<Arc<Open>> {
        match open {
            Some(open) if !is_due || open.stands_at(&self.path) => Ok(Arc::clone(open)),
            // Another thread opens it already.
            Some(open) if self.opening.try_lock().is_err() => Ok(Arc::clone(open)),
            None if !is_due && self.has_failed.load(Ordering::Relaxed) => {
                Err(io::Error::other("it could not be opened"))
            }
            // Whoever opens it is waited for: the line must not be lost.
            _ => self.reopened(now_ms),
        }
    }

    fn reopened(&self, now_ms: i64) -> io::Result<Arc<Open>> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = self.open.load_full().filter(|open| open.stands_at(&self.path)) {
            return Ok(open);
        }
        let opened = self.opened(now_ms);
        self.has_failed.store(opened.is_err(), Ordering::Relaxed);
        self.open.store(opened.as_ref().ok().cloned());
        opened
    }

    fn opened(&self, now_ms: i64) -> io::Result<Arc<Open>> {
        self.looked.store(now_ms, Ordering::Relaxed);
        Open::at(&self.path).map(Arc::new)
    }

    /// True for one caller, once a second, and when the clock was set.
    fn is_due(&self, now_ms: i64) -> bool {
        let looked = self.looked.load(Ordering::Relaxed);
        let is_over = Duration::from_millis(now_ms.abs_diff(looked)) >= PAUSE;
        is_over && self.looked.compare_exchange(looked, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Open {
    /// Never waits: a pipe that nobody reads cannot be opened.
    fn at(path: &str) -> io::Result<Self> {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let opened = OpenOptions::new().append(true).create(true).mode(MODE).custom_flags(flags).open(path);
        match (opened, standard_stream(path)) {
            (Ok(file), _) => Self::of(file, false),
            // A pipe of another user, or a socket.
            (Err(_), Some(file)) => Self::of(file?, true),
            (Err(error), None) => Err(error),
        }
    }

    fn of(file: File, is_shared: bool) -> io::Result<Self> {
        let found = file.metadata()?;
        if found.file_type().is_dir() || found.file_type().is_block_device() {
            return Err(io::Error::other("it is no file that could be appended to"));
        }
        Ok(Self { device: found.dev(), inode: found.ino(), file, is_shared })
    }

    fn stands_at(&self, path: &str) -> bool {
        let is_same = |found: Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        self.is_shared || std::fs::metadata(path).is_ok_and(is_same)
    }

    /// How much was written, and why no more.
    fn write(&self, line: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < line.len() {
            let rest = &line[written..];
            let outcome = if self.is_shared { self.write_piece(rest) } else { (&self.file).write(rest) };
            match outcome {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (written, Err(full())),
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    fn write_piece(&self, rest: &[u8]) -> io::Result<usize> {
        let mut asked = [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::OUT)];
        if poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0 {
            return Err(full());
        }
        (&self.file).write(&rest[..rest.len().min(PIECE)])
    }
}

fn full() -> io::Error {
    io::Error::other("who reads it does not keep up")
}

/// The process's own, where it cannot be opened by name.
fn standard_stream(path: &str) -> Option<io::Result<File>> {
    let copy = |stream: &dyn AsFd| stream.as_fd().try_clone_to_owned().map(File::from);
    match path {
        "/dev/stdout" | "/proc/self/fd/1" | "/dev/fd/1" => Some(copy(&io::stdout())),
        "/dev/stderr" | "/proc/self/fd/2" | "/dev/fd/2" => Some(copy(&io::stderr())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::AtomicUsize;

    /// An empty folder of its own for each test.
    fn folder() -> PathBuf {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("crossfade-log-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn log_at(path: &Path) -> Arc<LogFile> {
        LogFile::at(path.to_str().unwrap())
    }

    const NOW: i64 = 1_800_000_000_000;
    const LATER: i64 = NOW + 1000;

    fn lost(file: &LogFile) -> bool {
        file.losses.lost_any()
    }

    #[test]
    fn lines_are_appended_for_all_who_name_the_file() {
        let path = folder().join("log");
        fs::write(&path, "before\n").unwrap();
        let (one, other) = (log_at(&path), log_at(&path));
        assert!(Arc::ptr_eq(&one, &other));
        one.append(b"a\n", NOW, false);
        other.append(b"b\n", NOW, true);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\na\nb\n");
        assert!(!lost(&one));
    }

    #[test]
    fn no_line_of_those_who_come_first_together_is_lost() {
        for _ in 0..20 {
            let path = folder().join("log");
            let file = log_at(&path);
            std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| file.append(b"a\n", NOW, false)))));
            assert_eq!(fs::read_to_string(&path).unwrap(), "a\n".repeat(8));
        }
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let path = folder().join("log");
        let file = log_at(&path);
        file.append(b"a\n", NOW, false);
        fs::rename(&path, path.with_extension("1")).unwrap();
        file.append(b"b\n", NOW, false);
        file.append(b"c\n", LATER, false);
        assert_eq!(fs::read_to_string(path.with_extension("1")).unwrap(), "a\nb\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "c\n");
        fs::rename(&path, path.with_extension("2")).unwrap();
        file.append(b"d\n", LATER, true);
        assert_eq!(fs::read_to_string(&path).unwrap(), "d\n");
    }

    #[test]
    fn what_cannot_be_written_to_is_told_and_tried_again() {
        let folder = folder();
        let path = folder.join("missing").join("log");
        let file = log_at(&path);
        file.append(b"a\n", NOW, false);
        assert!(lost(&file));
        fs::create_dir(folder.join("missing")).unwrap();
        file.append(b"b\n", NOW, false);
        assert!(!path.exists(), "it is not tried for each line");
        file.append(b"c\n", LATER, false);
        assert_eq!(fs::read_to_string(&path).unwrap(), "c\n");
        let full = LogFile::at("/dev/full");
        full.append(b"a\n", NOW, false);
        assert!(lost(&full));
        let no_file = log_at(&folder);
        no_file.append(b"a\n", NOW, false);
        assert!(lost(&no_file));
    }

    #[test]
    fn a_pipe_never_holds_anybody_up() {
        let path = folder().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let file = log_at(&path);
        file.append(b"nobody reads\n", NOW, false);
        assert!(lost(&file));
        let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..200 {
            file.append(&line, LATER, false);
        }
        let mut read = Vec::new();
        let _ = io::Read::read_to_end(&mut &reader, &mut read);
        let text = String::from_utf8(read).unwrap();
        assert!(!text.is_empty() && text.lines().all(|line| line.len() == 1023), "whole lines only");
    }

    #[test]
    fn a_line_that_was_cut_does_not_spoil_the_next() {
        let path = folder().join("log");
        let file = log_at(&path);
        file.append(b"a", NOW, false);
        file.is_broken.store(true, Ordering::Relaxed);
        file.append(b"b\n", NOW, false);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\n");
    }

    #[test]
    fn a_stream_of_others_is_asked_before_each_piece() {
        let (reader, writer) = io::pipe().unwrap();
        let open = Open::of(File::from(std::os::fd::OwnedFd::from(writer)), true).unwrap();
        let line = vec![b'x'; 10_000];
        let mut whole = 0;
        while open.write(&line).1.is_ok() {
            whole += 1;
        }
        assert!((1..100).contains(&whole), "{whole}");
        drop(reader);
        assert!(open.write(b"x").1.is_err());
    }
}
