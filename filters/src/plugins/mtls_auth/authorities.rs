//! Whether the authorities of one configuration vouch for a chain of certificates.

use super::holder::Holder;
use super::places::Places;
use super::revocation::Question;
use crate::error::ConfigError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode, Encode};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    id: Box<str>,
    /// DER in base64.
    der: Box<str>,
}

#[derive(Debug)]
struct Authority {
    id: Box<str>,
    der: CertificateDer<'static>,
    /// It may be where a chain ends.
    anchor: Option<TrustAnchor<'static>>,
    /// Seconds since 1970, first and last.
    valid: (u64, u64),
}

#[derive(Debug)]
pub struct Authorities {
    all: Vec<Authority>,
    /// Those that are nobody's roots, to get from a client's certificate to one.
    between: Vec<CertificateDer<'static>>,
    /// Tells these authorities from all others.
    pub fingerprint: [u8; 32],
}

/// A client that somebody vouches for.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    pub holder: Holder,
    /// Ids of the authorities that the chain passes, from the client's end.
    pub authorities: Vec<Box<str>>,
    /// What may have been revoked: the client's certificate first, then those that were sent with it and that no
    /// configuration names.
    pub questions: Vec<Question>,
    /// Seconds since 1970: the last moment at which all of the chain is valid.
    pub until: u64,
}

/// What leads from a client's certificate to an authority.
struct Path {
    authorities: Vec<Box<str>>,
    /// From the client's end, with the authority's.
    chain: Vec<CertificateDer<'static>>,
    until: u64,
}

impl Authorities {
    /// With `allows_partial_chain` any authority may be the end of a chain, else only one that signed itself.
    pub fn read(given: Vec<Given>, allows_partial_chain: bool) -> Result<Self, ConfigError> {
        let mut digest = Sha256::new().chain_update([u8::from(allows_partial_chain)]);
        let mut all = Vec::with_capacity(given.len());
        for one in given {
            let refuse = |why: &str| ConfigError::Invalid(format!("ca_certificates: {}: {why}", one.id).into());
            let der = STANDARD.decode(&*one.der).map_err(|_| refuse("its certificate is not base64"))?;
            let parsed = Certificate::from_der(&der).map_err(|_| refuse("its certificate cannot be read"))?;
            let der = CertificateDer::from(der);
            let is_root = parsed.tbs_certificate.subject == parsed.tbs_certificate.issuer;
            let anchor =
                anchor_from_trusted_cert(&der).map_err(|_| refuse("its certificate cannot be read"))?.to_owned();
            for part in [one.id.as_bytes(), der.as_ref()] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
            let anchor = (is_root || allows_partial_chain).then_some(anchor);
            all.push(Authority { valid: validity(&parsed), anchor, id: one.id, der });
        }
        let between = all.iter().filter(|one| one.anchor.is_none() || allows_partial_chain).map(|one| one.der.clone());
        Ok(Self { between: between.collect(), all, fingerprint: digest.finalize().into() })
    }

