//! What functions ask and do before the request goes on.

use super::Functions;
use super::facts::{Answer, Facts, failed, grouped, text};
use crate::arguments;
use crate::error_body::Format;
use crate::exchange::{Exchange, RawBody};
use crate::lua::functions::{Given, Host};
use crate::messages;
use crate::plugins::checks;
use crate::remembered::Remembered;
use crate::reply::{Headers, Reply, Style};
use crate::text::{Text, header_value};
use mlua::{Lua, Value};

pub struct Access<'a, 'e, 'r> {
    functions: &'a Functions,
    exchange: &'a mut Exchange<'e, 'r>,
    remembered: &'a Remembered,
    pub reply: Option<Reply>,
}

impl Host for Access<'_, '_, '_> {
    fn ask(&mut self, lua: &Lua, what: &str, mut given: Given) -> Answer {
        if let Some(answer) = self.known(lua, what, &mut given) {
            return answer;
        }
        match what {
            "body" => return self.body(lua),
            "is_trusted" => {
                let address = given.text()?;
                let address = std::str::from_utf8(&address).ok().and_then(|text| text.parse().ok());
                return Ok(Value::Boolean(address.is_some_and(|address| self.exchange.settings().trusts(address))));
            }
            "response_headers" => {
                let told = self.exchange.downstream.iter();
                let told = told.map(|(name, value)| (name.as_bytes(), value.as_slice()));
                return grouped(lua, told).map(Value::Table).map_err(failed);
            }
            "exit" | "exit_json" | "error" => self.answer(what, &mut given)?,
            _ => self.change(what, &mut given)?,
        }
        Ok(Value::Nil)
    }

    fn has_ended(&self) -> bool {
        self.reply.is_some()
    }

    fn plugin(&self) -> u64 {
        self.functions.id
    }
}

impl<'a, 'e, 'r> Access<'a, 'e, 'r> {
    pub fn new(functions: &'a Functions, exchange: &'a mut Exchange<'e, 'r>, remembered: &'a Remembered) -> Self {
        Self { functions, exchange, remembered, reply: None }
    }

    fn known(&self, lua: &Lua, what: &str, given: &mut Given) -> Option<Answer> {
        let exchange = &*self.exchange;
        let facts = Facts {
            functions: self.functions,
            remembered: self.remembered,
            method: exchange.upstream.written(":method").flatten().unwrap_or(exchange.request.method),
            query: exchange.query().unwrap_or_default(),
            headers: &|| exchange.all_headers(),
            consumer: exchange.who.consumer.as_deref(),
            credential: exchange.who.credential_id.as_deref(),
        };
        facts.ask(lua, what, given)
    }

    fn body(&self, lua: &Lua) -> Answer {
        match (&self.exchange.upstream.body, self.exchange.raw_body) {
            (Some(body), _) => text(lua, body),
            (None, RawBody::Whole(body)) => text(lua, body),
            (None, RawBody::TooLarge | RawBody::Pending) => Err("the request body is too large to be read".to_owned()),
        }
    }

    fn change(&mut self, what: &str, given: &mut Given) -> Result<(), String> {
        match what {
            "set_request_header" | "add_request_header" => {
                let name = request_header(&given.text()?)?;
                let adds = what == "add_request_header";
                let mut values = if adds { self.values(&name) } else { Vec::new() };
                values.extend(given.texts()?.iter().map(|value| Text::from_slice(&header_value(value))));
                if name == ":authority" && values.is_empty() {
                    return Err("the header Host cannot be cleared".to_owned());
                }
                self.exchange.upstream.replace(name, values);
            }
            "set_path" => self.exchange.upstream.path = Some(given.text()?),
            "set_raw_query" => self.exchange.upstream.query = Some(one_line(&given.text()?)),
            "clear_query_arg" => {
                let name = given.text()?;
                let rest = self.exchange.query().and_then(|query| arguments::without(query, &name));
                if let Some(rest) = rest {
                    self.exchange.upstream.query = Some(spaces_escaped(&rest));
                }
            }
            "set_method" => self.exchange.upstream.set(":method", given.text()?),
            "set_body" => self.exchange.upstream.body = Some(given.text()?),
            "set_response_header" | "add_response_header" => {
                let name = response_header(&given.text()?)?;
                if what == "set_response_header" {
                    self.exchange.downstream.retain(|(other, _)| *other != name);
                }
                for value in given.texts()? {
                    self.exchange.downstream.push((name.clone().into(), Text::from_slice(&header_value(&value))));
                }
            }
            other => return Err(not_here(other, "access")),
        }
        Ok(())
    }

    fn values(&self, name: &str) -> Vec<Text> {
        self.exchange.headers(name).map(Text::from_slice).collect()
    }

    fn answer(&mut self, what: &str, given: &mut Given) -> Result<(), String> {
        self.reply = Some(reply(what, given, self.exchange)?);
        Ok(())
    }
}

/// What a function answers by `kong.response.exit` and `error`.
fn reply(what: &str, given: &mut Given, exchange: &Exchange<'_, '_>) -> Result<Reply, String> {
    let status = status(given.number())?;
    let body = given.optional_text();
    let headers = answer_headers(given)?;
    let message = given.optional_text();
    let has_type = headers.iter().any(|(name, _)| name == "content-type");
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut reply = match (what, body) {
        ("error", None) => exchange.error(status, messages::of_status(status)),
        ("error", Some(message)) => exchange.error(status, lossy(&message)),
        (_, body) => {
            let is_json = what == "exit_json";
            let message = if is_json { message.unwrap_or_default() } else { body.clone().unwrap_or_default() };
            let content_type = (is_json && !has_type).then(|| "application/json; charset=utf-8".to_owned());
            let style = Style::Raw { content_type, body: body.unwrap_or_default() };
            Reply::error(status, lossy(&message), Format::Json).with_style(style)
        }
    };
    reply.headers = headers;
    Ok(reply)
}

/// The name of each with its values.
pub fn answer_headers(given: &mut Given) -> Result<Headers, String> {
    let mut headers = Headers::new();
    for (name, values) in given.lists()? {
        let name = response_header(name.as_bytes())?;
        headers.extend(values.iter().map(|value| (name.clone().into(), Text::from_slice(&header_value(value)))));
    }
    Ok(headers)
}

pub fn status(number: f64) -> Result<u16, String> {
    checks::reply_status("code", number).map_err(|error| error.to_string())
}

fn request_header(name: &[u8]) -> Result<String, String> {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    if name == "host" {
        return Ok(":authority".to_owned());
    }
    let checked = checks::free_header_name("header", &name).and_then(|()| checks::no_internal_header("header", &name));
    checked.map(|()| name).map_err(|error| error.to_string())
}

/// As nginx writes them, with dashes.
pub fn response_header(name: &[u8]) -> Result<String, String> {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase().replace('_', "-");
    let checked = match name.as_str() {
        "content-length" => Ok(()),
        _ => checks::free_header_name("header", &name),
    };
    checked.map(|()| name).map_err(|error| error.to_string())
}

/// A query must not end its line.
fn one_line(query: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(query.len());
    for &byte in query {
        if byte.is_ascii_graphic() && byte != b'#' {
            out.push(byte);
        } else {
            crate::path::push_escaped(&mut out, byte);
        }
    }
    out
}

fn spaces_escaped(query: &[u8]) -> Vec<u8> {
    query.split(|byte| *byte == b'+').collect::<Vec<_>>().join(&b"%20"[..])
}

pub fn not_here(what: &str, phase: &str) -> String {
    format!("{what} cannot be asked for in {phase} phase")
}
