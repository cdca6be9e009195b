//! What functions ask and do when there is a response.

use super::Functions;
use super::access::{answer_headers, not_here, response_header, status};
use super::facts::{Answer, Facts, failed, grouped, text};
use crate::ended::Ended;
use crate::error_body;
use crate::headers::{End, Response};
use crate::lua::functions::{Given, Host};
use crate::messages;
use crate::remembered::{Remembered, Source};
use crate::text::{Text, header_value};
use mlua::{Lua, Value};

pub struct Headers<'a, 'r> {
    pub functions: &'a Functions,
    pub response: &'a mut Response<'r>,
    pub remembered: &'a Remembered,
    pub has_ended: bool,
}

pub struct Body<'a> {
    pub functions: &'a Functions,
    pub remembered: &'a Remembered,
    pub body: Vec<u8>,
}

pub struct Log<'a, 'e, 'r> {
    pub functions: &'a Functions,
    pub ended: &'a Ended<'e, 'r>,
    pub remembered: &'a Remembered,
}

fn known(functions: &Functions, remembered: &Remembered, lua: &Lua, what: &str, given: &mut Given) -> Option<Answer> {
    let sent = &remembered.sent;
    let facts = Facts {
        functions,
        remembered,
        method: &sent.method,
        query: &sent.query,
        headers: &|| sent.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect(),
        consumer: sent.consumer.as_deref(),
        credential: sent.credential.as_deref(),
    };
    facts.ask(lua, what, given)
}

fn source(lua: &Lua, source: Source) -> Answer {
    text(
        lua,
        match source {
            Source::Service => "service",
            Source::Exit => "exit",
            Source::Error => "error",
        },
    )
}

fn headers<'a>(lua: &Lua, headers: impl Iterator<Item = (&'a [u8], &'a [u8])>, given: &mut Given) -> Answer {
    let most = given.number() as usize;
    let found = headers.filter(|(name, _)| !name.starts_with(b":")).take(most);
    grouped(lua, found).map(Value::Table).map_err(failed)
}

fn none(lua: &Lua) -> Answer {
    lua.create_table().map(Value::Table).map_err(failed)
}

impl Host for Headers<'_, '_> {
    fn ask(&mut self, lua: &Lua, what: &str, mut given: Given) -> Answer {
        if let Some(answer) = known(self.functions, self.remembered, lua, what, &mut given) {
            return answer;
        }
        let is_of_service = self.response.source == Source::Service;
        match what {
            "status" => return Ok(Value::Number(self.response.status.into())),
            "source" => return source(lua, self.response.source),
            "response_headers" => {
                let all = self.response.all();
                return headers(lua, all.iter().map(|(name, value)| (name.as_slice(), value.as_slice())), &mut given);
            }
            "service_status" if is_of_service => return Ok(Value::Number(self.response.sent_status().into())),
            "service_headers" if is_of_service => {
                return headers(lua, self.response.sent_headers().iter().copied(), &mut given);
            }
            "service_status" => (),
            "service_headers" => return none(lua),
            "set_status" => self.response.status = status(given.number())?,
            "exit" | "exit_json" | "error" => self.answer(what, &mut given)?,
            _ => self.change(what, &mut given)?,
        }
        Ok(Value::Nil)
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn plugin(&self) -> u64 {
        self.functions.id
    }
}

impl Headers<'_, '_> {
    fn change(&mut self, what: &str, given: &mut Given) -> Result<(), String> {
        let name = match what {
            "set_response_header" | "add_response_header" => response_header(&given.text()?)?,
            other => return Err(not_here(other, "header_filter")),
        };
        let values: Vec<Text> = given.texts()?.iter().map(|value| Text::from_slice(&header_value(value))).collect();
        if name == "content-length" && !values.is_empty() {
            return Err("the gateway itself sets Content-Length".to_owned());
        }
        if what == "set_response_header" {
            self.response.replace(name, values);
        } else {
            values.into_iter().for_each(|value| self.response.add(name.clone(), value));
        }
        Ok(())
    }

    /// What comes in place of the response; its headers stay but for those that are given.
    fn answer(&mut self, what: &str, given: &mut Given) -> Result<(), String> {
        self.response.status = status(given.number())?;
        let body = given.optional_text();
        let headers = answer_headers(given)?;
        let has_type = headers.iter().any(|(name, _)| name == "content-type");
        let body = match (what, body) {
            ("error", message) => {
                let message = message.map(|message| String::from_utf8_lossy(&message).into_owned());
                let message = message.unwrap_or_else(|| messages::of_status(self.response.status).into_owned());
                error_body::compact(&message).into_bytes()
            }
            (_, body) => body.unwrap_or_default(),
        };
        if what != "exit" && !has_type {
            self.response.set("content-type", "application/json; charset=utf-8");
        }
        let mut names: Vec<_> = headers.iter().map(|(name, _)| name.clone()).collect();
        names.dedup();
        for name in names {
            let values = headers.iter().filter(|(other, _)| *other == name).map(|(_, value)| value.clone());
            self.response.replace(name.clone(), values.collect());
        }
        self.response.remove("content-encoding");
        self.response.end_as(End::Body(body));
        self.has_ended = true;
        Ok(())
    }
}

impl Host for Body<'_> {
    fn ask(&mut self, lua: &Lua, what: &str, mut given: Given) -> Answer {
        if let Some(answer) = known(self.functions, self.remembered, lua, what, &mut given) {
            return answer;
        }
        let answered = &self.remembered.answer;
        match what {
            "response_body" => text(lua, &self.body),
            "set_response_body" => {
                self.body = given.text()?;
                Ok(Value::Nil)
            }
            "status" => Ok(Value::Number(answered.status.into())),
            "source" => source(lua, answered.source),
            "service_status" => Ok(answered.of_service.map_or(Value::Nil, |status| Value::Number(status.into()))),
            "service_headers" if answered.of_service.is_none() => none(lua),
            "response_headers" | "service_headers" => {
                let all = answered.headers.iter();
                headers(lua, all.map(|(name, value)| (name.as_slice(), value.as_slice())), &mut given)
            }
            other => Err(not_here(other, "body_filter")),
        }
    }

    fn plugin(&self) -> u64 {
        self.functions.id
    }
}

impl Host for Log<'_, '_, '_> {
    fn ask(&mut self, lua: &Lua, what: &str, mut given: Given) -> Answer {
        if let Some(answer) = known(self.functions, self.remembered, lua, what, &mut given) {
            return answer;
        }
        let answered = &self.remembered.answer;
        match what {
            "status" => Ok(Value::Number(self.ended.status.into())),
            "source" => source(lua, answered.source),
            "service_status" => Ok(answered.of_service.map_or(Value::Nil, |status| Value::Number(status.into()))),
            "service_headers" if answered.of_service.is_none() => none(lua),
            "response_headers" | "service_headers" => headers(lua, self.ended.response.iter().copied(), &mut given),
            other => Err(not_here(other, "log")),
        }
    }

    fn plugin(&self) -> u64 {
        self.functions.id
    }
}
