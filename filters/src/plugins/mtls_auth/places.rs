//! Whom a certificate names who can tell whether it was revoked (RFC 5280, sections 4.2.1.13 and 4.2.2.1).

use x509_cert::Certificate;
use x509_cert::der::oid::{AssociatedOid, ObjectIdentifier};
use x509_cert::der::{Decode, Error};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, CrlDistributionPoints};

/// Of those that a certificate names as many are asked, of each kind.
const MOST: usize = 4;
/// In bytes, of a URL.
const LONGEST: usize = 2048;
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// URLs of OCSP responders.
    pub responders: Vec<Box<str>>,
    /// URLs of lists of revoked certificates.
    pub lists: Vec<Box<str>>,
    /// It names others, which cannot be asked: by LDAP, in words that cannot be read, or too many.
    pub has_others: bool,
}

impl Places {
    pub fn of(certificate: &Certificate) -> Self {
        let mut places = Self::default();
        for extension in certificate.tbs_certificate.extensions.iter().flatten() {
            let bytes = extension.extn_value.as_bytes();
            let read = match extension.extn_id {
                AuthorityInfoAccessSyntax::OID => places.read_responders(bytes),
                CrlDistributionPoints::OID => places.read_lists(bytes),
                _ => Ok(()),
            };
            places.has_others |= read.is_err();
        }
        places
    }

    pub fn is_empty(&self) -> bool {
        self.responders.is_empty() && self.lists.is_empty() && !self.has_others
    }

    pub fn size(&self) -> usize {
        let urls = self.responders.iter().chain(&self.lists);
        size_of::<Self>() + urls.map(|url| url.len() + size_of::<Box<str>>()).sum::<usize>()
    }

    fn read_responders(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let access = AuthorityInfoAccessSyntax::from_der(bytes)?;
        for one in access.0.iter().filter(|one| one.access_method == OCSP) {
            self.has_others |= !add(&mut self.responders, &one.access_location);
        }
        Ok(())
    }

    fn read_lists(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for point in CrlDistributionPoints::from_der(bytes)?.0 {
            match point.distribution_point {
                Some(DistributionPointName::FullName(names)) => {
                    for name in &names {
                        self.has_others |= !add(&mut self.lists, name);
                    }
                }
                _ => self.has_others = true,
            }
        }
        Ok(())
    }
}

/// Whether it is one that can be asked.
fn add(urls: &mut Vec<Box<str>>, name: &GeneralName) -> bool {
    let GeneralName::UniformResourceIdentifier(url) = name else {
        return false;
    };
    let url = url.as_str();
    let is_http = ["http://", "https://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if !is_http || url.len() > LONGEST || urls.len() == MOST {
        return false;
    }
    urls.push(url.into());
    true
}
