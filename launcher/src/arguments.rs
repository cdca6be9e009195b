//! What `crossfade proxy` asks for: options with values, then, after `--`, the program to run with its arguments.
//!
//! Only our own programs write these, so each option is spelled out and none may be unknown.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub enum Command {
    Launch(Box<Plan>),
    Become(Child),
}

/// How one Envoy lives. Folders and files were made by whoever wrote the plan; this program removes them at the end.
#[derive(Default)]
pub struct Plan {
    pub program: Vec<OsString>,
    pub environment: Vec<OsString>,
    pub logs_to_stdout: bool,
    pub end: EndSettings,
    pub files: Vec<File>,
    pub state_folder: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub work_folder: Option<PathBuf>,
}

/// From SIGTERM on Envoy serves `least`, then until nobody comes any more, `longest` in all at most.
///
/// `waits_for_app` is the pod's grace period where SIGTERM comes to all containers at once, else `None`.
#[derive(Clone, Copy, Default)]
pub struct EndSettings {
    pub admin_port: u16,
    pub stands_alone: bool,
    pub least: Duration,
    pub longest: Duration,
    pub waits_for_app: Option<Duration>,
}

/// A file of the pod that Envoy gets in its own form: `form` with the text in place of `@TEXT@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub source: PathBuf,
    pub target: PathBuf,
    pub form: String,
}

/// A program that this process becomes, if its parent is still `parent`, and that ends with it.
#[derive(Default)]
pub struct Child {
    pub parent: i32,
    pub program: Vec<OsString>,
    pub environment: Vec<OsString>,
}

/// The text of an error says which option is wrong.
pub fn command(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut words = Words { rest: arguments };
    let kind = words.text("the command")?;
    match kind.as_str() {
        "launch" => Ok(Command::Launch(Box::new(plan(words)?))),
        "child-of" => Ok(Command::Become(child(words)?)),
        _ => Err(format!("the launcher has no command {kind}")),
    }
}

fn plan(mut words: Words<impl Iterator<Item = OsString>>) -> Result<Plan, String> {
    let mut plan = Plan::default();
    while let Some(option) = words.option()? {
        match option.as_str() {
            "--admin-port" => plan.end.admin_port = words.number(&option)?,
            "--stands-alone" => plan.end.stands_alone = true,
            "--drain-least" => plan.end.least = words.seconds(&option)?,
            "--drain-longest" => plan.end.longest = words.seconds(&option)?,
            "--wait-for-app" => plan.end.waits_for_app = Some(words.seconds(&option)?),
            "--file" => plan.files.push(words.file(&option)?),
            "--env" => plan.environment.push(words.word(&option)?),
            "--logs-to-stdout" => plan.logs_to_stdout = true,
            "--state-folder" => plan.state_folder = Some(words.word(&option)?.into()),
            "--pid-file" => plan.pid_file = Some(words.word(&option)?.into()),
            "--work-folder" => plan.work_folder = Some(words.word(&option)?.into()),
            _ => return Err(format!("the launcher has no option {option}")),
        }
    }
    plan.program = words.program()?;
    Ok(plan)
}

fn child(mut words: Words<impl Iterator<Item = OsString>>) -> Result<Child, String> {
    let mut child = Child { parent: words.number("child-of")?, ..Child::default() };
    while let Some(option) = words.option()? {
        match option.as_str() {
            "--env" => child.environment.push(words.word(&option)?),
            _ => return Err(format!("child-of has no option {option}")),
        }
    }
    child.program = words.program()?;
    Ok(child)
}

struct Words<I> {
    rest: I,
}

impl<I: Iterator<Item = OsString>> Words<I> {
    fn word(&mut self, of: &str) -> Result<OsString, String> {
        self.rest.next().ok_or_else(|| format!("{of} is missing, or has too few values"))
    }

    fn text(&mut self, of: &str) -> Result<String, String> {
        self.word(of)?.into_string().map_err(|_| format!("{of} is no text"))
    }

    /// `None` at the `--` before the program.
    fn option(&mut self) -> Result<Option<String>, String> {
        let found = self.text("-- PROGRAM")?;
        Ok((found != "--").then_some(found))
    }

    fn number<N: std::str::FromStr>(&mut self, of: &str) -> Result<N, String> {
        let text = self.text(of)?;
        text.parse().map_err(|_| format!("{of} is {text}: it must be a whole number, and not that large"))
    }

    fn seconds(&mut self, of: &str) -> Result<Duration, String> {
        self.number::<u32>(of).map(|seconds| Duration::from_secs(seconds.into()))
    }

    fn file(&mut self, of: &str) -> Result<File, String> {
        Ok(File { source: self.word(of)?.into(), target: self.word(of)?.into(), form: self.text(of)? })
    }

    fn program(self) -> Result<Vec<OsString>, String> {
        let program: Vec<_> = self.rest.collect();
        if program.is_empty() { Err("there is no program after --".into()) } else { Ok(program) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Command, String> {
        command(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_plan_is_read() {
        let text = "launch --admin-port 9901 --drain-least 1 --drain-longest 20 --wait-for-app 30 --file a b @TEXT@ \
                    --env A=b --state-folder /s --work-folder /w -- envoy -c x";
        let Ok(Command::Launch(plan)) = read(text) else { panic!("not read") };
        assert_eq!(plan.end.admin_port, 9901);
        assert!(!plan.end.stands_alone);
        assert_eq!((plan.end.least.as_secs(), plan.end.longest.as_secs()), (1, 20));
        assert_eq!(plan.end.waits_for_app, Some(Duration::from_secs(30)));
        assert_eq!(plan.files, [File { source: "a".into(), target: "b".into(), form: "@TEXT@".into() }]);
        assert_eq!(plan.program, ["envoy", "-c", "x"]);
        assert_eq!(plan.environment, ["A=b"]);
        assert_eq!((plan.state_folder, plan.pid_file), (Some("/s".into()), None));
    }

    #[test]
    fn a_child_is_read() {
        let Ok(Command::Become(child)) = read("child-of 7 --env A=b -- envoy --env") else { panic!("not read") };
        assert_eq!(
            (child.parent, child.program, child.environment.len()),
            (7, vec!["envoy".into(), "--env".into()], 1)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, said) in [
            ("", "the command is missing"),
            ("fly", "no command fly"),
            ("launch --fast -- envoy", "no option --fast"),
            ("launch --admin-port", "--admin-port is missing"),
            ("launch --admin-port 65536 -- envoy", "--admin-port is 65536"),
            ("launch --drain-least 1.5 -- envoy", "--drain-least is 1.5"),
            ("launch --file a b", "--file is missing, or has too few"),
            ("launch --stands-alone", "-- PROGRAM is missing"),
            ("launch --", "no program"),
            ("child-of x -- envoy", "child-of is x"),
        ] {
            let problem = read(text).err().unwrap_or_default();
            assert!(problem.contains(said), "{text}: {problem}");
        }
    }
}
