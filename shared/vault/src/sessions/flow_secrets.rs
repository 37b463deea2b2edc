//! The PKCE verifier and the nonce of one authorization flow, encrypted under a key derived from `state` and the binding
//! cookie. The table holds only hashes of these, so its readers cannot redeem a code, and `authorize` needs no KMS.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use entra::authorization::State;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Binding;
use crate::Error;

const FIELD: &str = "authorization request";

/// The secrets that the callback needs to redeem the code.
pub struct FlowSecrets {
    /// RFC 7636's `code_verifier`.
    pub code_verifier: SecretString,
    /// OpenID Connect's `nonce`.
    pub nonce: entra::authorization::Nonce,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    code_verifier: Zeroizing<String>,
    nonce: Zeroizing<String>,
}

impl FlowSecrets {
    pub(super) fn seal(&self, state: &State, binding: &Binding) -> Result<Vec<u8>, Error> {
        let plain = Plain {
            code_verifier: Zeroizing::new(self.code_verifier.expose_secret().to_owned()),
            nonce: Zeroizing::new(self.nonce.secret().expose_secret().to_owned()),
        };
        let mut text = serde_json::to_vec(&plain).map_err(|e| Error::corrupt(FIELD, e))?;
        cipher(state, binding)?
            .seal_in_place_append_tag(nonce(), Aad::empty(), &mut text)
            .map_err(|_| Error::corrupt(FIELD, "too long to seal"))?;
        Ok(text)
    }

    pub(super) fn open(sealed: &[u8], state: &State, binding: &Binding) -> Result<Self, Error> {
        let unsealable = || Error::Unsealable { field: FIELD };
        let mut text = Zeroizing::new(sealed.to_vec());
        let opened = cipher(state, binding)?
            .open_in_place(nonce(), Aad::empty(), &mut text)
            .map_err(|_| unsealable())?;
        let plain: Plain = serde_json::from_slice(opened).map_err(|_| unsealable())?;
        Ok(Self {
            code_verifier: SecretString::from(plain.code_verifier.as_str()),
            nonce: plain.nonce.as_str().into(),
        })
    }
}

/// A constant nonce is safe here, because each key comes from a fresh 256-bit `state` and seals once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn cipher(state: &State, binding: &Binding) -> Result<LessSafeKey, Error> {
    let salt = Salt::new(HKDF_SHA256, binding.secret().expose_secret().as_bytes());
    let secret = salt.extract(state.secret().expose_secret().as_bytes());
    secret
        .expand(&[b"ado-connect authorization request 1"], &AES_256_GCM)
        .map(|okm| LessSafeKey::new(UnboundKey::from(okm)))
        .map_err(|_| Error::corrupt(FIELD, "no key could be derived"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_same_state_and_the_same_browser_open_it() {
        let secrets = FlowSecrets { code_verifier: "verifier".into(), nonce: "n-1".into() };
        let (state, binding): (State, Binding) = ("state".into(), "cookie".into());
        let sealed = secrets.seal(&state, &binding).unwrap();
        assert!(!sealed.windows(8).any(|bytes| bytes == b"verifier"));
        let opened = FlowSecrets::open(&sealed, &state, &binding).unwrap();
        assert_eq!(opened.code_verifier.expose_secret(), "verifier");
        assert_eq!(opened.nonce.secret().expose_secret(), "n-1");
        assert!(FlowSecrets::open(&sealed, &"other".into(), &binding).is_err());
        assert!(FlowSecrets::open(&sealed, &state, &"other".into()).is_err());
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            assert!(FlowSecrets::open(&altered, &state, &binding).is_err());
        }
    }
}
