//! Distinguished names as nginx and OpenSSL write them (RFC 2253): the last part first, short names for known attributes.

use std::fmt::Write;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{BmpString, Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Encode, Tag, Tagged};
use x509_cert::name::Name;

const COMMON_NAME: &str = "2.5.4.3";

/// OpenSSL's.
const SHORT_NAMES: [(&str, &str); 29] = [
    (COMMON_NAME, "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.16", "postalAddress"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.20", "telephoneNumber"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.3", "mail"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
];

/// The first of several.
pub fn common_name(name: &Name) -> Option<String> {
    let mut parts = name.0.iter().flat_map(|part| part.0.iter());
    text_of(parts.find(|part| part.oid.to_string() == COMMON_NAME)?)
}

pub fn written(name: &Name) -> String {
    let mut out = String::new();
    for (place, part) in name.0.iter().rev().enumerate() {
        for (index, attribute) in (0..part.0.len()).rev().filter_map(|index| part.0.get(index)).enumerate() {
            match (place, index) {
                (0, 0) => (),
                (_, 0) => out.push(','),
                _ => out.push('+'),
            }
            write_attribute(&mut out, attribute);
        }
    }
    out
}

fn write_attribute(out: &mut String, attribute: &AttributeTypeAndValue) {
    let number = attribute.oid.to_string();
    let short = SHORT_NAMES.iter().find(|(known, _)| *known == number).map(|(_, short)| *short);
    out.push_str(short.unwrap_or(&number));
    out.push('=');
    match text_of(attribute).filter(|_| short.is_some()) {
        Some(text) => write_escaped(out, &text),
        None => {
            let der = attribute.value.to_der().unwrap_or_default();
            out.push('#');
            out.push_str(&hex::encode_upper(der));
        }
    }
}

/// None for a value that is no text.
fn text_of(attribute: &AttributeTypeAndValue) -> Option<String> {
    let value = &attribute.value;
    match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::PrintableString => value.decode_as::<PrintableStringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::TeletexString => value.decode_as::<TeletexStringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::BmpString => value.decode_as::<BmpString>().ok().map(|text| text.chars().collect()),
        _ => None,
    }
}

/// RFC 2253 §2.4; bytes beyond ASCII by their numbers, as OpenSSL does.
fn write_escaped(out: &mut String, text: &str) {
    let last = text.len().saturating_sub(1);
    for (place, byte) in text.bytes().enumerate() {
        let is_special = b",+\"\\<>;".contains(&byte)
            || (place == 0 && matches!(byte, b'#' | b' '))
            || (place == last && byte == b' ');
        if is_special {
            out.push('\\');
            out.push(byte.into());
        } else if (b' '..0x7f).contains(&byte) {
            out.push(byte.into());
        } else {
            // Writing to a string never fails.
            let _ = write!(out, "\\{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_cert::der::Decode;

    fn name(der: &str) -> Name {
        Name::from_der(&hex::decode(der).unwrap()).unwrap()
    }

    #[test]
    fn as_openssl_writes_them() {
        for (der, expected, common) in [
            (
                "3031310b300906035504061302444531133011060355040a0c0a45782c20496e632e2b3b310d300b06035504030c04616e6e20",
                "CN=ann\\ ,O=Ex\\, Inc.\\+\\;,C=DE",
                Some("ann "),
            ),
            // An attribute that nobody knows.
            (
                "301f310e300c06035504030c0523c3a40a41310d300b06032a03040c04616e6e21",
                "1.2.3.4=#0C04616E6E21,CN=\\#\\C3\\A4\\0AA",
                Some("#ä\nA"),
            ),
            // Two in one part, and two old kinds of texts.
            (
                "303e311b300806035504030c0161300f060a0992268993f22c6401010c01623112301006092a864886f70d01090116036340643\
                 10b300906035504071e024e2d",
                "L=\\E4\\B8\\AD,emailAddress=c@d,UID=b+CN=a",
                Some("a"),
            ),
            ("3000", "", None),
        ] {
            let name = name(der);
            assert_eq!(written(&name), expected);
            assert_eq!(common_name(&name).as_deref(), common);
        }
    }
}