    /// The client's certificate comes first. None: nobody vouches for it, or not now.
    pub fn verify(&self, chain: &[CertificateDer<'static>], now: u64) -> Option<Verified> {
        let (leaf, sent) = chain.split_first()?;
        let parsed = Certificate::from_der(leaf).ok()?;
        let anchors: Vec<_> = self.all.iter().filter(|one| (one.valid.0..=one.valid.1).contains(&now)).collect();
        let path = if parsed.tbs_certificate.version == Version::V3 {
            self.path(leaf, sent, &anchors, now)?
        } else {
            let issuer = issuer_of_old(&parsed, &anchors)?;
            let chain = vec![leaf.clone(), issuer.der.clone()];
            Path { authorities: vec![issuer.id.clone()], chain, until: issuer.valid.1 }
        };
        let (from, to) = validity(&parsed);
        let is_valid = (from..=to).contains(&now);
        is_valid.then_some(())?;
        let questions = self.questions(&path.chain)?;
        let (authorities, until) = (path.authorities, path.until.min(to));
        Some(Verified { holder: Holder::of(&parsed)?, authorities, questions, until })
    }

    fn path(
        &self,
        leaf: &CertificateDer<'static>,
        sent: &[CertificateDer<'static>],
        valid: &[&Authority],
        now: u64,
    ) -> Option<Path> {
        let anchors: Vec<_> = valid.iter().filter_map(|one| one.anchor.clone()).collect();
        let between: Vec<_> = sent.iter().chain(&self.between).cloned().collect();
        let certificate = EndEntityCert::try_from(leaf).ok()?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        let usage = KeyUsage::client_auth();
        let path =
            certificate.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &between, now, usage, None, None).ok()?;
        let end = valid.iter().find(|one| one.anchor.as_ref().is_some_and(|anchor| is_same(anchor, path.anchor())))?;
        let between = path.intermediate_certificates().map(|one| one.der().into_owned());
        let chain = std::iter::once(leaf.clone()).chain(between).chain([end.der.clone()]).collect();
        Some(Path { authorities: self.passed(&path, end), chain, until: until(&path).min(end.valid.1) })
    }

    /// None where a certificate cannot be read.
    fn questions(&self, chain: &[CertificateDer<'static>]) -> Option<Vec<Question>> {
        let sent = (0..chain.len() - 1).filter(|place| self.all.iter().all(|one| one.der != chain[*place]));
        let question = |place: usize| {
            let certificate = Certificate::from_der(&chain[place]).ok()?;
            Some(Question::new(&chain[..place + 2], Places::of(&certificate)))
        };
        sent.map(question).collect()
    }

    fn passed(&self, path: &VerifiedPath<'_>, end: &Authority) -> Vec<Box<str>> {
        let passed = path.intermediate_certificates().map(|one| one.der());
        let known = passed.filter_map(|der| self.all.iter().find(|one| one.der == der)).map(|one| one.id.clone());
        known.chain([end.id.clone()]).collect()
    }
}

/// The last moment of what stands between the client's certificate and the anchor.
fn until(path: &VerifiedPath<'_>) -> u64 {
    let read = |der: CertificateDer<'_>| Certificate::from_der(&der).map_or(0, |one| validity(&one).1);
    path.intermediate_certificates().map(|one| read(one.der())).min().unwrap_or(u64::MAX)
}

fn is_same(one: &TrustAnchor<'_>, other: &TrustAnchor<'_>) -> bool {
    one.subject == other.subject && one.subject_public_key_info == other.subject_public_key_info
}

fn validity(certificate: &Certificate) -> (u64, u64) {
    let validity = certificate.tbs_certificate.validity;
    (validity.not_before.to_unix_duration().as_secs(), validity.not_after.to_unix_duration().as_secs())
}

/// Who signed a certificate of X.509's first version, as `openssl x509 -req` makes them: an anchor, without anything between,
/// since such a certificate says nothing about how it may be used.
fn issuer_of_old<'a>(certificate: &Certificate, valid: &[&'a Authority]) -> Option<&'a Authority> {
    let body = &certificate.tbs_certificate;
    let (issuer, signed) = (body.issuer.to_der().ok()?, body.to_der().ok()?);
    let named = content(&body.signature.to_der().ok()?)?.to_vec();
    let signature = certificate.signature.as_bytes()?;
    if body.signature != certificate.signature_algorithm || body.extensions.is_some() {
        return None;
    }
    valid.iter().copied().find(|one| {
        let Some(anchor) = one.anchor.as_ref().filter(|anchor| anchor.name_constraints.is_none()) else {
            return false;
        };
        let is_issuer = content(&issuer).is_some_and(|subject| subject == anchor.subject.as_ref());
        let signs = |signer: &EndEntityCert<'_>| {
            let fitting = ALL_VERIFICATION_ALGS.iter().filter(|one| one.signature_alg_id().as_ref() == named);
            fitting.into_iter().any(|algorithm| signer.verify_signature(*algorithm, &signed, signature).is_ok())
        };
        is_issuer && EndEntityCert::try_from(&one.der).is_ok_and(|signer| signs(&signer))
    })
}

/// Of a sequence in DER what stands in it.
fn content(der: &[u8]) -> Option<&[u8]> {
    x509_cert::der::asn1::AnyRef::from_der(der).ok().map(|any| any.value())
}

impl Verified {
    /// About, in bytes.
    pub fn size(&self) -> usize {
        let authorities = self.authorities.iter().map(|id| id.len() + size_of::<Box<str>>());
        self.holder.size() + authorities.chain(self.questions.iter().map(Question::size)).sum::<usize>()
    }
}
