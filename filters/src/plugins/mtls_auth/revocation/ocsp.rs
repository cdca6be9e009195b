//! Questions to a responder, and which of its answers are believed (RFC 6960).

use super::{Answered, SKEW_S, Status};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, RawPublicKeyEntity, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, Null, ObjectIdentifier, OctetString};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::Extensions;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse, OcspResponseStatus, Request,
    SingleResponse, TbsRequest,
};

/// Of an answer, in bytes.
pub const LONGEST: usize = 64 * 1024;

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// `id-kp-OCSPSigning`, as it stands in a certificate.
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
/// An answer that does not say when the next one comes is good for so long after it was true.
const GOOD_FOR_S: u64 = 24 * 60 * 60;

type Read<T> = Result<T, &'static str>;

pub struct Asked<'a> {
    /// In DER.
    pub request: Vec<u8>,
    id: CertId,
    issuer: &'a CertificateDer<'a>,
    issuer_key: Vec<u8>,
}

impl<'a> Asked<'a> {
    /// SHA-1 names the issuer here and protects nothing: all responders know it (RFC 5019, section 2.1.1).
    pub fn new(certificate: &CertificateDer<'_>, issuer: &'a CertificateDer<'a>) -> Option<Self> {
        let (certificate, authority) = (Certificate::from_der(certificate).ok()?, Certificate::from_der(issuer).ok()?);
        let key = &authority.tbs_certificate.subject_public_key_info;
        let hash = |data: &[u8]| OctetString::new(digest(&SHA1_FOR_LEGACY_USE_ONLY, data).as_ref()).ok();
        let id = CertId {
            hash_algorithm: AlgorithmIdentifierOwned { oid: SHA1, parameters: Some(Null.into()) },
            issuer_name_hash: hash(&certificate.tbs_certificate.issuer.to_der().ok()?)?,
            issuer_key_hash: hash(key.subject_public_key.raw_bytes())?,
            serial_number: certificate.tbs_certificate.serial_number,
        };
        let asked = Request { req_cert: id.clone(), single_request_extensions: None };
        let tbs_request = TbsRequest { request_list: vec![asked], ..TbsRequest::default() };
        let request = OcspRequest { tbs_request, optional_signature: None }.to_der().ok()?;
        Some(Self { request, id, issuer, issuer_key: key.to_der().ok()? })
    }

    /// What an answer says, if it is one to this question, good now, and signed by who may.
    pub fn read(&self, answer: &[u8], now: u64) -> Read<Answered> {
        let response = OcspResponse::from_der(answer).map_err(|_| "its answer cannot be read")?;
        if response.response_status != OcspResponseStatus::Successful {
            return Err("it refuses to answer");
        }
        let bytes = response.response_bytes.ok_or("its answer is empty")?;
        if bytes.response_type != BasicOcspResponse::OID {
            return Err("its answer is of an unknown kind");
        }
        let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(|_| "its answer cannot be read")?;
        self.check_signature(&basic, signed_part(bytes.response.as_bytes())?, now)?;
        refuse_critical(basic.tbs_response_data.response_extensions.as_ref())?;
        let answers = basic.tbs_response_data.responses.iter().filter(|one| self.is_about(one));
        let read: Vec<_> = answers.map(|one| answered(one, now)).collect::<Read<_>>()?;
        let revoked = read.iter().find(|one| one.status == Status::Revoked);
        revoked.or(read.first()).copied().ok_or("its answer is about another certificate")
    }

    fn is_about(&self, answer: &SingleResponse) -> bool {
        let id = &answer.cert_id;
        id.hash_algorithm.oid == SHA1
            && id.issuer_name_hash == self.id.issuer_name_hash
            && id.issuer_key_hash == self.id.issuer_key_hash
            && id.serial_number == self.id.serial_number
    }

    /// By the issuer, or by whom the issuer itself certifies for that (section 4.2.2.2).
    fn check_signature(&self, basic: &BasicOcspResponse, signed: &[u8], now: u64) -> Read<()> {
        let algorithm = basic.signature_algorithm.to_der().map_err(|_| "its answer cannot be read")?;
        let signature = basic.signature.as_bytes().ok_or("its answer cannot be read")?;
        let is_signed_by = |key: &[u8]| is_signed(key, &algorithm, signed, signature);
        if is_signed_by(&self.issuer_key) {
            return Ok(());
        }
        let mut keys = basic.certs.iter().flatten().filter_map(|one| self.key_of_delegate(one, now));
        if keys.any(|key| is_signed_by(&key)) { Ok(()) } else { Err("its answer is not signed by who may") }
    }

    fn key_of_delegate(&self, certificate: &Certificate, now: u64) -> Option<Vec<u8>> {
        let der = CertificateDer::from(certificate.to_der().ok()?);
        let anchors = [anchor_from_trusted_cert(self.issuer).ok()?];
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        let usage = KeyUsage::required(OCSP_SIGNING);
        let delegate = EndEntityCert::try_from(&der).ok()?;
        delegate.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &[], now, usage, None, None).ok()?;
        certificate.tbs_certificate.subject_public_key_info.to_der().ok()
    }
}

fn answered(answer: &SingleResponse, now: u64) -> Read<Answered> {
    refuse_critical(answer.single_extensions.as_ref())?;
    let seconds = |time: &OcspGeneralizedTime| time.0.to_unix_duration().as_secs();
    let from = seconds(&answer.this_update);
    let until = answer.next_update.as_ref().map_or(from.saturating_add(GOOD_FOR_S), seconds);
    if from > now.saturating_add(SKEW_S) {
        return Err("its answer is of the future");
    }
    if until.saturating_add(SKEW_S) < now {
        return Err("its answer is too old");
    }
    let status = match answer.cert_status {
        CertStatus::Good(_) => Status::Good,
        CertStatus::Revoked(_) => Status::Revoked,
        CertStatus::Unknown(_) => Status::Unknown,
    };
    Ok(Answered { status, until: Some(until) })
}

/// What is critical and not understood here may change what the answer means.
fn refuse_critical(extensions: Option<&Extensions>) -> Read<()> {
    let is_critical = extensions.into_iter().flatten().any(|one| one.critical);
    if is_critical { Err("its answer has conditions that are not understood") } else { Ok(()) }
}

/// As it came, of a `BasicOCSPResponse`.
fn signed_part(basic: &[u8]) -> Read<&[u8]> {
    let read = || SliceReader::new(AnyRef::from_der(basic)?.value())?.tlv_bytes();
    read().map_err(|_| "its answer cannot be read")
}

/// `algorithm` and `key` are in DER.
pub fn is_signed(key: &[u8], algorithm: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    let key = SubjectPublicKeyInfoDer::from(key);
    let (Ok(key), Ok(algorithm)) = (RawPublicKeyEntity::try_from(&key), AnyRef::from_der(algorithm)) else {
        return false;
    };
    let fitting = ALL_VERIFICATION_ALGS.iter().filter(|one| one.signature_alg_id().as_ref() == algorithm.value());
    fitting.into_iter().any(|one| key.verify_signature(*one, signed, signature).is_ok())
}
