//! Turns an `auth-provider` into whether its token can be sent.
//!
//! Knows nothing of how the token is got: the library does that, and trusts it.

use kube::config::AuthProviderConfig;

use super::fits_header;

/// Which option cannot be used, and why.
pub(super) fn check(provider: &AuthProviderConfig) -> Result<(), String> {
    let option = |name| provider.config.get(name);
    if let Some(token) = option("id-token") {
        return fits_header(token).map_err(|error| format!("auth-provider: its id-token is a token {error}"));
    }
    let has_expiry = option("token-key").is_some() && option("expiry-key").is_some();
    if option("cmd-path").is_some() && !has_expiry {
        // Only a token that expires is looked at before it is sent.
        return Err("auth-provider: cmd-path needs token-key and expiry-key".to_owned());
    }
    Ok(())
}
