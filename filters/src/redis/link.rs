//! The connection to one Redis: opened when it is needed, closed when anything on it went wrong.

use super::Store;
use super::protocol::{Commands, Reply, read_reply};
use crate::net::Connection;
use std::io::{BufReader, Write};
use std::time::Instant;

pub struct Link {
    connection: Option<BufReader<Connection>>,
}

impl Link {
    pub fn new() -> Self {
        Self { connection: None }
    }

    /// The replies to some commands, within the store's timeout; or why there are none, without anything secret.
    pub fn exchange(&mut self, store: &Store, bytes: &[u8], count: usize) -> Result<Vec<Reply>, String> {
        let deadline = Instant::now() + store.timeout;
        // What goes wrong on the way leaves it closed: replies that still came would be taken for those of others.
        let mut connection = match self.connection.take().and_then(usable) {
            Some(open) => open,
            None => opened(store, deadline)?,
        };
        connection.get_mut().set_deadline(deadline);
        let replies = asked(&mut connection, bytes, count).map_err(|error| error.to_string())?;
        self.connection = Some(connection);
        Ok(replies)
    }
}

fn usable(mut connection: BufReader<Connection>) -> Option<BufReader<Connection>> {
    (connection.buffer().is_empty() && !connection.get_mut().is_closed()).then_some(connection)
}

fn opened(store: &Store, deadline: Instant) -> Result<BufReader<Connection>, String> {
    let connection = store.endpoint.connect(deadline).map_err(|error| error.to_string())?;
    let mut connection = BufReader::new(connection);
    let commands = greeting(store);
    let replies = asked(&mut connection, &commands.bytes, commands.count).map_err(|error| error.to_string())?;
    for reply in replies {
        if let Reply::Error(text) = reply {
            return Err(text);
        }
    }
    Ok(connection)
}

fn greeting(store: &Store) -> Commands {
    let mut commands = Commands::default();
    if let Some(password) = &store.password {
        commands = match &store.username {
            Some(username) => commands.with(&[b"AUTH", username.as_bytes(), password.as_bytes()]),
            None => commands.with(&[b"AUTH", password.as_bytes()]),
        };
    }
    if store.database != 0 {
        commands = commands.with(&[b"SELECT", store.database.to_string().as_bytes()]);
    }
    commands
}

fn asked(connection: &mut BufReader<Connection>, bytes: &[u8], count: usize) -> std::io::Result<Vec<Reply>> {
    connection.get_mut().write_all(bytes)?;
    connection.get_mut().flush()?;
    (0..count).map(|_| read_reply(connection)).collect()
}
