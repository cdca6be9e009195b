//! What others find of this process, made by whoever started it, and removed at its end.

use std::fs;
use std::path::PathBuf;

use crate::arguments::Plan;

/// For hooks of the container: a file that is there once Envoy is ready.
const READY: &str = "ready";

/// Left as they are by a process that is killed; the next one removes them.
pub struct Folders {
    state: Option<PathBuf>,
    work: Option<PathBuf>,
    pid_file: Option<PathBuf>,
}

impl Folders {
    pub fn of(plan: &Plan) -> Folders {
        Folders { state: plan.state_folder.clone(), work: plan.work_folder.clone(), pid_file: plan.pid_file.clone() }
    }

    pub fn has_readers(&self) -> bool {
        self.state.is_some()
    }

    pub fn tell_ready(&self) {
        if let Some(state) = &self.state
            && let Err(error) = fs::write(state.join(READY), "")
        {
            crate::say(&format!("cannot tell that Envoy is ready: {}: {error}", state.display()));
        }
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        // What is gone already need not be removed.
        for folder in [&self.state, &self.work].into_iter().flatten() {
            let _ = fs::remove_dir_all(folder);
        }
        if let Some(file) = &self.pid_file {
            let _ = fs::remove_file(file);
        }
    }
}
