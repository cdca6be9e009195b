//! Lists of revoked certificates (RFC 5280, section 5), each fetched once for all certificates that name it.

use super::ocsp::is_signed;
use super::{Answered, Asking, LIFETIME_OF_FAILURE, Question, SKEW_S, Status};
use crate::journal::{self, Level};
use crate::oidc::{Answers, Fresh};
use crate::waiting::NotDone;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use webpki::{
    ALL_VERIFICATION_ALGS, BorrowedCertRevocationList, CertRevocationList, EndEntityCert, Error, ExpirationPolicy,
    KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, BitStringRef, IntRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::time::Time;

/// Of a list, in bytes.
pub const LONGEST: usize = 8 << 20;

/// The tag, in DER.
const SEQUENCE: u8 = 0x30;

/// In DER, or why there is none.
type Fetched = Result<Vec<u8>, String>;

static LISTS: LazyLock<Answers<Fetched>> = LazyLock::new(Answers::default);

/// Blocks.
pub fn answer(
    asking: &Asking,
    question: &Question,
    url: &str,
    now: u64,
    deadline: Instant,
) -> Result<Answered, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    let (own, place) = (asking.clone(), url.to_owned());
    let wait = LISTS.ask(asking.key(url.as_bytes()), left, move || {
        let value = own.ways.fetch(&place, None, LONGEST, deadline).map(in_der);
        let lifetime = own.lifetime.min(match value.as_deref().map(Head::of) {
            Ok(Ok(head)) => Duration::from_secs(head.until.unwrap_or(now).saturating_sub(now)),
            _ => LIFETIME_OF_FAILURE,
        });
        Fresh { lifetime, size: value.as_ref().map_or(0, Vec::len), value }
    });
    match wait.block().into::<Arc<Fetched>>() {
        Ok(list) => Ok(read(question, list.as_ref().as_ref()?, now)?),
        Err(NotDone::TooLate) => Err(NotDone::TooLate.to_string()),
        // Who can be made to ask too much at once would be let in by that.
        Err(NotDone::TooMany | NotDone::Failed) => Ok(Answered { status: Status::Unreadable, until: Some(now) }),
    }
}

fn in_der(list: Vec<u8>) -> Vec<u8> {
    match CertificateRevocationListDer::from_pem_slice(&list) {
        Ok(der) => der.to_vec(),
        Err(_) => list,
    }
}

/// What a list says of a certificate, if it is its issuer's and good now.
pub fn read(question: &Question, list: &[u8], now: u64) -> Result<Answered, &'static str> {
    let head = Head::of(list).map_err(|_| "its list cannot be read")?;
    if head.from > now.saturating_add(SKEW_S) {
        return Err("its list is of the future");
    }
    let found = if head.is_of_first_version { head.find(question, now) } else { find(question, list, now) };
    let status = match found {
        Ok(()) => Status::Good,
        Err(Error::CertRevoked) => Status::Revoked,
        Err(Error::CrlExpired { .. }) => return Err("its list is too old"),
        Err(Error::UnknownRevocationStatus) => {
            return Err("its list is of another issuer or of other certificates");
        }
        Err(Error::BadDer) => return Err("its list cannot be read"),
        Err(error) if is_of_a_kind_not_read(&error) => {
            tell_of_kind();
            Status::Unreadable
        }
        Err(_) => return Err("its list is not signed by who may"),
    };
    Ok(Answered { status, until: head.until })
}

/// It may say that the certificate was revoked.
fn is_of_a_kind_not_read(error: &Error) -> bool {
    matches!(
        error,
        Error::UnsupportedCriticalExtension
            | Error::UnsupportedCrlIssuingDistributionPoint
            | Error::UnsupportedDeltaCrl
            | Error::UnsupportedIndirectCrl
            | Error::UnsupportedRevocationReason
            | Error::UnsupportedRevocationReasonsPartitioning
            | Error::UnsupportedCrlSignatureAlgorithmContext(_)
            | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_)
    )
}

fn tell_of_kind() {
    let text = "mtls-auth: a certificate is refused: its list of revoked ones is of a kind that is not read (part of a list, \
                or of several issuers)";
    journal::tell(Level::Warning, text);
}

fn find(question: &Question, list: &[u8], now: u64) -> Result<(), Error> {
    checked(question, &BorrowedCertRevocationList::from_der(list)?.into(), now)
}

