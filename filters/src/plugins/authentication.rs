//! What all authentication plugins have in common: who counts as known, and what `anonymous` means (kong.md §5.1).

use crate::exchange::{Exchange, Identity, Verdict};
use crate::reply::Reply;
use crate::tables::{Consumer, Credential};
use std::ops::Deref;
use std::sync::Arc;

/// Whether the plugin has nothing to do: with `anonymous`, any one of several authentication plugins suffices.
pub fn is_settled(exchange: &Exchange<'_, '_>, anonymous: Option<&str>) -> bool {
    anonymous.is_some() && exchange.who.credential.is_some()
}

/// `identifier` is what the upstream is told of the credential.
pub fn accept(
    exchange: &mut Exchange<'_, '_>,
    consumer: &Arc<Consumer>,
    credential: &Credential,
    identifier: &str,
) -> Verdict {
    *exchange.who = Identity {
        consumer: Some(Arc::clone(consumer)),
        credential: Some(identifier.into()),
        credential_id: Some(credential.id.clone()),
        is_checked: true,
        ..Identity::default()
    };
    Verdict::Continue
}

/// Like `accept`, for a credential that is known by a user's name.
pub fn accept_user(exchange: &mut Exchange<'_, '_>, consumer: &Arc<Consumer>, credential: &Credential) -> Verdict {
    let verdict = accept(exchange, consumer, credential, &credential.index);
    exchange.who.has_username = true;
    verdict
}

/// For a user whom somebody else vouches for: no consumer belongs to one, and none that was found before stays.
pub fn accept_stranger(exchange: &mut Exchange<'_, '_>, username: &str, credential_id: &str) -> Verdict {
    *exchange.who = Identity {
        credential: Some(username.into()),
        credential_id: Some(credential_id.into()),
        has_username: true,
        is_checked: true,
        ..Identity::default()
    };
    Verdict::Continue
}

/// The refusal, unless `anonymous` names a consumer to whom such a request belongs; 500 if there is no such consumer.
pub fn refuse(exchange: &mut Exchange<'_, '_>, anonymous: Option<&str>, refusal: Reply) -> Verdict {
    let Some(name) = anonymous else { return Verdict::Reply(refusal) };
    let Some(consumer) = exchange.world.consumers.find(name) else {
        return Verdict::Reply(exchange.error(500, "An unexpected error occurred"));
    };
    *exchange.who =
        Identity { consumer: Some(Arc::clone(consumer)), is_anonymous: true, is_checked: true, ..Identity::default() };
    Verdict::Continue
}

/// Whether two digests are the same; the time that it takes tells nothing about where they differ.
pub fn is_same(digest: &str, other: &str) -> bool {
    use subtle::ConstantTimeEq;
    digest.as_bytes().ct_eq(other.as_bytes()).into()
}

/// Hexadecimal digits.
pub struct Digest([u8; 64]);

impl Deref for Digest {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The SHA-256 digest of a secret under the gateway's salt, as the control plane writes it.
pub fn digest(salt: &[u8], secret: &[u8]) -> Digest {
    use sha2::{Digest as _, Sha256};
    let mut digits = [0; 64];
    // Both arrays have fixed, fitting lengths.
    let _ = hex::encode_to_slice(Sha256::new().chain_update(salt).chain_update(secret).finalize(), &mut digits);
    Digest(digits)
}
