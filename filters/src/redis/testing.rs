//! A Redis for tests: it understands commands and says what the test wants.

use super::{RawStore, Store};
use crate::waiting::testing::PATIENCE;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

type Command = Vec<String>;
type Say = dyn Fn(&Command) -> String + Send + Sync;

#[derive(Default)]
struct State {
    seen: Vec<Command>,
    open: Vec<TcpStream>,
}

/// Ends its connections when it is dropped, and refuses no new one.
pub struct Server {
    pub port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

pub fn store(port: u16, mut config: Value) -> Store {
    config["host"] = "127.0.0.1".into();
    config["port"] = port.into();
    serde_json::from_value::<RawStore>(config).unwrap().checked().unwrap()
}

impl Server {
    pub fn start(say: impl Fn(&Command) -> String + Send + Sync + 'static) -> Self {
        Self::start_at(0, say)
    }

    pub fn start_at(port: u16, say: impl Fn(&Command) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let (say, known): (Arc<Say>, _) = (Arc::new(say), Arc::clone(&shared));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                known.0.lock().unwrap().open.push(stream.try_clone().unwrap());
                let (say, known) = (Arc::clone(&say), Arc::clone(&known));
                thread::spawn(move || serve(&stream, &*say, &known));
            }
        });
        Self { port, shared }
    }

    /// All commands so far.
    pub fn seen(&self) -> Vec<Command> {
        self.shared.0.lock().unwrap().seen.clone()
    }

    pub fn wait_for(&self, count: usize) {
        let state = self.shared.0.lock().unwrap();
        let waited = self.shared.1.wait_timeout_while(state, PATIENCE, |state| state.seen.len() < count).unwrap();
        assert!(!waited.1.timed_out(), "no {count} commands came: {:?}", waited.0.seen);
    }

    pub fn close_all(&self) {
        let open = std::mem::take(&mut self.shared.0.lock().unwrap().open);
        open.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close_all();
    }
}

fn serve(stream: &TcpStream, say: &Say, known: &(Mutex<State>, Condvar)) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(count) = lines.next() {
        let count: usize = count.trim_start_matches('*').parse().unwrap();
        // Each argument comes behind a line with its length; those of tests hold no line ends.
        let command: Command = (0..count).filter_map(|_| lines.nth(1)).collect();
        let said = if ["AUTH", "SELECT"].contains(&&*command[0]) && !say(&command).starts_with('-') {
            "+OK\r\n".to_owned()
        } else {
            say(&command)
        };
        known.0.lock().unwrap().seen.push(command);
        known.1.notify_all();
        let mut stream = stream;
        if stream.write_all(said.as_bytes()).is_err() {
            return;
        }
    }
}
