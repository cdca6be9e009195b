-- What functions of pre-function and post-function find: `kong`, `ngx` and what Kong's sandbox has of Lua itself.
-- `native.ask` asks the request at hand, the rest of `native` needs none. Texts of errors are Kong's (kong.md §5.22).
local native = ...
local error, type, tostring, tonumber, pairs, ipairs, select = error, type, tostring, tonumber, pairs, ipairs, select
local setmetatable, rawget, rawset, unpack, pcall, xpcall = setmetatable, rawget, rawset, unpack, pcall, xpcall
local format, lower, sub, byte, char = string.format, string.lower, string.sub, string.byte, string.char
local concat, sort = table.concat, table.sort

-- Thrown to end a function, whatever it catches.
local STOP = {}

local function ask(...)
  return native.ask(...)
end

-- Members can be read, and nothing can be written: what one function changed, another one would find.
local function sealed(name, members, special)
  setmetatable(members, {
    __index = function(_, key)
      error(format("%s.%s is not available here", name, tostring(key)), 2)
    end,
  })
  return setmetatable({}, {
    __index = special and function(_, key)
      local get = special[key]
      if get then
        return get()
      end
      return members[key]
    end or members,
    __newindex = function(_, key)
      error(format("Cannot modify %s.%s. Protected by the sandbox.", name, tostring(key)), -1)
    end,
  })
end

local function text_of(...)
  local parts = {}
  for i = 1, select("#", ...) do
    parts[i] = tostring((select(i, ...)))
  end
  return concat(parts)
end

local function expect(kind, value, what, level)
  if type(value) ~= kind then
    error(what .. " must be a " .. kind, (level or 2) + 1)
  end
end

local function limit(name, value)
  if value == nil then
    return 100
  end
  if type(value) ~= "number" then
    error(name .. " must be a number", 3)
  elseif value < 1 then
    error(name .. " must be >= 1", 3)
  elseif value > 1000 then
    error(name .. " must be <= 1000", 3)
  end
  return value
end

local any_spelling = {
  __index = function(headers, name)
    if type(name) == "string" then
      return rawget(headers, native.dashed(name))
    end
  end,
}

local function headers_of(what, max)
  return setmetatable(ask(what, limit("max_headers", max)), any_spelling)
end

local function first(value)
  if type(value) == "table" then
    return value[1]
  end
  return value
end

local function check_header(name, value)
  if type(name) ~= "string" then
    error(format("invalid header name %q: got %s, expected string", tostring(name), type(name)), 3)
  end
  local kind = type(value)
  if kind == "table" then
    for _, one in ipairs(value) do
      if type(one) ~= "string" then
        error(format("invalid header value in array %q: got %s, expected string", name, type(one)), 3)
      end
    end
  elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    error(format("invalid header value for %q: got %s, expected array of string, string, number or boolean", name, kind), 3)
  end
end

local function check_headers(headers)
  if type(headers) ~= "table" then
    error("headers must be a table", 3)
  end
  for name, value in pairs(headers) do
    check_header(name, value)
  end
end

local function lines(value)
  if type(value) ~= "table" then
    value = { tostring(value) }
  end
  local found = {}
  for i, one in ipairs(value) do
    found[i] = one == "" and " " or one
  end
  return found
end

-- Arguments of queries and forms ------------------------------------------------------------------------------

