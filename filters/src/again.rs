//! What an upstream once answered, told again.

use crate::gateway::Filter;
use crate::headers::End;
use crate::remembered::Source;
use crate::reply::{Headers, Kept};
use crate::response::{response_via, text};
use crate::stream::Stream;
use crate::tables::Compat;
use crate::text::decimal;
use std::sync::Arc;
use std::time::Instant;

impl Filter {
    /// Kong says of what it has kept that it was proxied.
    pub(crate) fn reply_again(&mut self, mut status: u16, headers: Headers, kept: Kept, stream: &mut impl Stream) {
        self.proxied = Some(Instant::now());
        let Some(mut own) = self.headers_of_reply(headers, &mut status, Source::Exit, false) else {
            return self.refuse_response(stream);
        };
        let Kept { mut body, mut length } = kept;
        let given = match self.end.take() {
            Some(End::Body(given)) => Some(given),
            _ => None,
        };
        let rewrites = self.taking.iter().any(|taking| taking.rewrites) && !body.is_empty();
        if rewrites || given.is_some() {
            let given = given.unwrap_or_else(|| body.to_vec());
            let Some(rewritten) = self.rewritten(given) else { return self.refuse_response(stream) };
            length = u64::try_from(rewritten.len()).ok();
            body = Arc::new(rewritten);
        }
        own.push((":status".into(), decimal(status.into())));
        own.extend(length.map(|length| ("content-length".into(), decimal(length))));
        self.mark_again(&mut own, status);
        if self.is_head {
            return stream.send_as_is(own, Vec::new());
        }
        stream.send_shared(own, body);
    }

    fn mark_again(&self, own: &mut Headers, status: u16) {
        let settings = self.settings();
        let has_server = own.iter().any(|(name, _)| name == "server");
        if settings.tokens.server && settings.compat == Compat::Kong3 && !has_server {
            own.push(("server".into(), text(&settings.server_token)));
        }
        if settings.tokens.via {
            own.retain(|(name, _)| name != "via");
            own.push(("via".into(), response_via(&[], settings)));
        }
        if settings.tokens.upstream_status {
            own.push(("x-kong-upstream-status".into(), decimal(status.into())));
        }
    }
}
