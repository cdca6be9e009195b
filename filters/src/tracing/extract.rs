//! Headers → what they tell of a trace. A format whose headers are broken tells nothing.

use super::{Format, SpanId, Told, TraceId};
use crate::exchange::Exchange;
use crate::request::Request;

/// The headers by which traces are told: of each the first line.
#[derive(Debug, Default)]
pub struct Found<'a> {
    values: [Option<&'a [u8]>; NAMES.len()],
    is_any: bool,
}

const NAMES: [&[u8]; 20] = [
    b"traceparent",
    b"b3",
    b"tracestate",
    b"x-b3-traceid",
    b"x-b3-spanid",
    b"x-b3-parentspanid",
    b"x-b3-sampled",
    b"x-b3-flags",
    b"uber-trace-id",
    b"ot-tracer-traceid",
    b"ot-tracer-spanid",
    b"ot-tracer-sampled",
    b"x-datadog-trace-id",
    b"x-datadog-parent-id",
    b"x-datadog-sampling-priority",
    b"x-amzn-trace-id",
    b"x-cloud-trace-context",
    b"x-instana-t",
    b"x-instana-s",
    b"x-instana-l",
];

fn place_of(name: &[u8]) -> Option<usize> {
    // Most headers begin in another way.
    let may_be = matches!(name.first(), Some(b't' | b'b' | b'x' | b'u' | b'o'));
    if may_be { NAMES.iter().position(|known| *known == name) } else { None }
}

impl<'a> Found<'a> {
    pub fn of(request: &Request<'a>) -> Self {
        let mut found = Self::default();
        for (name, value) in &request.headers {
            found.take(name, value);
        }
        found
    }

