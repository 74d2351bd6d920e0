//! Turns a user into whether its certificate and its key are there and are what they should be.
//!
//! Knows nothing of TLS, and not whether the two belong together.

use std::fs;

use data_encoding::BASE64;
use kube::config::AuthInfo;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use super::certificates;

/// Which field cannot be used, and why. What is given counts more than a file.
pub(super) fn check(user: &AuthInfo) -> Result<(), String> {
    let data = user.client_certificate_data.as_deref();
    let certificate = pem("client-certificate", data, user.client_certificate.as_deref())?;
    let data = user.client_key_data.as_ref().map(ExposeSecret::expose_secret);
    let key = pem("client-key", data, user.client_key.as_deref())?;
    match (certificate, key) {
        (None, None) => Ok(()),
        (Some(_), None) => Err("client-key: is not set, and client-certificate is".to_owned()),
        (None, Some(_)) => Err("client-certificate: is not set, and client-key is".to_owned()),
        (Some((field, certificate)), Some((key_field, key))) => {
            certificates(&certificate).map_err(|error| format!("{field}: {error}"))?;
            let key = PrivateKeyDer::from_pem_slice(&key);
            key.map(drop).map_err(|_| format!("{key_field}: holds no private key (PKCS8, PKCS1 or SEC1)"))
        }
    }
}

/// The name of the field and what it leads to.
fn pem(field: &str, data: Option<&str>, file: Option<&str>) -> Result<Option<(String, Vec<u8>)>, String> {
    let (field, pem) = match (data, file) {
        (Some(data), _) => {
            (format!("{field}-data"), BASE64.decode(data.as_bytes()).map_err(|error| error.to_string()))
        }
        (None, Some(file)) => {
            (format!("{field} {file}"), fs::read(file).map_err(|error| super::reason(&error)))
        }
        (None, None) => return Ok(None),
    };
    let pem = pem.map_err(|error| format!("{field}: {error}"))?;
    Ok(Some((field, pem)))
}
