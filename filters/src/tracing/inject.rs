//! What the upstream is told of a trace, in each format of headers.

use super::{Format, Sent, SpanId, TraceId};
use crate::forwarding::Changes;
use crate::text::{Text, decimal};

/// 00 to ff.
const PAIRS: [[u8; 2]; 256] = {
    let digits = *b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

pub fn inject(format: Format, sent: &Sent, changes: &mut Changes) {
    let Sent { span, parent, is_sampled, .. } = *sent;
    let trace = sent.trace_in(format);
    let flag: &[u8] = if is_sampled { b"1" } else { b"0" };
    match format {
        Format::W3c => {
            let flags: &[u8] = if is_sampled { b"-01" } else { b"-00" };
            changes.set("traceparent", joined(&[b"00-", &hex(trace), b"-", &hex(&span), flags]));
        }
        Format::B3 => {
            changes.set("x-b3-traceid", hex(trace));
            changes.set("x-b3-spanid", hex(&span));
            if let Some(parent) = parent {
                changes.set("x-b3-parentspanid", hex(&parent));
            }
            let (name, value) = if sent.is_debug { ("x-b3-flags", b"1".as_slice()) } else { ("x-b3-sampled", flag) };
            changes.set(name, value);
        }
        Format::B3Single => {
            let flag = if sent.is_debug { b"d" } else { flag };
            let mut text = joined(&[&hex(trace), b"-", &hex(&span), b"-", flag]);
            if let Some(parent) = parent {
                text.push(b'-');
                text.extend_from_slice(&hex(&parent));
            }
            changes.set("b3", text);
        }
        Format::Jaeger => {
            let parent = parent.map_or_else(|| Text::from_slice(b"0"), |parent| hex(&parent));
            let flags: &[u8] = if is_sampled { b":01" } else { b":00" };
            changes.set("uber-trace-id", joined(&[&hex(trace), b":", &hex(&span), b":", &parent, flags]));
        }
        Format::Ot => {
            changes.set("ot-tracer-traceid", hex(trace));
            changes.set("ot-tracer-spanid", hex(&span));
            changes.set("ot-tracer-sampled", flag);
        }
        Format::Datadog => {
            changes.set("x-datadog-trace-id", decimal(last_half(&sent.trace)));
            changes.set("x-datadog-parent-id", decimal(u64::from_be_bytes(span)));
            changes.set("x-datadog-sampling-priority", flag);
        }
        Format::Aws => {
            let trace = hex(trace);
            let parts: [&[u8]; 7] =
                [b"Root=1-", &trace[..8], b"-", &trace[8..], b";Parent=", &hex(&span), b";Sampled="];
            changes.set("x-amzn-trace-id", joined(&[&parts.concat(), flag]));
        }
        Format::Gcp => {
            let span = decimal(u64::from_be_bytes(span));
            changes.set("x-cloud-trace-context", joined(&[&hex(trace), b"/", &span, b";o=", flag]));
        }
        Format::Instana => {
            changes.set("x-instana-t", hex(trace));
            changes.set("x-instana-s", hex(&span));
            changes.set("x-instana-l", flag);
        }
    }
}

impl Sent {
    /// As many bytes of it as the request had, where the format allows; else as many as the format has first.
    pub(super) fn trace_in(&self, format: Format) -> &[u8] {
        let is_short = match format {
            Format::B3 | Format::B3Single | Format::Jaeger | Format::Instana => self.size == Some(8),
            Format::Ot => self.size != Some(16),
            Format::Datadog => true,
            Format::W3c | Format::Aws | Format::Gcp => false,
        };
        if is_short { &self.trace[8..] } else { &self.trace }
    }
}

pub(super) fn last_half(trace: &TraceId) -> u64 {
    let mut half: SpanId = [0; 8];
    half.copy_from_slice(&trace[8..]);
    u64::from_be_bytes(half)
}

/// Of an id, which has 16 bytes at most.
pub fn hex(id: &[u8]) -> Text {
    let mut digits = [0; 36];
    let length = digits.len().min(2 * id.len());
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(id) {
        *pair = PAIRS[usize::from(*byte)];
    }
    Text::from_buf_and_len(digits, length)
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
