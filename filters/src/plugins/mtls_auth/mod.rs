//! The plugin mtls-auth: callers are known by the certificate that they show in the TLS handshake (kong.md §6.2).

mod authorities;
mod holder;
mod names;
mod places;
mod remembered;
mod revocation;
#[cfg(test)]
mod tests;

use crate::client_certificate;
use crate::error::ConfigError;
use crate::exchange::{Exchange, Identity, Verdict};
use crate::plugins::{Plugin, authentication};
use crate::tables::{Consumer, Credential};
use crate::text::header_value;
use crate::waiting::{NotDone, Outcome};
use authorities::{Authorities, Given, Verified};
use holder::Holder;
use revocation::{Asking, Mode, Status, Ways};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "mtls-auth";
const NOT_SENT: &str = "No required TLS certificate was sent";
const NOT_VERIFIED: &str = "TLS certificate failed verification";

#[derive(Debug)]
struct MtlsAuth {
    authorities: Authorities,
    /// Id or username of the consumer to whom a request without a valid certificate belongs.
    anonymous: Option<Box<str>>,
    /// The same, for a certificate that is valid and names no consumer.
    default_consumer: Option<Box<str>>,
    consumer_by: Vec<ConsumerBy>,
    skips_consumers: bool,
    group_by: GroupBy,
    revocation: Mode,
    asking: Asking,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    authorities: Vec<Given>,
    allow_partial_chain: bool,
    anonymous: Option<Box<str>>,
    default_consumer: Option<Box<str>>,
    consumer_by: Vec<ConsumerBy>,
    skip_consumer_lookup: bool,
    authenticated_group_by: GroupBy,
    revocation_check_mode: Mode,
    /// In milliseconds, as is the next.
    http_timeout: f64,
    cert_cache_ttl: f64,
    http_proxy_host: Option<Box<str>>,
    http_proxy_port: Option<u16>,
    https_proxy_host: Option<Box<str>>,
    https_proxy_port: Option<u16>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ConsumerBy {
    Username,
    CustomId,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum GroupBy {
    Cn,
    Dn,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: Config = serde_json::from_value(config)?;
    for (field, name) in [("anonymous", &config.anonymous), ("default_consumer", &config.default_consumer)] {
        if name.as_deref() == Some("") {
            return Err(ConfigError::Invalid(format!("{field} must name a consumer").into()));
        }
    }
    let asking = Asking {
        ways: Ways {
            timeout: milliseconds(config.http_timeout),
            http_proxy: config.http_proxy_host.zip(config.http_proxy_port),
            https_proxy: config.https_proxy_host.zip(config.https_proxy_port),
        },
        lifetime: milliseconds(config.cert_cache_ttl),
    };
    Ok(Box::new(MtlsAuth {
        authorities: Authorities::read(config.authorities, config.allow_partial_chain)?,
        anonymous: config.anonymous,
        default_consumer: config.default_consumer,
        consumer_by: config.consumer_by,
        skips_consumers: config.skip_consumer_lookup,
        group_by: config.authenticated_group_by,
        revocation: config.revocation_check_mode,
        asking,
    }))
}

/// Nothing and less is no time.
fn milliseconds(count: f64) -> Duration {
    Duration::try_from_secs_f64(count / 1000.0).unwrap_or_default()
}

impl Plugin for MtlsAuth {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if authentication::is_settled(exchange, self.anonymous.as_deref()) {
            return Verdict::Continue;
        }
        for name in ["x-client-cert-dn", "x-client-cert-san"] {
            exchange.upstream.remove(name);
        }
        exchange.note.clear();
        self.judge(exchange)
    }

    fn on_outcome(&self, exchange: &mut Exchange<'_, '_>, outcome: Outcome) -> Verdict {
        let status = match outcome.into::<Arc<Status>>() {
            Ok(status) => *status,
            Err(NotDone::TooLate) => Status::Unknown,
            // Who can be made to ask too much at once would be let in by that.
            Err(NotDone::TooMany | NotDone::Failed) => return self.refuse(exchange, NOT_VERIFIED),
        };
        exchange.note.push(status as u8);
        self.judge(exchange)
    }
}

/// What is known of a chain that somebody vouches for.
enum Standing {
    Passes,
    Refused,
    /// About the certificate at this place.
    Asks(usize),
}

impl MtlsAuth {
    fn verified(&self, chain: &[u8], now_ms: i64) -> Option<Arc<Verified>> {
        let now = u64::try_from(now_ms / 1000).ok()?;
        let key = remembered::key(&self.authorities, chain);
        if let Some(known) = remembered::find(&key, now) {
            return known;
        }
        let certificates = client_certificate::certificates(chain);
        let found = certificates.and_then(|chain| self.authorities.verify(&chain, now)).map(Arc::new);
        remembered::remember(key, &found, now);
        found
    }