local function argument(found, name, value)
  if value == true then
    found[#found + 1] = native.escape(name)
  elseif type(value) == "string" or type(value) == "number" then
    found[#found + 1] = native.escape(name) .. "=" .. native.escape(tostring(value))
  elseif value ~= false then
    error("attempt to use " .. type(value) .. " as query arg value", 4)
  end
end

local function arguments(args)
  local found = {}
  for name, value in pairs(args) do
    if type(name) ~= "string" then
      error("arg keys must be strings", 3)
    end
    if type(value) == "table" then
      for _, one in ipairs(value) do
        argument(found, name, one)
      end
    else
      argument(found, name, value)
    end
  end
  native.charge(#found * 8)
  sort(found)
  return concat(found, "&")
end

-- kong.request ------------------------------------------------------------------------------------------------

local request = {}

for name, what in pairs({
  get_scheme = "scheme", get_host = "host", get_port = "port", get_http_version = "version", get_method = "method",
  get_path = "path", get_raw_path = "raw_path", get_path_with_query = "target", get_raw_query = "raw_query",
  get_start_time = "start_time", get_uri_captures = "uri_captures", get_forwarded_scheme = "forwarded_scheme",
  get_forwarded_host = "forwarded_host", get_forwarded_port = "forwarded_port",
  get_forwarded_path = "forwarded_path", get_forwarded_prefix = "forwarded_prefix",
}) do
  request[name] = function()
    return ask(what)
  end
end

function request.get_header(name)
  expect("string", name, "header name")
  return ask("header", name)
end

function request.get_headers(max)
  return headers_of("headers", max)
end

function request.get_query(max)
  return ask("query", limit("max_args", max))
end

function request.get_query_arg(name)
  expect("string", name, "query argument name")
  return first(ask("query", 100)[name])
end

function request.get_raw_body()
  return ask("body")
end

local FORM, JSON, MULTIPART = "application/x-www-form-urlencoded", "application/json", "multipart/form-data"

local function essence(content_type)
  local found = lower(content_type)
  local place = native.plain_find(found, ";")
  return place and sub(found, 1, place - 1) or found
end

local function begins_with(found, wanted)
  return sub(found, 1, #wanted) == wanted
end

function request.get_body(mimetype, max_args)
  local content_type = mimetype or ask("header", "content-type")
  if not content_type then
    return nil, "missing content type"
  end
  local kind = essence(content_type)
  if begins_with(kind, FORM) then
    local body, problem = ask("body")
    if not body then
      return nil, problem, FORM
    end
    return native.decode_args(body, limit("max_args", max_args)), nil, FORM
  elseif begins_with(kind, JSON) then
    local body, problem = ask("body")
    if not body then
      return nil, problem, JSON
    end
    local found = native.json_decode(body)
    if type(found) ~= "table" then
      return nil, "invalid json body", JSON
    end
    return found, nil, JSON
  elseif begins_with(kind, MULTIPART) then
    local body, problem = ask("body")
    if not body then
      return nil, problem, MULTIPART
    end
    local found = native.multipart(body, content_type)
    if not found then
      return nil, "unable to decode multipart body", MULTIPART
    end
    return found, nil, MULTIPART
  end
  return nil, "unsupported content type '" .. content_type .. "'", kind
end

-- kong.service ------------------------------------------------------------------------------------------------

local service_request = {}

function service_request.set_header(name, value)
  check_header(name, value)
  ask("set_request_header", name, lines(value))
end

function service_request.add_header(name, value)
  check_header(name, value)
  ask("add_request_header", name, lines(value))
end

function service_request.clear_header(name)
  expect("string", name, "header")
  ask("set_request_header", name, {})
end

function service_request.set_headers(headers)
  check_headers(headers)
  for name, value in pairs(headers) do
    ask("set_request_header", name, lines(value))
  end
end

function service_request.set_path(path)
  expect("string", path, "path")
  if byte(path) ~= 47 then
    error("path must start with /", 2)
  end
  ask("set_path", path)
end

function service_request.set_raw_query(query)
  expect("string", query, "query")
  ask("set_raw_query", query)
end

function service_request.set_query(args)
  expect("table", args, "args")
  ask("set_raw_query", arguments(args))
end

function service_request.clear_query_arg(name)
  expect("string", name, "query argument name")
  ask("clear_query_arg", name)
end

local METHODS = {}
for method in ("GET HEAD PUT POST DELETE OPTIONS MKCOL COPY MOVE PROPFIND PROPPATCH LOCK UNLOCK PATCH TRACE"):gmatch("%u+") do
  METHODS[method] = true
end

function service_request.set_method(method)
  expect("string", method, "method")
  if not METHODS[method] then
    error("invalid method: " .. method, 2)
  end
  ask("set_method", method)
end

function service_request.set_raw_body(body)
  expect("string", body, "body")
  ask("set_body", body)
end

local function multipart_body(args, mime)
  local names = {}
  for name, value in pairs(args) do
    local kind = type(value)
    if type(name) ~= "string" then
      error(format("invalid key %q: got %s, expected string", tostring(name), type(name)), 3)
    elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      error(format("invalid value %q: got %s, expected string, number or boolean", name, kind), 3)
    end
    names[#names + 1] = name
  end
  sort(names)
  local boundary = native.boundary(mime)
  local parts = {}
  for i, name in ipairs(names) do
    parts[i] = format('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n', boundary, name) .. tostring(args[name]) .. "\r\n"
  end
  return concat(parts) .. "--" .. boundary .. "--\r\n", MULTIPART .. "; boundary=" .. boundary
end

function service_request.set_body(args, mime)
  expect("table", args, "args")
  if mime and type(mime) ~= "string" then
    error("mime must be a string", 2)
  end
  mime = mime or ask("header", "content-type")
  if not mime then
    return nil, "content type was neither explicitly given as an argument or received as a header"
  end
  local kind = essence(mime)
  local body
  if kind == FORM then
    body = arguments(args)
  elseif kind == JSON then
    body = native.json_encode(args)
  elseif kind == MULTIPART then
    body, mime = multipart_body(args, mime)
  else
    error("unsupported content type " .. mime, 2)
  end
  ask("set_body", body)
  ask("set_request_header", "content-type", { mime })
  return true
end

local service_response = {}

function service_response.get_status()
  return ask("service_status")
end

function service_response.get_headers(max)
  return headers_of("service_headers", max)
end

function service_response.get_header(name)
  expect("string", name, "name")
  return first(headers_of("service_headers", 1000)[name])
end

-- kong.response -----------------------------------------------------------------------------------------------

local response = {}

function response.get_status()
  return ask("status")
end

function response.get_source()
  return ask("source")
end

function response.get_headers(max)
  return headers_of("response_headers", max)
end

function response.get_header(name)
  expect("string", name, "header name")
  return first(headers_of("response_headers", 1000)[name])
end

local function check_status(status, least)
  if type(status) ~= "number" then
    error("code must be a number", 3)
  elseif status < least or status > 599 then
    error(format("code must be a number between %u and %u", least, 599), 3)
  end
end

function response.set_status(status)
  check_status(status, 100)
  ask("set_status", status)
end

local log

-- The gateway finds the end of a message itself.
local function is_ignored(name)
  if native.dashed(name) == "transfer-encoding" then
    log.warn("manually setting Transfer-Encoding. Ignored.")
    return true
  end
end

local function set_response_header(what, name, value)
  if not is_ignored(name) then
    ask(what, name, lines(value))
  end
end

function response.set_header(name, value)
  check_header(name, value)
  set_response_header("set_response_header", name, value)
end

function response.add_header(name, value)
  check_header(name, value)
  set_response_header("add_response_header", name, value)
end

function response.clear_header(name)
  expect("string", name, "header name")
  ask("set_response_header", name, {})
end

function response.set_headers(headers)
  check_headers(headers)
  for name, value in pairs(headers) do
    set_response_header("set_response_header", name, value)
  end
end

function response.get_raw_body()
  return ask("response_body")
end

function response.set_raw_body(body)
  expect("string", body, "body")
  ask("set_response_body", body == "" and "\n" or body)
end

local function end_with(what, status, body, headers, message)
  local given = {}
  for name, value in pairs(headers or {}) do
    local dashed = native.dashed(name)
    if dashed ~= "content-length" and not is_ignored(name) then
      given[dashed] = lines(value)
    end
  end
  ask(what, status, body, given, message)
  error(STOP, 0)
end

local function check_end(status, body, headers, least)
  check_status(status, least)
  if body ~= nil and type(body) ~= "string" and type(body) ~= "table" then
    error(least == 400 and "message must be a nil, a string or a table" or "body must be a nil, string or table", 3)
  end
  if headers ~= nil then
    if type(headers) ~= "table" then
      error("headers must be a nil or table", 3)
    end
    check_headers(headers)
  end
end

function response.exit(status, body, headers)
  check_end(status, body, headers, 100)
  if type(body) == "table" then
    -- A gRPC client gets the message alone.
    local message = rawget(body, "message")
    end_with("exit_json", status, native.json_encode(body), headers, type(message) == "string" and message or nil)
  end
  end_with("exit", status, body, headers)
end

function response.error(status, message, headers)
  check_end(status, message, headers, 400)
  if type(message) == "table" then
    message = native.json_encode(message)
  end
  end_with("error", status, message, headers)
end

-- kong.client, kong.router and others -------------------------------------------------------------------------

local function asking(names)
  local members = {}
  for name, what in pairs(names) do
    members[name] = function(...)
      return ask(what, ...)
    end
  end
  return members
end

local client = asking({
  get_ip = "peer", get_forwarded_ip = "address", get_consumer = "consumer", get_credential = "credential",
  get_protocol = "protocol",
})
local router = asking({ get_route = "route", get_service = "service" })
local ip = {}

function ip.is_trusted(address)
  return ask("is_trusted", address)
end

local LEVELS = { emerg = 1, alert = 2, crit = 3, err = 4, warn = 5, notice = 6, info = 7, debug = 8 }
local loggers = {}
for name, level in pairs(LEVELS) do
  loggers[name] = function(...)
    ask("log", level, text_of(...))
  end
end
log = sealed("kong.log", loggers)
getmetatable(log).__call = function(_, ...)
  loggers.notice(...)
end

local tables = {}

function tables.new()
  return {}
end

function tables.clear(found)
  for key in pairs(found) do
    found[key] = nil
  end
end

function tables.merge(one, other)
  local found = {}
  for _, from in ipairs({ one or {}, other or {} }) do
    for key, value in pairs(from) do
      found[key] = value
    end
  end
  return found
end

local function own_table(name)
  return function()
    return ask("ctx", name)
  end
end

local kong = sealed("kong", {
  request = sealed("kong.request", request),
  service = sealed("kong.service", {
    request = sealed("kong.service.request", service_request),
    response = sealed("kong.service.response", service_response),
  }),
  response = sealed("kong.response", response),
  client = sealed("kong.client", client),
  router = sealed("kong.router", router),
  ip = sealed("kong.ip", ip),
  log = log,
  table = sealed("kong.table", tables),
  ctx = sealed("kong.ctx", {}, { shared = own_table("shared"), plugin = own_table("plugin") }),
  version = native.version,
})

-- ngx ---------------------------------------------------------------------------------------------------------

local VARIABLES = {
  request_uri = "target", uri = "path", args = "raw_query", query_string = "raw_query", host = "host", scheme = "scheme",
  request_method = "method", remote_addr = "address", realip_remote_addr = "peer", server_port = "port",
  server_protocol = "protocol_name", request_id = "request_id", kong_request_id = "request_id",
}

local function variable(name)
  if VARIABLES[name] then
    return tostring(ask(VARIABLES[name]))
  elseif begins_with(name, "http_") then
    return ask("header", sub(name, 6))
  elseif begins_with(name, "arg_") then
    local value = first(ask("query", 100)[sub(name, 5)])
    return value == true and "" or value
  elseif name == "content_type" then
    return ask("header", "content-type")
  elseif name == "content_length" then
    return ask("header", "content-length")
  end
  error("ngx.var." .. name .. " is not available here", 2)
end

local var = setmetatable({}, {
  __index = function(_, name)
    return variable(name)
  end,
  __newindex = function(_, name)
    error("ngx.var." .. tostring(name) .. " cannot be set here", 2)
  end,
})

local req = {
  get_method = request.get_method, get_headers = request.get_headers, get_uri_args = request.get_query,
  http_version = request.get_http_version, clear_header = service_request.clear_header,
}

function req.start_time()
  return ask("start_time") / 1000
end

function req.read_body() end

function req.get_body_data()
  local body = ask("body")
  return body ~= "" and body or nil
end

function req.get_post_args(max)
  local body, problem = ask("body")
  if not body then
    return nil, problem
  end
  return native.decode_args(body, limit("max_args", max))
end

function req.set_header(name, value)
  if value == nil then
    return service_request.clear_header(name)
  end
  service_request.set_header(name, value)
end

local header = setmetatable({}, {
  __index = function(_, name)
    local value = headers_of("response_headers", 1000)[name]
    return value
  end,
  __newindex = function(_, name, value)
    if value == nil then
      response.clear_header(name)
    else
      response.set_header(name, value)
    end
  end,
})

local arg = setmetatable({}, {
  __index = function(_, place)
    if place == 1 then
      return ask("response_body")
    end
    ask("response_body")
    return place == 2 or nil
  end,
  __newindex = function(_, place, value)
    if place == 1 then
      ask("set_response_body", value == nil and "" or tostring(value))
    end
  end,
})

local re = {}

function re.match(subject, regex, options)
  local found, problem = native.regex(subject, regex, options or "", 1)
  return found and found.captures, problem
end

function re.find(subject, regex, options)
  local found, problem = native.regex(subject, regex, options or "", 1)
  if not found then
    return nil, nil, problem
  end
  return found.from, found.to
end

local function filled(template, captures)
  local parts, place = {}, 1
  while true do
    local from, to, name = native.pattern(template, "%$({?[%w_]*}?)", place)
    if not from then
      break
    end
    parts[#parts + 1] = sub(template, place, from - 1)
    if name == "" and sub(template, to + 1, to + 1) == "$" then
      parts[#parts + 1], to = "$", to + 1
    else
      if byte(name) == 123 then
        name = sub(name, 2, -2)
      end
      parts[#parts + 1] = captures[tonumber(name) or name] or ""
    end
    place = to + 1
  end
  parts[#parts + 1] = sub(template, place)
  return concat(parts)
end

local function replaced(subject, regex, replace, options, most)
  local parts, place, count = {}, 1, 0
  while count < most and place <= #subject + 1 do
    local found, problem = native.regex(subject, regex, options or "", place)
    if problem then
      return nil, 0, problem
    elseif not found then
      break
    end
    count = count + 1
    parts[#parts + 1] = sub(subject, place, found.from - 1)
    if type(replace) == "function" then
      parts[#parts + 1] = tostring(replace(found.captures))
    else
      parts[#parts + 1] = filled(replace, found.captures)
    end
    place = found.to + 1
    if found.to < found.from then
      parts[#parts + 1] = sub(subject, place, place)
      place = place + 1
    end
  end
  parts[#parts + 1] = sub(subject, place)
  return concat(parts), count
end

function re.sub(subject, regex, replace, options)
  return replaced(subject, regex, replace, options, 1)
end

function re.gsub(subject, regex, replace, options)
  return replaced(subject, regex, replace, options, 1e15)
end

local ngx_members = {
  var = var, req = sealed("ngx.req", req), header = header, arg = arg, re = sealed("ngx.re", re), null = native.null,
  now = native.now, time = native.time, update_time = function() end, http_time = native.http_time,
  cookie_time = native.cookie_time, parse_http_time = native.parse_http_time, today = native.today,
  utctime = native.utctime, encode_base64 = native.encode_base64, decode_base64 = native.decode_base64,
  escape_uri = native.escape, unescape_uri = native.unescape, sha1_bin = native.sha1_bin,
  hmac_sha1 = native.hmac_sha1, crc32_short = native.crc32, crc32_long = native.crc32,
  STDERR = 0, EMERG = 1, ALERT = 2, CRIT = 3, ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8,
  OK = 0, ERROR = -1, AGAIN = -2, DONE = -4, DECLINED = -5,
}

for name, status in pairs(native.statuses) do
  ngx_members["HTTP_" .. name] = status
end

function ngx_members.get_phase()
  return ask("phase")
end

function ngx_members.log(level, ...)
  ask("log", level, text_of(...))
end

function ngx_members.encode_args(args)
  expect("table", args, "args")
  return arguments(args)
end

function ngx_members.decode_args(text, max)
  return native.decode_args(text, limit("max_args", max))
end

local ngx = sealed("ngx", ngx_members, {
  status = function()
    return ask("status")
  end,
  ctx = own_table("ngx"),
})
do
  local protect = getmetatable(ngx).__newindex
  getmetatable(ngx).__newindex = function(self, key, value)
    if key ~= "status" then
      return protect(self, key)
    end
    response.set_status(value)
  end
end

-- Lua itself --------------------------------------------------------------------------------------------------

local function settled(is_right, ...)
  if native.is_over() then
    error(STOP, 0)
  end
  if is_right then
    return true, ...
  end
  return false, native.message_of((...))
end

-- What takes time inside of Lua's own functions, where nothing counts it, is paid for before.
local function costly(run, cost)
  return function(value, ...)
    native.charge(cost(value))
    return run(value, ...)
  end
end

local function by_bytes(text)
  return type(text) == "string" and #text / 16 or 0
end

local function by_members(list)
  return type(list) == "table" and #list or 0
end

local strings = {}
for _, name in ipairs({ "byte", "char", "len", "sub" }) do
  strings[name] = string[name]
end
for _, name in ipairs({ "lower", "upper", "reverse" }) do
  strings[name] = costly(string[name], by_bytes)
end
strings.rep = native.rep

function strings.format(template, ...)
  local cost = 0
  for i = 1, select("#", ...) do
    cost = cost + by_bytes((select(i, ...)))
  end
  native.charge(cost)
  return format(template, ...)
end

function strings.find(text, pattern, init, is_plain)
  if is_plain then
    return native.plain_find(text, pattern, init)
  end
  return native.pattern(text, pattern, init)
end

local function captures_or_all(text, from, to, ...)
  if not from then
    return nil
  elseif select("#", ...) == 0 then
    return sub(text, from, to)
  end
  return ...
end

function strings.match(text, pattern, init)
  return captures_or_all(text, native.pattern(text, pattern, init))
end

function strings.gmatch(text, pattern)
  local place = 1
  local function following(from, to, ...)
    if from then
      place = to < from and from + 1 or to + 1
    else
      place = #text + 2
    end
    return captures_or_all(text, from, to, ...)
  end
  return function()
    if place > #text + 1 then
      return nil
    end
    return following(native.pattern(text, pattern, place))
  end
end

local function replacement(with, text, from, to, ...)
  local whole = sub(text, from, to)
  local value
  if type(with) == "function" then
    value = with(captures_or_all(text, from, to, ...))
  elseif type(with) == "table" then
    value = with[(captures_or_all(text, from, to, ...))]
  else
    return native.fill(with, whole, ...)
  end
  if not value then
    return whole
  elseif type(value) ~= "string" and type(value) ~= "number" then
    error("invalid replacement value (a " .. type(value) .. ")", 3)
  end
  return tostring(value)
end

function strings.gsub(text, pattern, with, most)
  text = tostring(text)
  if type(with) == "number" then
    with = tostring(with)
  elseif type(with) ~= "string" and type(with) ~= "table" and type(with) ~= "function" then
    error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
  end
  local parts, place, count, is_anchored = {}, 1, 0, byte(pattern) == 94
  local function step(from, to, ...)
    if not from then
      return false
    end
    count = count + 1
    parts[#parts + 1] = sub(text, place, from - 1)
    parts[#parts + 1] = replacement(with, text, from, to, ...)
    place = to + 1
    if to < from then
      parts[#parts + 1] = sub(text, place, place)
      place = place + 1
    end
    return not is_anchored
  end
  repeat
    local goes_on = (not most or count < most) and place <= #text + 1 and step(native.pattern(text, pattern, place))
  until not goes_on
  parts[#parts + 1] = sub(text, place)
  return concat(parts), count
end

-- Methods of texts look here.
for name in pairs(string) do
  string[name] = strings[name]
end
for name, run in pairs(strings) do
  string[name] = run
end

local function picked(from, names)
  local found = {}
  for name in names:gmatch("[%w_]+") do
    found[name] = from[name]
  end
  return found
end

local lists = picked(table, "getn maxn")
lists.unpack = costly(unpack, by_members)
lists.concat = costly(concat, by_members)
lists.insert = costly(table.insert, function(list) return by_members(list) / 8 end)
lists.remove = costly(table.remove, function(list) return by_members(list) / 8 end)
lists.sort = costly(sort, function(list) return by_members(list) * 8 end)

local base = picked(_G, "_VERSION assert error ipairs next pairs select tonumber tostring type")
base.unpack = lists.unpack
base.string = sealed("string", strings)
base.table = sealed("table", lists)
base.math = sealed("math", picked(math, [[abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10
  max min modf pi pow rad random sin sinh sqrt tan tanh]]))
base.os = sealed("os", picked(os, "clock date difftime time"))
base.bit = sealed("bit", native.bit)
base.kong, base.ngx = kong, ngx

function base.print(...)
  loggers.notice(...)
end

function base.pcall(run, ...)
  return settled(pcall(run, ...))
end

function base.xpcall(run, handler)
  return settled(xpcall(run, function(problem)
    if native.is_over() then
      return problem
    end
    return handler(native.message_of(problem))
  end))
end

-- Each function has its own variables and sees nobody else's.
return function(run)
  return setfenv(run, setmetatable({}, { __index = base }))
end
