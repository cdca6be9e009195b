//! Tests that need a network of their own.

use std::env;
use std::process::Command;

/// What an ignored test of this program tells (`told: …`) when it runs where nothing else listens.
pub fn in_network_namespace(test: &str, variables: &[(&str, &str)]) -> String {
    let done = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let told: Vec<_> = stdout.lines().filter_map(|line| line.split_once("told: ")).map(|(_, told)| told).collect();
    assert!(done.status.success() && !told.is_empty(), "{stdout}{stderr}");
    told.join(", ")
}