    /// As the plugins before have left them.
    pub fn in_exchange(exchange: &'a Exchange<'_, '_>) -> Self {
        let mut found = Self::default();
        for (name, value) in &exchange.request.headers {
            found.take(name, value);
        }
        for change in &exchange.upstream.set {
            if let Some(place) = place_of(change.name.as_bytes()) {
                found.values[place] = Some(&change.value);
                found.is_any = true;
            }
        }
        for name in &exchange.upstream.remove {
            if let Some(place) = place_of(name.as_bytes())
                && exchange.upstream.written(name) == Some(None)
            {
                found.values[place] = None;
            }
        }
        found
    }

    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        if let Some(place) = place_of(name) {
            self.values[place] = self.values[place].or(Some(value));
            self.is_any = true;
        }
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        let place = NAMES.iter().position(|known| *known == name.as_bytes())?;
        std::str::from_utf8(self.values[place]?).ok()
    }

    /// By the first format that tells anything.
    pub fn told(&self, formats: &[Format]) -> Told {
        if !self.is_any {
            return Told::default();
        }
        let read = |format: &Format| {
            let told = self.by(*format)?;
            (told.trace.is_some() || told.is_sampled.is_some()).then_some(told)
        };
        formats.iter().find_map(read).unwrap_or_default()
    }

    fn by(&self, format: Format) -> Option<Told> {
        let mut told = match format {
            Format::W3c => self.w3c(),
            Format::B3 | Format::B3Single => self.b3(),
            Format::Jaeger => self.jaeger(),
            Format::Ot => self.ot(),
            Format::Datadog => self.datadog(),
            Format::Aws => self.aws(),
            Format::Gcp => self.gcp(),
            Format::Instana => self.instana(),
        }?;
        told.format = told.format.or(Some(format));
        Some(told)
    }

    fn w3c(&self) -> Option<Told> {
        let [version, trace, span, flags] = parts(self.text("traceparent")?, '-')?;
        let is_right = version == "00" && trace.len() == 32 && span.len() == 16 && flags.len() == 2;
        let flags = u8::from_str_radix(flags, 16).ok().filter(|_| is_right && is_hex(flags))?;
        let (trace, span) = (not_zero(trace_of(trace)?)?, not_zero(span_of(span)?)?);
        Some(Told { trace: Some(trace), span: Some(span), is_sampled: Some(flags % 2 == 1), ..Told::default() })
    }

    /// The single header counts first; what it does not say the others may.
    fn b3(&self) -> Option<Told> {
        let in_state = || self.text("tracestate")?.strip_prefix("b3=");
        let single = self.text("b3").or_else(in_state);
        let one = single.map(b3_single).unwrap_or_default();
        let several = self.b3_several();
        let format = if single.is_some() { Format::B3Single } else { Format::B3 };
        let mut told = Told {
            format: Some(format),
            trace: one.trace.or(several.trace),
            is_short: if one.trace.is_some() { one.is_short } else { several.is_short },
            span: one.span.or(several.span),
            parent: one.parent.or(several.parent),
            shares_span: true,
            is_sampled: one.is_sampled.or(several.is_sampled),
            is_debug: one.is_debug || several.is_debug,
        };
        if told.trace.is_none() {
            (told.span, told.parent) = (None, None);
        }
        Some(told)
    }

    fn b3_several(&self) -> Told {
        let is_debug = self.text("x-b3-flags") == Some("1");
        let is_sampled = if is_debug { Some(true) } else { flag(self.text("x-b3-sampled")) };
        let (trace, span) = (self.text("x-b3-traceid"), self.text("x-b3-spanid"));
        let parent = self.text("x-b3-parentspanid");
        let is_right = trace.is_none_or(is_trace) && [span, parent].iter().flatten().all(|text| is_span(text));
        let only = Told { is_sampled, is_debug, ..Told::default() };
        if !is_right {
            return only;
        }
        Told {
            trace: trace.and_then(trace_of),
            is_short: trace.is_some_and(|text| text.len() == 16),
            span: span.and_then(span_of),
            parent: parent.and_then(span_of),
            ..only
        }
    }

    fn jaeger(&self) -> Option<Told> {
        let [trace, span, parent, flags] = parts(self.text("uber-trace-id")?, ':')?;
        if ![trace, span, parent, flags].iter().all(|text| is_hex(text)) || trace.len() > 32 || span.len() > 16 {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok().filter(|_| flags.len() <= 2)?;
        Some(Told {
            trace: Some(not_zero(trace_of(trace)?)?),
            is_short: trace.len() <= 16,
            span: Some(not_zero(span_of(span)?)?),
            parent: span_of(parent).and_then(not_zero),
            shares_span: true,
            is_sampled: Some(flags % 2 == 1),
            ..Told::default()
        })
    }

    fn ot(&self) -> Option<Told> {
        let (trace, span) = (self.text("ot-tracer-traceid"), self.text("ot-tracer-spanid"));
        let is_right = trace.is_some_and(is_trace) && span.is_none_or(is_span);
        Some(Told {
            trace: trace.filter(|_| is_right).and_then(trace_of),
            is_short: trace.is_some_and(|text| text.len() == 16),
            span: span.filter(|_| is_right).and_then(span_of),
            is_sampled: flag(self.text("ot-tracer-sampled")),
            ..Told::default()
        })
    }

    fn datadog(&self) -> Option<Told> {
        let is_sampled = match self.text("x-datadog-sampling-priority") {
            Some("1" | "2") => Some(true),
            Some("0" | "-1") => Some(false),
            Some(_) => return None,
            None => None,
        };
        let number = |name| {
            let text = self.text(name)?.trim();
            let is_right = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|id| is_right && *id > 0)
        };
        let trace = number("x-datadog-trace-id");
        let span = number("x-datadog-parent-id").filter(|_| trace.is_some());
        Some(Told {
            trace: trace.map(|id| u128::from(id).to_be_bytes()),
            is_short: true,
            span: span.map(u64::to_be_bytes),
            is_sampled,
            ..Told::default()
        })
    }

    fn aws(&self) -> Option<Told> {
        let mut told = Told::default();
        for (key, value) in self.text("x-amzn-trace-id")?.split(';').filter_map(|pair| pair.split_once('=')) {
            match (key.trim(), value.trim()) {
                ("Root", root) => {
                    let [version, time, unique] = parts(root, '-')?;
                    let is_right = version == "1" && time.len() == 8 && unique.len() == 24;
                    told.trace = Some(trace_of(&[time, unique].concat()).filter(|_| is_right)?);
                }
                ("Parent", parent) => told.span = Some(span_of(parent).filter(|_| parent.len() == 16)?),
                ("Sampled", "0") => told.is_sampled = Some(false),
                ("Sampled", "1") => told.is_sampled = Some(true),
                ("Sampled", _) => return None,
                _ => (),
            }
        }
        Some(told)
    }

    fn gcp(&self) -> Option<Told> {
        let (trace, rest) = self.text("x-cloud-trace-context")?.split_once('/')?;
        let (span, flag) = rest.split_once(";o=").map_or((rest, ""), |(span, flag)| (span, flag));
        let is_right = trace.len() == 32 && (flag.is_empty() || flag.len() == 1) && !span.starts_with('+');
        Some(Told {
            trace: Some(trace_of(trace).filter(|_| is_right)?),
            span: Some(span.parse::<u64>().ok()?.to_be_bytes()),
            is_sampled: Some(flag == "1"),
            ..Told::default()
        })
    }

    fn instana(&self) -> Option<Told> {
        let (trace, span) = (self.text("x-instana-t")?, self.text("x-instana-s")?);
        Some(Told {
            trace: Some(trace_of(trace).filter(|_| is_trace(trace))?),
            is_short: trace.len() == 16,
            span: Some(span_of(span)?),
            is_sampled: Some(self.text("x-instana-l").is_some_and(|level| level.starts_with('1'))),
            ..Told::default()
        })
    }
}