    /// Also for what comes after an outcome: the note has a byte for each question that was answered.
    fn judge(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let Some(chain) = exchange.request.certificate.and_then(client_certificate::chain_in) else {
            return self.refuse(exchange, NOT_SENT);
        };
        let Some(verified) = self.verified(chain, exchange.now_ms()) else {
            return self.refuse(exchange, NOT_VERIFIED);
        };
        match self.standing(exchange, &verified) {
            Standing::Passes if self.skips_consumers => self.accept_holder(exchange, &verified.holder),
            Standing::Passes => self.accept(exchange, &verified),
            Standing::Refused => self.refuse(exchange, NOT_VERIFIED),
            Standing::Asks(place) => {
                let now = u64::try_from(exchange.now_ms() / 1000).unwrap_or_default();
                Verdict::Wait(self.asking.ask(verified, place, now))
            }
        }
    }

    /// Whether something of the chain was revoked.
    fn standing(&self, exchange: &mut Exchange<'_, '_>, verified: &Verified) -> Standing {
        if self.revocation == Mode::Skip {
            return Standing::Passes;
        }
        for (place, question) in verified.questions.iter().enumerate() {
            let status = match exchange.note.get(place) {
                Some(byte) => Status::from_byte(*byte),
                None if question.places.is_empty() => Status::Unknown,
                None => match self.asking.known(question) {
                    Some(status) => status,
                    None => return Standing::Asks(place),
                },
            };
            if !self.revocation.passes(status) {
                return Standing::Refused;
            }
            if place == exchange.note.len() {
                exchange.note.push(status as u8);
            }
        }
        Standing::Passes
    }

    fn accept(&self, exchange: &mut Exchange<'_, '_>, verified: &Verified) -> Verdict {
        let names = verified.holder.names();
        let world = exchange.world;
        if let Some((consumer, credential)) = self.mapped(exchange, verified) {
            return authentication::accept(exchange, consumer, credential, &credential.id);
        }
        let matching = names.iter().find_map(|name| {
            self.consumer_by.iter().find_map(|by| match by {
                ConsumerBy::Username => world.consumers.by_username(name),
                ConsumerBy::CustomId => world.consumers.by_custom_id(name),
            })
        });
        let default = || self.default_consumer.as_deref().and_then(|name| world.consumers.find(name));
        match matching.or_else(default) {
            Some(consumer) => accept_consumer(exchange, consumer),
            None => self.refuse(exchange, NOT_VERIFIED),
        }
    }

    /// By credentials: first those for an authority that the chain passes, then those for any.
    fn mapped<'w>(
        &self,
        exchange: &Exchange<'w, '_>,
        verified: &Verified,
    ) -> Option<(&'w Arc<Consumer>, &'w Credential)> {
        let consumers = &exchange.world.consumers;
        let (names, now_ms) = (verified.holder.names(), exchange.now_ms());
        let find = |authority: &str, name: &str| {
            let found = consumers.credential(NAME, &format!("{authority}/{name}"));
            found.filter(|(_, credential)| !credential.is_expired(now_ms))
        };
        let of = |authority: &str| names.iter().find_map(|name| find(authority, name));
        verified.authorities.iter().find_map(|authority| of(authority)).or_else(|| of(""))
    }

    /// Whoever it is: the upstream and the plugin acl are told what the certificate says.
    fn accept_holder(&self, exchange: &mut Exchange<'_, '_>, holder: &Holder) -> Verdict {
        let name = &holder.distinguished_name;
        let group = match self.group_by {
            GroupBy::Cn => holder.common_name.clone(),
            GroupBy::Dn => Some(name.clone()).filter(|name| !name.is_empty()),
        };
        if !name.is_empty() {
            exchange.upstream.set("x-client-cert-dn", header_value(name.as_bytes()));
        }
        if let Some(names) = holder.alternative_names.as_ref().filter(|names| !names.is_empty()) {
            exchange.upstream.set("x-client-cert-san", header_value(names.join(",").as_bytes()));
        }
        for told in ["x-consumer-id", "x-consumer-custom-id", "x-consumer-username", "x-credential-identifier"] {
            exchange.upstream.remove(told);
        }
        exchange.upstream.remove("x-anonymous-consumer");
        *exchange.who = Identity {
            credential: Some(name.clone()),
            credential_id: Some(name.clone()),
            groups: Some(group.into_iter().collect()),
            is_checked: true,
            is_told: true,
            ..Identity::default()
        };
        Verdict::Continue
    }

    fn refuse(&self, exchange: &mut Exchange<'_, '_>, message: &str) -> Verdict {
        let refusal = exchange.error(401, message);
        authentication::refuse(exchange, self.anonymous.as_deref(), refusal)
    }
}

/// Kong has no credential then but the consumer itself.
fn accept_consumer(exchange: &mut Exchange<'_, '_>, consumer: &Arc<Consumer>) -> Verdict {
    *exchange.who = Identity {
        credential: Some(consumer.id.clone()),
        credential_id: Some(consumer.id.clone()),
        consumer: Some(Arc::clone(consumer)),
        is_checked: true,
        ..Identity::default()
    };
    Verdict::Continue
}
