//! One directory, asked on threads that may block; its connections are kept for the next login.

use super::message::{self, Operation};
use crate::journal::{self, Level};
use crate::kept::Pool;
use crate::net::{Connection, Endpoint};
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    Plain,
    Ldaps,
    StartTls,
}

/// Where connections lead and how they are secured: only among equals they are shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Without TLS, which begins later.
    pub endpoint: Endpoint,
    pub security: Security,
    pub verifies: bool,
}

#[derive(Clone, Debug)]
pub struct Directory {
    pub place: Place,
    pub timeout: Duration,
    pub keepalive: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Right,
    Wrong,
    /// The directory cannot or will not say.
    Unsaid,
}

const SUCCESS: u32 = 0;
/// noSuchObject, invalidDNSyntax, invalidCredentials.
const WRONG: [u32; 3] = [32, 34, 49];
/// As many as a lane of the waiting pool has threads.
const KEPT: usize = 4;

static POOL: LazyLock<Pool<Place>> = LazyLock::new(|| Pool::new(KEPT));
/// So that the log has one line for an outage, not one for each login.
static FAILING: LazyLock<Mutex<HashSet<Place>>> = LazyLock::new(Mutex::default);

enum Opened {
    Ready(Connection),
    /// Kong takes a failed handshake for a refused login.
    NotSecured(io::Error),
}

impl Directory {
    /// Asks for at most `timeout`. None: there was no answer.
    pub fn judge(&self, name: &str, password: &[u8]) -> Option<Judgement> {
        let result = self.ask(name, password, Instant::now() + self.timeout);
        let (judgement, trouble) = match result {
            Ok((judgement, trouble)) => (Some(judgement), trouble),
            Err(error) => (None, Some(format!("{error}; logins are answered 500"))),
        };
        self.tell(trouble);
        judgement
    }

    fn ask(&self, name: &str, password: &[u8], deadline: Instant) -> io::Result<(Judgement, Option<String>)> {
        let request = message::bind(name, password);
        while let Some(mut connection) = POOL.take(&self.place) {
            connection.set_deadline(deadline);
            match exchange(&mut connection, &request, Operation::Bind) {
                Ok(code) => return Ok(self.judged(code, connection)),
                // It was closed just now; what has not been answered may be asked again.
                Err(error) if was_closed(&error) => (),
                Err(error) => return Err(error),
            }
        }
        match self.place.open(deadline)? {
            Opened::Ready(mut connection) => {
                let code = exchange(&mut connection, &request, Operation::Bind)?;
                Ok(self.judged(code, connection))
            }
            Opened::NotSecured(error) => Ok((Judgement::Unsaid, Some(format!("TLS: {error}; logins are refused")))),
        }
    }

    fn judged(&self, code: u32, connection: Connection) -> (Judgement, Option<String>) {
        POOL.keep(&self.place, connection, self.keepalive);
        match code {
            SUCCESS => (Judgement::Right, None),
            code if WRONG.contains(&code) => (Judgement::Wrong, None),
            code => (Judgement::Unsaid, Some(format!("result code {code} (RFC 4511 §A.1); logins are refused"))),
        }
    }

    fn tell(&self, trouble: Option<String>) {
        let was_failing = {
            let mut failing = FAILING.lock().unwrap_or_else(PoisonError::into_inner);
            if trouble.is_some() { !failing.insert(self.place.clone()) } else { failing.remove(&self.place) }
        };
        match trouble {
            Some(trouble) if !was_failing => {
                journal::tell(Level::Error, &format!("ldap-auth: {}: {trouble}", self.place.endpoint));
            }
            None if was_failing => {
                journal::tell(Level::Warning, &format!("ldap-auth: {}: answers again", self.place.endpoint));
            }
            _ => (),
        }
    }
}

impl Place {
    fn open(&self, deadline: Instant) -> io::Result<Opened> {
        let mut connection = self.endpoint.connect(deadline)?;
        if self.security == Security::StartTls {
            let code = exchange(&mut connection, &message::start_tls(), Operation::StartTls)?;
            if code != SUCCESS {
                return Err(io::Error::other(format!("the directory refuses StartTLS with result code {code}")));
            }
        }
        if self.security == Security::Plain {
            return Ok(Opened::Ready(connection));
        }
        Ok(connection.secured(&self.endpoint.host, self.verifies).map_or_else(Opened::NotSecured, Opened::Ready))
    }
}

fn exchange(connection: &mut Connection, request: &[u8], operation: Operation) -> io::Result<u32> {
    connection.write_all(request)?;
    connection.flush()?;
    message::read_result(connection, operation)
}

fn was_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof};
    // InvalidData: a notice of disconnection came before the answer.
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | InvalidData | UnexpectedEof)
}
