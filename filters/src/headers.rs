//! Edits of a response's headers: collected while they are read, written afterwards.

use crate::copying::BodyCopy;
use crate::exchange::Identity;
use crate::plugins::rate_limiting::counters::Counters;
use crate::remembered::{Pairs, Remembered, Source};
use crate::text::Text;
use std::borrow::Cow;

/// The final values of one header.
#[derive(Debug)]
struct Edit {
    name: Cow<'static, str>,
    values: Vec<Text>,
    /// The first so many of `values` are there already.
    kept: usize,
}

/// The headers of a response as the plugins of its request see them.
pub struct Response<'a> {
    headers: &'a [(&'a [u8], &'a [u8])],
    edits: Vec<Edit>,
    /// Who the request belonged to.
    pub who: Option<&'a Identity>,
    pub counters: &'a Counters,
    /// When it came (Unix time in milliseconds).
    pub now_ms: i64,
    /// Where a plugin of the request wants it.
    pub remembered: Option<&'a Remembered>,
    pub source: Source,
    /// As the plugins have left it so far.
    pub status: u16,
    end: Option<End>,
    copy: Option<Box<dyn BodyCopy>>,
}

/// What a plugin has made of a whole response.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// This status, the headers, and no body. For what an upstream answered; the gateway's own answers stay.
    Status(u16),
    /// The status and the headers as they are, and this body.
    Body(Vec<u8>),
    /// The plugin failed, and nothing of the response may be shown.
    Fault,
}

/// One change to write: all values of `name` go first, if there are any and they must, then these are added.
#[derive(Debug, PartialEq, Eq)]
pub struct HeaderChange {
    pub name: Cow<'static, str>,
    pub removes: bool,
    pub adds: Vec<Text>,
}

impl<'a> Response<'a> {
    /// `headers` have lower-case names.
    pub fn new(headers: &'a [(&'a [u8], &'a [u8])], counters: &'a Counters, now_ms: i64) -> Self {
        let (source, status) = (Source::default(), 0);
        let (end, copy) = (None, None);
        Self { headers, edits: Vec::new(), counters, now_ms, end, who: None, remembered: None, source, status, copy }
    }

    /// The client gets this status, the headers, and no body. For what an upstream answered; the gateway's own answers
    /// stay.
    pub fn end(&mut self, status: u16) {
        self.end_as(End::Status(status));
    }

    /// A fault stays one, whatever plugins behind do.
    pub fn end_as(&mut self, end: End) {
        if self.end != Some(End::Fault) {
            self.end = Some(end);
        }
    }

    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    pub fn take_end(&mut self) -> Option<End> {
        self.end.take()
    }

    /// As it came, where a service has sent it.
    pub fn sent_status(&self) -> u16 {
        crate::response::status_of(self.headers)
    }

    /// As it came.
    pub fn sent_headers(&self) -> &'a [(&'a [u8], &'a [u8])] {
        self.headers
    }

    /// As the plugins have left it so far, without pseudo-headers.
    pub fn all(&self) -> Pairs {
        let is_edited = |name: &[u8]| self.edits.iter().any(|edit| edit.name.as_bytes() == name);
        let sent = self.headers.iter().filter(|(name, _)| !name.starts_with(b":") && !is_edited(name));
        let edited = self
            .edits
            .iter()
            .flat_map(|edit| edit.values.iter().map(|value| (edit.name.as_bytes().to_vec(), value.to_vec())));
        sent.map(|(name, value)| (name.to_vec(), value.to_vec())).chain(edited).collect()
    }

    /// Has the body copied, as the plugins up to this one leave it. Only what an upstream answered is.
    pub fn copy_body(&mut self, copy: Box<dyn BodyCopy>) {
        self.copy = Some(copy);
    }

    pub fn take_copy(&mut self) -> Option<Box<dyn BodyCopy>> {
        self.copy.take()
    }

    /// All values under a lower-case name, in order.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        match self.edits.iter().find(|edit| edit.name == name) {
            Some(edit) => edit.values.iter().map(|value| value.as_slice()).collect(),
            None => self.sent(name).collect(),
        }
    }

    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).first().copied()
    }

    /// Puts one value in place of all that are there.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl AsRef<[u8]>) {
        self.replace(name, vec![Text::from_slice(value.as_ref())]);
    }

    /// Adds a line of its own.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, value: impl AsRef<[u8]>) {
        let name = name.into();
        let value = Text::from_slice(value.as_ref());
        if let Some(edit) = self.edits.iter_mut().find(|edit| edit.name == name) {
            edit.values.push(value);
            return;
        }
        let mut values: Vec<Text> = self.sent(&name).map(Text::from_slice).collect();
        let kept = values.len();
        values.push(value);
        self.edits.push(Edit { name, values, kept });
    }

    pub fn remove(&mut self, name: impl Into<Cow<'static, str>>) {
        self.replace(name, Vec::new());
    }

    pub fn replace(&mut self, name: impl Into<Cow<'static, str>>, values: Vec<Text>) {
        let name = name.into();
        match self.edits.iter_mut().find(|edit| edit.name == name) {
            Some(edit) => (edit.values, edit.kept) = (values, 0),
            None => self.edits.push(Edit { name, values, kept: 0 }),
        }
    }

    /// What is to be written, in the order of the first edit of each name.
    pub fn into_changes(self) -> Vec<HeaderChange> {
        let Self { headers, edits, .. } = self;
        let is_there = |name: &str| headers.iter().any(|(other, _)| *other == name.as_bytes());
        edits
            .into_iter()
            .map(|mut edit| {
                let removes = edit.kept == 0 && is_there(&edit.name);
                HeaderChange { removes, adds: edit.values.split_off(edit.kept), name: edit.name }
            })
            .collect()
    }

    fn sent(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let name = name.to_owned();
        self.headers.iter().filter(move |(other, _)| *other == name.as_bytes()).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: [(&[u8], &[u8]); 3] = [(b"vary", b"Accept"), (b"x-a", b"1"), (b"x-a", b"2")];

    fn change(name: &'static str, removes: bool, adds: &[&str]) -> HeaderChange {
        let adds = adds.iter().map(|value| Text::from_slice(value.as_bytes())).collect();
        HeaderChange { name: name.into(), removes, adds }
    }

    #[test]
    fn edits_see_each_other_and_are_written_once() {
        let counters = Counters::new();
        let mut response = Response::new(&SENT, &counters, 0);
        response.add("vary", "Origin");
        response.set("x-a", "3");
        response.add("x-a", "4");
        response.remove("x-b");
        response.set("x-c", "");
        assert_eq!(response.values("vary"), [b"Accept".as_slice(), b"Origin"]);
        assert_eq!(response.values("x-a"), [b"3".as_slice(), b"4"]);
        assert_eq!(response.value("x-b"), None);
        assert_eq!(
            response.into_changes(),
            [
                change("vary", false, &["Origin"]),
                change("x-a", true, &["3", "4"]),
                change("x-b", false, &[]),
                change("x-c", false, &[""]),
            ]
        );
    }

    #[test]
    fn removing_what_was_added_leaves_nothing() {
        let counters = Counters::new();
        let mut response = Response::new(&SENT, &counters, 0);
        response.add("x-a", "3");
        response.remove("x-a");
        assert_eq!(response.values("x-a"), [] as [&[u8]; 0]);
        assert_eq!(response.into_changes(), [change("x-a", true, &[])]);
    }
}
