//! Which names functions may use in which phase: everything else is refused before anything runs. The README of
//! pre-function lists the same; a test compares.

use crate::lua::names::KEYWORDS;
use crate::lua::tokens::{Token, placed_tokens};
use std::collections::HashSet;

/// Where a function runs; a set of these is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    Access = 1,
    HeaderFilter = 2,
    BodyFilter = 4,
    Log = 8,
}

pub const PHASES: [Phase; 4] = [Phase::Access, Phase::HeaderFilter, Phase::BodyFilter, Phase::Log];

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::HeaderFilter => "header_filter",
            Self::BodyFilter => "body_filter",
            Self::Log => "log",
        }
    }
}

const ACCESS: u8 = 1;
const HEADERS: u8 = 2;
const BODY: u8 = 4;
const ANSWERED: u8 = 2 | 4 | 8;
const ANSWERS: u8 = 1 | 2;
const ALL: u8 = 15;

/// Tables with their members, and the phases in which these can be used.
#[rustfmt::skip]
pub const OFFERED: &[(&str, u8, &str)] = &[
    ("kong", ALL, "client ctx log request response router service table version"),
    ("kong", ACCESS, "ip"),
    ("kong.request", ALL, "get_forwarded_host get_forwarded_path get_forwarded_port get_forwarded_prefix \
        get_forwarded_scheme get_header get_headers get_host get_http_version get_method get_path get_path_with_query \
        get_port get_query get_query_arg get_raw_path get_raw_query get_scheme get_start_time get_uri_captures"),
    ("kong.request", ACCESS, "get_body get_raw_body"),
    ("kong.service", ALL, "request response"),
    ("kong.service.request", ACCESS, "add_header clear_header clear_query_arg set_body set_header set_headers \
        set_method set_path set_query set_raw_body set_raw_query"),
    ("kong.service.response", ANSWERED, "get_header get_headers get_status"),
    ("kong.response", ANSWERED, "get_header get_headers get_source get_status"),
    ("kong.response", ANSWERS, "add_header clear_header error exit set_header set_headers"),
    ("kong.response", HEADERS, "set_status"),
    ("kong.response", BODY, "get_raw_body set_raw_body"),
    ("kong.client", ALL, "get_consumer get_credential get_forwarded_ip get_ip get_protocol"),
    ("kong.router", ALL, "get_route get_service"),
    ("kong.ip", ACCESS, "is_trusted"),
    ("kong.ctx", ALL, "plugin shared"),
    ("kong.log", ALL, "alert crit debug emerg err info notice warn"),
    ("kong.table", ALL, "clear merge new"),
    ("ngx", ALL, "AGAIN ALERT CRIT DEBUG DECLINED DONE EMERG ERR ERROR INFO NOTICE OK STDERR WARN cookie_time \
        crc32_long crc32_short ctx decode_args decode_base64 encode_args encode_base64 escape_uri get_phase hmac_sha1 \
        http_time log now null parse_http_time re req sha1_bin time today unescape_uri update_time utctime var"),
    ("ngx", ANSWERED, "header status"),
    ("ngx", ACCESS, "header"),
    ("ngx", BODY, "arg"),
    ("ngx.re", ALL, "find gsub match sub"),
    ("ngx.req", ALL, "get_headers get_method get_uri_args http_version start_time"),
    ("ngx.req", ACCESS, "clear_header get_body_data get_post_args read_body set_header"),
    ("ngx.var", ALL, "args content_length content_type host kong_request_id query_string realip_remote_addr remote_addr \
        request_id request_method request_uri scheme server_port server_protocol uri"),
    ("bit", ALL, "arshift band bnot bor bxor lshift rshift tobit tohex"),
    ("math", ALL, "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max min modf pi pow \
        rad random sin sinh sqrt tan tanh"),
    ("os", ALL, "clock date difftime time"),
    ("string", ALL, "byte char find format gmatch gsub len lower match rep reverse sub upper"),
    ("table", ALL, "concat getn insert maxn remove sort unpack"),
];

/// Names that stand alone.
pub const GLOBALS: &str = "_VERSION assert bit error ipairs kong math next ngx os pairs pcall print select string table \
    tonumber tostring type unpack xpcall";

/// With these the request's body is there when the function runs, to be read or to be replaced.
const OF_BODY: [&str; 7] =
    ["get_body", "get_raw_body", "read_body", "get_body_data", "get_post_args", "set_body", "set_raw_body"];

/// Also `ngx.HTTP_…`, and variables of headers and arguments.
const PREFIXES: [(&str, &str); 3] = [("ngx", "HTTP_"), ("ngx.var", "http_"), ("ngx.var", "arg_")];

