//! The ids of a request's trace as upstreams were told of it, for records (kong.md §7.2).

use super::inject::{hex, last_half};
use super::{Format, Sent, TraceId};
use crate::text::{Text, decimal};
use smallvec::SmallVec;

/// One for each format; most requests have one. They become texts where somebody reads them.
#[derive(Debug, Default)]
pub struct TraceIds(SmallVec<[InFormat; 1]>);

#[derive(Debug)]
struct InFormat {
    format: Format,
    trace: TraceId,
    is_short: bool,
}

impl TraceIds {
    /// In place of what the same format said before.
    pub fn add(&mut self, format: Format, sent: &Sent) {
        let told = InFormat { format, trace: sent.trace, is_short: sent.trace_in(format).len() == 8 };
        match self.0.iter_mut().find(|other| other.format.name() == format.name()) {
            Some(other) => *other = told,
            None => self.0.push(told),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of each format its name, and the id as its headers have it.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, Text)> {
        self.0.iter().map(|told| (told.format.name(), told.text()))
    }

    /// With all of its 16 bytes, in hexadecimal digits: what the last plugin that traces has told.
    pub fn whole(&self) -> Option<String> {
        self.0.last().map(|told| String::from_utf8_lossy(&hex(&told.whole())).into_owned())
    }
}

impl InFormat {
    fn text(&self) -> Text {
        match self.format {
            Format::Datadog => decimal(last_half(&self.trace)),
            _ if self.is_short => hex(&self.trace[8..]),
            _ => hex(&self.trace),
        }
    }

    /// As whoever got the short one sees it.
    fn whole(&self) -> TraceId {
        let mut trace = self.trace;
        if self.is_short {
            trace[..8].fill(0);
        }
        trace
    }
}

impl Format {
    /// Both of B3's have one.
    fn name(self) -> &'static str {
        match self {
            Self::W3c => "w3c",
            Self::B3 | Self::B3Single => "b3",
            Self::Jaeger => "jaeger",
            Self::Ot => "ot",
            Self::Datadog => "datadog",
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Instana => "instana",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(trace: u128, size: Option<usize>) -> Sent {
        let trace = trace.to_be_bytes();
        Sent { trace, size, span: [1; 8], parent: None, is_sampled: true, is_debug: false }
    }

    #[test]
    fn each_format_has_its_own_words() {
        let mut ids = TraceIds::default();
        let all = [
            Format::W3c,
            Format::B3,
            Format::B3Single,
            Format::Jaeger,
            Format::Ot,
            Format::Datadog,
            Format::Aws,
            Format::Gcp,
            Format::Instana,
        ];
        all.into_iter().for_each(|format| ids.add(format, &sent((1 << 64) + 255, None)));
        let (long, short) = ("000000000000000100000000000000ff", "00000000000000ff");
        let found: Vec<_> = ids.each().map(|(name, text)| (name, String::from_utf8(text.to_vec()).unwrap())).collect();
        let expected = [
            ("w3c", long),
            ("b3", long),
            ("jaeger", long),
            ("ot", short),
            ("datadog", "255"),
            ("aws", long),
            ("gcp", long),
            ("instana", long),
        ];
        assert_eq!(found, expected.map(|(name, text)| (name, text.to_owned())));
    }

    #[test]
    fn what_is_told_last_counts() {
        let mut ids = TraceIds::default();
        assert!(ids.is_empty() && ids.whole().is_none());
        ids.add(Format::B3, &sent(7, Some(8)));
        assert_eq!(ids.whole().unwrap(), "00000000000000000000000000000007");
        ids.add(Format::B3Single, &sent(u128::MAX, Some(8)));
        let found: Vec<_> = ids.each().collect();
        assert_eq!((found.len(), found[0].0, &*found[0].1), (1, "b3", b"ffffffffffffffff".as_slice()));
        assert_eq!(ids.whole().unwrap(), "0000000000000000ffffffffffffffff");
    }
}
