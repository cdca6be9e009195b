//! Whom a certificate names.

use super::names;
use std::net::{Ipv4Addr, Ipv6Addr};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The holder of a certificate, by all its names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Empty where the subject is.
    pub distinguished_name: Box<str>,
    pub common_name: Option<Box<str>>,
    /// None where the certificate does not have the extension.
    pub alternative_names: Option<Vec<Box<str>>>,
}

impl Holder {
    /// None where a name cannot be read.
    pub fn of(certificate: &Certificate) -> Option<Self> {
        let body = &certificate.tbs_certificate;
        let extensions = body.extensions.as_deref().unwrap_or_default();
        let extension =
            extensions.iter().find(|one| one.extn_id == <SubjectAltName as x509_cert::der::oid::AssociatedOid>::OID);
        let alternative_names = match extension {
            Some(found) => Some(texts(&SubjectAltName::from_der(found.extn_value.as_bytes()).ok()?)),
            None => None,
        };
        Some(Self {
            distinguished_name: names::written(&body.subject).into(),
            common_name: names::common_name(&body.subject).map(Box::from),
            alternative_names,
        })
    }

    /// By which a consumer is looked for, in this order: the common name counts where there are no others.
    pub fn names(&self) -> &[Box<str>] {
        self.alternative_names.as_deref().unwrap_or(self.common_name.as_slice())
    }

    pub fn size(&self) -> usize {
        let names = self.alternative_names.iter().flatten().chain(&self.common_name);
        self.distinguished_name.len() + names.map(|name| name.len() + size_of::<Box<str>>()).sum::<usize>()
    }
}

/// Names of other kinds name no consumer.
fn texts(names: &SubjectAltName) -> Vec<Box<str>> {
    names.0.iter().filter_map(text_of).filter(|text| !text.is_empty()).collect()
}

fn text_of(name: &GeneralName) -> Option<Box<str>> {
    match name {
        GeneralName::Rfc822Name(text) | GeneralName::DnsName(text) | GeneralName::UniformResourceIdentifier(text) => {
            Some(text.as_str().into())
        }
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<Box<str>> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| Ipv4Addr::from(octets).to_string());
    let text = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).to_string()));
    text.ok().map(Box::from)
}