/// What a function asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub body: bool,
}

/// Refuses what functions of this phase do not find, with its line.
pub fn check(source: &str, phase: Phase) -> Result<Needs, String> {
    let tokens = placed_tokens(source)?;
    let own = own_names(&tokens);
    let mut needs = Needs::default();
    let mut brackets = Vec::new();
    for (place, (token, line)) in tokens.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| tokens[place].0);
        let after = tokens.get(place + 1).map(|(token, _)| *token);
        let refuse = |problem: String| format!("line {line}: {problem}");
        match *token {
            Token::Symbol(open @ ("(" | "[" | "{")) => brackets.push(open),
            Token::Symbol(")" | "]" | "}") => drop(brackets.pop()),
            Token::Name(member) if matches!(before, Some(Token::Symbol("." | ":"))) => {
                needs.body |= phase == Phase::Access && OF_BODY.contains(&member);
            }
            Token::Name(word) if KEYWORDS.contains(&word) || is_member(&brackets, before, after) => (),
            Token::Name(word) if is_table(word) && (matches!(word, "kong" | "ngx") || !own.contains(word)) => {
                chain(word, &tokens[place + 1..], phase).map_err(refuse)?;
            }
            Token::Name(word) if word == "self" || own.contains(word) || has(GLOBALS, word) => (),
            Token::Name(word) => return Err(refuse(format!("{word} is not available here{}", way_out(word)))),
            Token::Symbol(_) | Token::Value => (),
        }
    }
    Ok(needs)
}

fn has(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|one| one == word)
}

fn is_table(name: &str) -> bool {
    OFFERED.iter().any(|(table, ..)| *table == name)
}

/// Follows `kong.request.get_header` as far as it goes.
fn chain(first: &str, tokens: &[(Token<'_>, usize)], phase: Phase) -> Result<(), String> {
    let mut name = first.to_owned();
    let mut rest = tokens;
    while is_table(&name)
        && let [(Token::Symbol("."), _), (Token::Name(member), _), others @ ..] = rest
    {
        let phases = phases_of(&name, member);
        if phases == 0 {
            return Err(format!("{name}.{member} is not available here{}", way_out(&format!("{name}.{member}"))));
        }
        if phases & phase as u8 == 0 {
            let wanted: Vec<_> = PHASES.iter().filter(|one| phases & **one as u8 != 0).map(|one| one.name()).collect();
            let name = format!("{name}.{member}");
            return Err(format!("{name} cannot be called in {} phase (only in: {})", phase.name(), wanted.join(", ")));
        }
        name = format!("{name}.{member}");
        rest = others;
    }
    Ok(())
}

/// 0 for what is not there at all.
pub fn phases_of(table: &str, member: &str) -> u8 {
    let is_prefixed = PREFIXES.iter().any(|(of, prefix)| *of == table && member.starts_with(prefix));
    let found = OFFERED.iter().filter(|(of, _, members)| *of == table && has(members, member));
    found.fold(if is_prefixed { ALL } else { 0 }, |phases, (_, more, _)| phases | more)
}

fn way_out(name: &str) -> &'static str {
    match name {
        "require" | "io" | "debug" | "package" | "load" | "loadstring" | "dofile" | "loadfile" => {
            ": functions run in a sandbox, as with Kong's untrusted_lua = sandbox"
        }
        "ngx.exit" | "ngx.say" | "ngx.print" | "ngx.redirect" => ": use kong.response.exit",
        "ngx.timer" | "ngx.sleep" | "ngx.socket" | "ngx.location" | "ngx.thread" => ": nothing can be waited for",
        "kong.service.set_target" | "kong.service.set_upstream" => ": use a route of its own",
        "kong.service.request.enable_buffering" => ": use kong.response.get_raw_body in body_filter",
        _ => "",
    }
}

/// `{name = …}`
fn is_member(brackets: &[&str], before: Option<Token<'_>>, after: Option<Token<'_>>) -> bool {
    brackets.last() == Some(&"{")
        && matches!(before, Some(Token::Symbol("{" | "," | ";")))
        && after == Some(Token::Symbol("="))
}

/// Variables, parameters and functions of the text's own, and whatever it sets, wherever that is.
fn own_names<'a>(tokens: &[(Token<'a>, usize)]) -> HashSet<&'a str> {
    let mut own = HashSet::new();
    for (place, (token, _)) in tokens.iter().enumerate() {
        match token {
            Token::Name("local" | "for" | "function") => own.extend(listed(&tokens[place + 1..])),
            Token::Symbol("(") if names_function(&tokens[..place]) => own.extend(listed(&tokens[place + 1..])),
            Token::Symbol("=") => own.extend(assigned(&tokens[..place])),
            _ => (),
        }
    }
    own
}

