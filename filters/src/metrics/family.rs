//! Families of a page for Prometheus: a help and a type each, lines in order.

use crate::metrics::histogram::Histogram;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Lines, each with what it is sorted by: a histogram's parts, then labels, then buckets by their bounds.
pub(super) struct Family {
    help: &'static str,
    kind: &'static str,
    lines: Vec<(Place, String)>,
}

/// Part of a histogram, labels, bound of a bucket.
type Place = (u8, Box<str>, u64);

pub(super) type Families = BTreeMap<&'static str, Family>;

pub(super) fn family<'a>(
    families: &'a mut Families,
    name: &'static str,
    kind: &'static str,
    help: &'static str,
) -> &'a mut Family {
    families.entry(name).or_insert_with(|| Family { help, kind, lines: Vec::new() })
}

impl Family {
    pub(super) fn push(&mut self, name: &str, labels: &str, value: u64) {
        let line =
            if labels.is_empty() { format!("{name} {value}\n") } else { format!("{name}{{{labels}}} {value}\n") };
        self.lines.push(((0, labels.into(), 0), line));
    }

    pub(super) fn histogram<const N: usize>(
        &mut self,
        name: &str,
        labels: &str,
        (histogram, bounds): (&Histogram<N>, &[u64; N]),
        le: fn(u64) -> String,
    ) {
        let count = histogram.count();
        if count == 0 {
            return;
        }
        let mut add = |rank: (u8, u64), part: &str, labels: &str, value: u64, key: &str| {
            self.lines.push(((rank.0, key.into(), rank.1), format!("{name}_{part}{{{labels}}} {value}\n")));
        };
        for (bound, value) in histogram.cumulated(bounds) {
            add((0, bound), "bucket", &format!("{labels},le=\"{}\"", le(bound)), value, labels);
        }
        add((0, u64::MAX), "bucket", &format!("{labels},le=\"+Inf\""), count, labels);
        add((1, 0), "count", labels, count, labels);
        add((2, 0), "sum", labels, histogram.sum, labels);
    }
}

pub(super) fn written(families: Families) -> String {
    let mut text = String::with_capacity(64 * 1024);
    for (name, mut family) in families {
        family.lines.sort_unstable();
        // Writing to a text does not fail.
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {}", family.help, family.kind);
        for (_, line) in &family.lines {
            text.push_str(line);
        }
    }
    text
}

/// As text between quotes.
pub(super) fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return text.into();
    }
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
}
