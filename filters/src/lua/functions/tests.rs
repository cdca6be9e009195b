//! What functions find, and what they cannot do.

use super::offered::{GLOBALS, OFFERED, PHASES};
use super::*;
use proptest::prelude::*;

/// Answers a few questions, and keeps what it is told.
#[derive(Default)]
struct Notes {
    told: Vec<String>,
    has_ended: bool,
}

impl Host for Notes {
    fn ask(&mut self, lua: &Lua, what: &str, mut given: Given) -> Result<Value, String> {
        match what {
            "method" => Ok(Value::String(lua.create_string("GET").map_err(|error| error.to_string())?)),
            "log" => {
                given.number();
                self.told.push(String::from_utf8_lossy(&given.text()?).into_owned());
                Ok(Value::Nil)
            }
            "exit" => {
                self.has_ended = true;
                Ok(Value::Nil)
            }
            other => Err(format!("{other} is not asked here")),
        }
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn plugin(&self) -> u64 {
        7
    }
}

fn functions(texts: &[&str]) -> Functions {
    let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
    Functions::parse("pre-function", Phase::Access, &texts).unwrap()
}

fn run_with(functions: &Functions, context: &RefCell<Context>) -> (Vec<String>, Result<(), Stop>) {
    let mut host = Notes::default();
    let outcome = functions.run(&mut host, context);
    (host.told, outcome)
}

fn run(functions: &Functions) -> (Vec<String>, Result<(), Stop>) {
    run_with(functions, &RefCell::default())
}

#[test]
fn there_may_be_many_functions_and_requests() {
    let all: Vec<_> = (0..9_000).map(|_| functions(&["kong.ctx.shared.n = (kong.ctx.shared.n or 0) + 1"])).collect();
    let told = functions(&["print(kong.ctx.shared.n)"]);
    let requests: Vec<RefCell<Context>> = all.iter().map(|_| RefCell::default()).collect();
    for (one, context) in all.iter().zip(&requests) {
        assert_eq!(run_with(one, context).1, Ok(()));
        assert_eq!(run_with(one, context).1, Ok(()));
    }
    for context in &requests {
        assert_eq!(run_with(&told, context).0, ["2"]);
    }
}

/// What the expression gives, written as text.
fn value(expression: &str) -> String {
    let (told, outcome) = run(&functions(&[&format!("print({expression})")]));
    match outcome {
        Ok(()) => told.concat(),
        Err(stop) => format!("{stop:?}"),
    }
}

#[test]
fn everything_that_is_offered_is_there() {
    let mut all: Vec<String> = GLOBALS.split_ascii_whitespace().map(str::to_owned).collect();
    let members = |(table, _, members): &(&str, u8, &str)| {
        members.split_ascii_whitespace().map(|member| format!("{table}.{member}")).collect::<Vec<_>>()
    };
    all.extend(OFFERED.iter().flat_map(members));
    // These ask the request already when they are named.
    let asks = ["ngx.status", "ngx.var.", "ngx.arg"];
    for name in all.iter().filter(|name| !asks.iter().any(|one| name.starts_with(one))) {
        // Past the check of phases, by other names.
        let text = format!("local k, n = kong, ngx print(type({}))", aliased(name));
        assert_ne!(run(&functions(&[&text])), (vec!["nil".to_owned()], Ok(())), "{name}");
        assert_eq!(run(&functions(&[&text])).1, Ok(()), "{name}");
    }
}

fn aliased(name: &str) -> String {
    match name.split_once('.') {
        Some(("kong", rest)) => format!("k.{rest}"),
        Some(("ngx", rest)) => format!("n.{rest}"),
        _ => name.to_owned(),
    }
}

#[test]
fn the_readme_lists_what_is_offered() {
    let readme = include_str!("../../../../src/crossfade/compile/policies/pre_function/README.md");
    for (table, phases, members) in OFFERED {
        let names = PHASES.iter().filter(|phase| phases & **phase as u8 != 0).map(|phase| phase.name());
        let phases = if *phases == 15 { "all".to_owned() } else { names.collect::<Vec<_>>().join(", ") };
        let members: Vec<_> = members.split_ascii_whitespace().map(|member| format!("`{member}`")).collect();
        let row = format!("| `{table}` | {phases} | {} |", members.join(" "));
        assert!(readme.contains(&row), "in the README of pre-function there is no\n{row}");
    }
    let globals: Vec<_> = GLOBALS.split_ascii_whitespace().map(|name| format!("`{name}`")).collect();
    assert!(readme.contains(&globals.join(" ")), "{}", globals.join(" "));
}

#[test]
fn values() {
    for (expression, expected) in [
        ("kong.request.get_method()", "GET"),
        ("('a-b'):gsub('-', '+')", "a+b1"),
        ("(('x=1, y=2'):gsub('(%w)=(%w)', '%2=%1'))", "1=x, 2=y"),
        ("(('abc'):gsub('%w', {a = 'A', b = false}))", "Abc"),
        ("(('abc'):gsub('%w', function(c) return c .. c end, 2))", "aabbc"),
        ("(('abc'):gsub('', '-'))", "-a-b-c-"),
        ("(('abc'):gsub('%w*', 'x'))", "xx"),
        ("(('abc'):gsub('^a', 'x'))", "xbc"),
        ("('Bearer tok'):match('Bearer%s+(.+)')", "tok"),
        ("('k=v'):find('=', 1, true)", "22"),
        ("('abc'):find('b()')", "223"),
        ("('abc'):match('.-$', -2)", "bc"),
        ("('ab'):rep(3)", "ababab"),
        ("string.format('%s %5.1f %q', 'x', 1.25, 'y')", "x   1.2 \"y\""),
        ("table.concat({1, 2, 3}, ', ')", "1, 2, 3"),
        ("ngx.encode_base64('hé')", "aMOp"),
        ("ngx.decode_base64('aMOp')", "hé"),
        ("ngx.escape_uri('a b/ü')", "a%20b%2F%C3%BC"),
        ("ngx.unescape_uri('a%20b+c')", "a b c"),
        ("ngx.encode_args({b = 2, a = {'x', 'y'}, c = true, d = false})", "a=x&a=y&b=2&c"),
        ("ngx.decode_args('a=1&a=2&b').a[2]", "2"),
        ("ngx.re.match('id 42', [[(?<n>\\d+)]], 'jo').n", "42"),
        ("ngx.re.match('id 42', [[(x)?(\\d)]])[1]", "false"),
        ("ngx.re.find('hello', 'l+')", "34"),
        ("ngx.re.gsub('a1b22', [[\\d+]], '<$0>')", "a<1>b<22>2"),
        ("ngx.re.sub('a1', '([a-z])', '${1}$$')", "a$11"),
        ("ngx.re.gsub('abc', 'B', function(m) return m[0]:upper() end, 'i')", "aBc1"),
        ("ngx.re.match('a', '(')", "nilunclosed group at byte 5"),
        ("ngx.http_time(1547178471)", "Fri, 11 Jan 2019 03:47:51 GMT"),
        ("ngx.cookie_time(1547178471)", "Fri, 11-Jan-19 03:47:51 GMT"),
        ("ngx.parse_http_time('Fri, 11 Jan 2019 03:47:51 GMT')", "1547178471"),
        ("ngx.now() > 1e9 and #ngx.today() == 10", "true"),
        ("ngx.null == ngx.null", "true"),
        ("ngx.HTTP_FORBIDDEN .. ngx.get_phase()", "403access"),
        ("bit.band(0xff, 0x0f), bit.bor(1, 2), bit.lshift(1, 31), bit.tohex(255)", "153-2147483648000000ff"),
        ("pcall(error, 'x')", "falsex"),
        (
            "select(2, pcall(string.rep))",
            "bad argument #1: error converting Lua nil to string (expected string or number)",
        ),
        ("select(2, pcall(kong.request.get_header, 1))", "header name must be a string"),
        ("type(os.time()) .. type(os.clock())", "numbernumber"),
        ("select('#', unpack({1, 2, nil, 4}, 1, 4))", "4"),
        ("tostring(kong.table.merge({a = 1}, {b = 2}).b)", "2"),
        ("kong.version", "3.9.1"),
        ("1e15", "1e+15"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn faults_are_told_and_cost_little() {
    for (text, problem) in [
        ("while true do end", "it takes too long"),
        ("while true do pcall(function() while true do end end) end", "it takes too long"),
        ("local function f() pcall(f) f() end f()", "it takes too long"),
        (
            "repeat until xpcall(function() while true do end end, function() while true do end end)",
            "it takes too long",
        ),
        ("local s = ('a'):rep(30000) s:find(('a-'):rep(20) .. 'b')", "it takes too long"),
        ("for _ = 1, 1e9 do table.sort({}) end", "it takes too long"),
        ("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end", "it takes too "),
        ("local s = 'x' while true do s = s .. s end", "it takes too "),
        ("return ('x'):rep(1e9)", "not enough memory"),
        ("for _ = 1, 1e9 do local x = (''):rep(1e9) end", "it takes too long"),
        ("local function f() return 1 + f() end f()", "stack overflow"),
        ("local x = nil; x.y = 1", "attempt to index local 'x' (a nil value)"),
        ("error({})", "error converting"),
        ("for i = 1, 1e9 do ngx.re.match('x', '\\\\w{90}' .. i) end", "it takes too long"),
        ("local k = kong k.response.get_status()", "status is not asked here"),
        ("local k = kong k.db.x()", "kong.db is not available here"),
        ("kong.log = 1", "Cannot modify kong.log. Protected by the sandbox."),
        ("string.format = 1", "Cannot modify string.format. Protected by the sandbox."),
        ("kong.request.get_header(nil)", "header name must be a string"),
        ("local t = {} t[nil] = 1", "index is nil"),
    ] {
        let started = std::time::Instant::now();
        let (_, outcome) = run(&functions(&[text]));
        let Err(Stop::Fault(found)) = outcome else { panic!("{text}: {outcome:?}") };
        assert!(found.contains(problem) || problem == "error converting", "{text}: {found}");
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{text}: {:?}", started.elapsed());
        assert_eq!(value("1 + 1"), "2", "after {text}");
    }
}

#[test]
fn variables_stay_with_their_function() {
    let counting = functions(&["local count = 0 return function() count = count + 1 print(count) end"]);
    let plain = functions(&[
        "seen = (seen or 0) + 1 print(seen)",
        "other = seen print(tostring(other))".replace("= seen", "= 1").as_str(),
    ]);
    for round in ["1", "2", "3"] {
        assert_eq!(run(&counting).0, [round]);
        assert_eq!(run(&plain).0, [round, "1"]);
    }
    assert_eq!(run(&functions(&["seen = seen print(tostring(seen))"])).0, ["nil"]);
}

#[test]
fn contexts_belong_to_a_request() {
    let (one, other) = (RefCell::default(), RefCell::default());
    let counts = functions(&[
        "local c = kong.ctx.shared c.x = (c.x or 0) + 1 ngx.ctx.y = c.x kong.ctx.plugin.z = c.x",
        "print(kong.ctx.shared.x, ngx.ctx.y, kong.ctx.plugin.z)",
    ]);
    assert_eq!(run_with(&counts, &one).0, ["111"]);
    assert_eq!(run_with(&counts, &one).0, ["222"]);
    assert_eq!(run_with(&counts, &other).0, ["111"]);
}

#[test]
fn an_answer_ends_the_function_whatever_it_catches() {
    for text in ["kong.response.exit(200)", "pcall(kong.response.exit, 200)"] {
        let (told, outcome) = run(&functions(&[&format!("print(1) {text} print(2)"), "print(3)"]));
        assert_eq!((told, outcome), (vec!["1".to_owned()], Err(Stop::Ended)), "{text}");
    }
    // The first run has ended the request; the second one counts as a plain one, as on Kong.
    let ends = functions(&["kong.response.exit(200) return function() print('inner') end"]);
    assert_eq!(run(&ends).1, Err(Stop::Ended));
    assert_eq!(run(&ends), (vec![], Err(Stop::Ended)));
}

#[test]
fn what_functions_keep_has_bounds() {
    let hoards = functions(&["local kept = {} return function() for i = 1, 2e4 do kept[#kept + 1] = {i} end end"]);
    let faults = (0..100).filter(|_| run(&hoards).1.is_err()).count();
    assert!((1..50).contains(&faults), "{faults}");
    assert_eq!(value("1 + 1"), "2");
    // A request that goes on meanwhile has its tables no longer.
    let context = RefCell::default();
    let keeps = functions(&["local c = kong.ctx.shared print(tostring(c.x)) c.x = 1"]);
    assert_eq!(run_with(&keeps, &context).0, ["nil"]);
    WORKER.with(|worker| *worker.borrow_mut() = None);
    assert_eq!(run_with(&keeps, &context).0, ["nil"]);
    assert_eq!(run_with(&keeps, &context).0, ["1"]);
}

#[test]
fn instances_that_are_gone_are_forgotten() {
    for place in 0..50 {
        assert_eq!(run(&functions(&[&format!("print({place})")])).1, Ok(()));
    }
    with_worker(|worker| {
        assert!(worker.loaded.borrow().len() <= 2);
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_cannot_be_read_is_refused() {
    for (text, problem) in [
        ("return (", "access.1: error parsing pre-function: [string \"return (\"]:1: unexpected symbol near '<eof>'"),
        ("os.exit()", "access.1: line 1: os.exit is not available here"),
        ("\u{1b}Lua", "access.1: error parsing pre-function"),
        ("print('\0", "access.1: error parsing pre-function"),
    ] {
        let found = Functions::parse("pre-function", Phase::Access, &[text.to_owned()]).unwrap_err();
        assert!(found.starts_with(problem), "{text}: {found}");
    }
}

proptest! {
    #[test]
    fn no_function_is_too_strange(text in "[a-c ().=\"'{}\\[\\]\\-]{0,24}", any in ".{0,24}") {
        for text in [text, any] {
            if let Ok(functions) = Functions::parse("pre-function", Phase::Access, &[text]) {
                let _ = run(&functions);
            }
        }
    }
}