/// Whether the parenthesis that follows holds parameters: `function (`, `function a.b:c (`.
fn names_function(before: &[(Token<'_>, usize)]) -> bool {
    let mut words = before.iter().rev().map(|(token, _)| *token);
    loop {
        match words.next() {
            Some(Token::Name("function")) => return true,
            Some(Token::Name(word)) if !KEYWORDS.contains(&word) => (),
            Some(Token::Symbol("." | ":")) => (),
            _ => return false,
        }
    }
}

/// `a, b, c` as far as it goes; `function a` of `local function a`.
fn listed<'a>(list: &[(Token<'a>, usize)]) -> Vec<&'a str> {
    let list = match list {
        [(Token::Name("function"), _), rest @ ..] => rest,
        other => other,
    };
    let mut found = Vec::new();
    let mut pairs = list.chunks(2);
    while let Some([(Token::Name(name), _), after @ ..]) = pairs.next() {
        found.push(*name);
        if !matches!(after, [(Token::Symbol(","), _)]) {
            break;
        }
    }
    found
}

/// `a, b =` before the sign.
fn assigned<'a>(before: &[(Token<'a>, usize)]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = before;
    while let [others @ .., (Token::Name(name), _)] = rest {
        if matches!(others.last(), Some((Token::Symbol("." | ":"), _))) {
            break;
        }
        found.push(*name);
        match others {
            [more @ .., (Token::Symbol(","), _)] => rest = more,
            _ => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_used() {
        for (source, phase) in [
            ("kong.response.exit(402, {message = 'pay'}, {['X-Why'] = 'lua'})", Phase::Access),
            ("local count = 0\nreturn function() count = count + 1 kong.log(count) end", Phase::Log),
            ("seen = (seen or 0) + 1", Phase::Access),
            ("a, b = 1, 2 print(a, b)", Phase::Access),
            ("local function f(os, ...) return os end f(1)", Phase::Access),
            ("local t = {} function t.f(x) return x end function t:g(y) return self, y end", Phase::Access),
            ("for key, value in pairs(kong.request.get_headers()) do print(key, value) end", Phase::Access),
            ("local request = kong.request print(request.get_method())", Phase::Access),
            ("ngx.arg[1] = ngx.arg[1]:gsub('a', 'b')", Phase::BodyFilter),
            ("ngx.header.x = ngx.var.http_x_a .. ngx.var.arg_q .. ngx.HTTP_OK", Phase::HeaderFilter),
            ("kong.ctx.shared.anything.os = 1", Phase::Access),
            ("do local x = [[os]] -- os\n end", Phase::Access),
        ] {
            check(source, phase).unwrap_or_else(|problem| panic!("{source}: {problem}"));
        }
    }

    #[test]
    fn what_may_not() {
        for (source, phase, problem) in [
            ("os.execute('x')", Phase::Access, "line 1: os.execute is not available here"),
            ("\nlocal c = require 'cjson'", Phase::Access, "line 2: require is not available here: functions run in"),
            ("kong.service.set_target('a', 1)", Phase::Access, "line 1: kong.service.set_target is not available here"),
            ("return kong.db.consumers", Phase::Access, "line 1: kong.db is not available here"),
            ("ngx.exit(403)", Phase::Access, "line 1: ngx.exit is not available here: use kong.response.exit"),
            ("ngx.var.upstream_uri = '/'", Phase::Access, "line 1: ngx.var.upstream_uri is not available here"),
            (
                "kong.response.get_status()",
                Phase::Access,
                "line 1: kong.response.get_status cannot be called in access phase (only in: header_filter, body_filter, \
                 log)",
            ),
            ("kong.response.exit(200)", Phase::Log, "line 1: kong.response.exit cannot be called in log phase"),
            ("setmetatable({}, {})", Phase::Access, "line 1: setmetatable is not available here"),
            ("print(undefined)", Phase::Access, "line 1: undefined is not available here"),
            ("'x", Phase::Access, "a text has no closing quote"),
        ] {
            let found = check(source, phase).unwrap_err();
            assert!(found.starts_with(problem), "{source}: {found}");
        }
    }

    #[test]
    fn bodies_are_waited_for_where_they_are_read_or_replaced() {
        for (source, body) in [
            ("kong.request.get_raw_body()", true),
            ("local r = kong.request return r.get_body()", true),
            ("ngx.req.read_body()", true),
            ("kong.service.request.set_raw_body('x')", true),
            ("kong.request.get_method()", false),
        ] {
            assert_eq!(check(source, Phase::Access), Ok(Needs { body }), "{source}");
        }
    }
}