/// `<trace>-<span>[-<sampled>[-<parent>]]`, or the decision alone.
fn b3_single(text: &str) -> Told {
    let decided = |text: &str| match text {
        "1" => Told { is_sampled: Some(true), ..Told::default() },
        "0" => Told { is_sampled: Some(false), ..Told::default() },
        "d" => Told { is_sampled: Some(true), is_debug: true, ..Told::default() },
        _ => Told::default(),
    };
    let mut rest = text.split('-');
    let (Some(trace), Some(span)) = (rest.next(), rest.next()) else { return decided(text) };
    let (sampled, parent) = (rest.next().unwrap_or_default(), rest.next());
    let is_right = is_trace(trace)
        && is_span(span)
        && matches!(sampled, "" | "0" | "1" | "d")
        && parent.is_none_or(is_span)
        && rest.next().is_none();
    if !is_right {
        return Told::default();
    }
    let (trace, is_short) = (trace_of(trace), trace.len() == 16);
    Told { trace, is_short, span: span_of(span), parent: parent.and_then(span_of), ..decided(sampled) }
}

/// Exactly so many.
fn parts<const N: usize>(text: &str, separator: char) -> Option<[&str; N]> {
    let mut found = [""; N];
    let mut rest = text.split(separator);
    for part in &mut found {
        *part = rest.next()?;
    }
    rest.next().is_none().then_some(found)
}

fn flag(text: Option<&str>) -> Option<bool> {
    match text {
        Some("1" | "true") => Some(true),
        Some("0" | "false") => Some(false),
        _ => None,
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_trace(text: &str) -> bool {
    matches!(text.len(), 16 | 32) && is_hex(text)
}

fn is_span(text: &str) -> bool {
    text.len() == 16 && is_hex(text)
}

/// Of up to 32 hexadecimal digits.
fn trace_of(text: &str) -> Option<TraceId> {
    u128::from_str_radix(text, 16).ok().filter(|_| is_hex(text)).map(u128::to_be_bytes)
}

/// Of up to 16.
fn span_of(text: &str) -> Option<SpanId> {
    u64::from_str_radix(text, 16).ok().filter(|_| is_hex(text)).map(u64::to_be_bytes)
}

fn not_zero<const N: usize>(id: [u8; N]) -> Option<[u8; N]> {
    (id != [0; N]).then_some(id)
}
