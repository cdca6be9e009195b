//! Documents over HTTP for threads that may block: from where a certificate says, by the proxies that are configured, and
//! from nowhere else.

use crate::http_call::{self, Target};
use crate::net::Endpoint;
use crate::oidc::documents;
use std::io::Read;
use std::time::{Duration, Instant};
use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

#[derive(Clone, Debug)]
pub struct Ways {
    pub timeout: Duration,
    /// Host and port.
    pub http_proxy: Option<(Box<str>, u16)>,
    pub https_proxy: Option<(Box<str>, u16)>,
}

const ASKS: &str = "application/ocsp-request";

impl Ways {
    /// The body of what answers, of at most so many bytes; `question` is sent to a responder. The reason quotes nothing of
    /// what came.
    pub fn fetch(
        &self,
        url: &str,
        question: Option<&[u8]>,
        longest: usize,
        deadline: Instant,
    ) -> Result<Vec<u8>, String> {
        let place: Uri = url.parse().map_err(|_| "its URL cannot be read")?;
        let host = place.host().filter(|host| !host.is_empty()).ok_or("its URL has no host")?;
        let (status, body) = match place.scheme_str() {
            Some("https") => self.secure(&place, question, longest, deadline)?,
            Some("http") => self.plain(&place, host, question, longest, deadline)?,
            _ => return Err("its URL is none of http or https".to_owned()),
        };
        if status == 200 { Ok(body) } else { Err(format!("it answers with status {status}")) }
    }

    /// A proxy is told all of the URL (RFC 9112, section 3.2.2).
    fn plain(
        &self,
        place: &Uri,
        host: &str,
        question: Option<&[u8]>,
        longest: usize,
        deadline: Instant,
    ) -> Result<(u16, Vec<u8>), String> {
        let port = place.port_u16().unwrap_or(80);
        let authority = place.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let path = place.path_and_query().map_or("/", |path| path.as_str());
        let (to, port, target) = match &self.http_proxy {
            Some((proxy, port)) => (&**proxy, *port, format!("http://{authority}{path}")),
            None => (host, port, path.to_owned()),
        };
        let (method, told) = match question {
            Some(question) => ("POST", format!("Content-Type: {ASKS}\r\nContent-Length: {}\r\n", question.len())),
            None => ("GET", String::new()),
        };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{told}\r\n");
        let endpoint = Endpoint { host: to.to_owned(), port, tls: None };
        let request = [head.as_bytes(), question.unwrap_or_default()].concat();
        let target = Target { endpoint, keepalive: Duration::ZERO };
        let answer = http_call::call(&target, &request, longest, deadline).map_err(|error| error.to_string())?;
        Ok((answer.status, answer.body))
    }

    fn secure(
        &self,
        place: &Uri,
        question: Option<&[u8]>,
        longest: usize,
        deadline: Instant,
    ) -> Result<(u16, Vec<u8>), String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let proxy = self.https_proxy.as_ref().map(|(host, port)| {
            Proxy::builder(ProxyProtocol::Http).host(host).port(*port).resolve_target(false).build()
        });
        let proxy = proxy.transpose().map_err(|error| error.to_string())?;
        let agent = documents::agent_by(proxy, true, left);
        let answer = match question {
            Some(question) => agent.post(place).header("content-type", ASKS).send(question),
            None => agent.get(place).call(),
        };
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        let most = u64::try_from(longest).unwrap_or(u64::MAX);
        let reader = answer.into_body().into_reader();
        reader.take(most.saturating_add(1)).read_to_end(&mut body).map_err(|error| error.to_string())?;
        if body.len() > longest { Err("the answer is too long".to_owned()) } else { Ok((status, body)) }
    }
}