fn checked(question: &Question, list: &CertRevocationList<'_>, now: u64) -> Result<(), Error> {
    let ([leaf, between @ ..], Some((_, issuer))) = (question.chain.as_slice(), question.pair()) else {
        return Err(Error::UnknownRevocationStatus);
    };
    let between = between.split_last().map_or(between, |(_, between)| between);
    let lists = [list];
    let options = RevocationOptionsBuilder::new(&lists).map_err(|_| Error::UnknownRevocationStatus)?;
    let options = options.with_expiration_policy(ExpirationPolicy::Enforce);
    let options = if let Some(certificate) = between.last() {
        // The list need not know the certificates below.
        is_of_issuer(list, certificate)?;
        options.with_depth(RevocationCheckDepth::Chain).with_status_policy(UnknownStatusPolicy::Allow)
    } else {
        options.with_depth(RevocationCheckDepth::EndEntity).with_status_policy(UnknownStatusPolicy::Deny)
    };
    let anchors = [anchor_from_trusted_cert(issuer)?];
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let usage = KeyUsage::client_auth();
    let leaf = EndEntityCert::try_from(leaf)?;
    leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, between, now, usage, Some(options.build()), None)?;
    Ok(())
}

/// And of all of the issuer's certificates.
fn is_of_issuer(list: &CertRevocationList<'_>, certificate: &CertificateDer<'_>) -> Result<(), Error> {
    let parsed = Certificate::from_der(certificate).map_err(bad)?;
    let issuer = parsed.tbs_certificate.issuer.to_der().map_err(bad)?;
    if list.issuer() != AnyRef::from_der(&issuer).map_err(bad)?.value() {
        return Err(Error::UnknownRevocationStatus);
    }
    match list.issuing_distribution_point() {
        Some(_) => Err(Error::UnsupportedCrlIssuingDistributionPoint),
        None => Ok(()),
    }
}

fn bad(_: x509_cert::der::Error) -> Error {
    Error::BadDer
}

/// A list, as far as it is needed beside what rustls-webpki tells, which reads none of the first version: `openssl ca` makes
/// those unless it is told otherwise.
struct Head<'a> {
    signed: &'a [u8],
    algorithm: &'a [u8],
    signature: BitStringRef<'a>,
    is_of_first_version: bool,
    issuer: &'a [u8],
    /// Since when and until when it is good, in seconds since 1970.
    from: u64,
    until: Option<u64>,
    revoked: &'a [u8],
}

impl<'a> Head<'a> {
    fn of(list: &'a [u8]) -> Result<Self, x509_cert::der::Error> {
        let mut outer = SliceReader::new(AnyRef::from_der(list)?.value())?;
        let signed = outer.tlv_bytes()?;
        let (algorithm, signature) = (outer.tlv_bytes()?, BitStringRef::decode(&mut outer)?);
        let mut parts = SliceReader::new(AnyRef::from_der(signed)?.value())?;
        let is_of_first_version = Option::<u8>::decode(&mut parts)?.is_none();
        let is_same_algorithm = parts.tlv_bytes()? == algorithm;
        let issuer = parts.tlv_bytes()?;
        let seconds = |time: Time| time.to_unix_duration().as_secs();
        let from = seconds(Time::decode(&mut parts)?);
        let until = Option::<Time>::decode(&mut parts)?.map(seconds);
        let revoked = match parts.peek_byte() {
            Some(SEQUENCE) => AnyRef::decode(&mut parts)?.value(),
            _ => &[],
        };
        if !is_same_algorithm || (is_of_first_version && !parts.is_finished()) {
            return Err(x509_cert::der::ErrorKind::Failed.into());
        }
        Ok(Self { signed, algorithm, signature, is_of_first_version, issuer, from, until, revoked })
    }

    /// Of the first version, which has no extensions: all of its issuer's certificates are meant.
    fn find(&self, question: &Question, now: u64) -> Result<(), Error> {
        let (certificate, issuer) = question.pair().ok_or(Error::UnknownRevocationStatus)?;
        let body = Certificate::from_der(certificate).map_err(bad)?.tbs_certificate;
        if body.issuer.to_der().map_err(bad)? != self.issuer {
            return Err(Error::UnknownRevocationStatus);
        }
        let key = Certificate::from_der(issuer).map_err(bad)?.tbs_certificate.subject_public_key_info;
        let signature = self.signature.as_bytes().ok_or(Error::BadDer)?;
        if !is_signed(&key.to_der().map_err(bad)?, self.algorithm, self.signed, signature) {
            return Err(Error::InvalidCrlSignatureForPublicKey);
        }
        let time = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        if self.until.is_none_or(|until| until < now) {
            let next_update = time(self.until.unwrap_or_default());
            return Err(Error::CrlExpired { time: time(now), next_update });
        }
        let is_on_it = self.has(body.serial_number.as_bytes()).map_err(bad)?;
        if is_on_it { Err(Error::CertRevoked) } else { Ok(()) }
    }

    fn has(&self, serial: &[u8]) -> Result<bool, x509_cert::der::Error> {
        let mut entries = SliceReader::new(self.revoked)?;
        while !entries.is_finished() {
            let mut entry = SliceReader::new(AnyRef::decode(&mut entries)?.value())?;
            if IntRef::decode(&mut entry)?.as_bytes() == serial {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
