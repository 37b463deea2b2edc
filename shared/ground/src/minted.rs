//! Secrets that we mint: each kind is a type of its own, so that none can take the place of another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Returns a fresh secret: 256 random bits as 43 characters of base64url.
pub fn mint(rng: &mut (impl CryptoRng + ?Sized)) -> SecretString {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut());
    SecretString::from(URL_SAFE_NO_PAD.encode(*bytes))
}

/// Defines a kind of minted secret. Never printed; wiped from memory.
#[macro_export]
macro_rules! minted_secret {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[derive(Debug, Clone)]
        pub struct $name(::secrecy::SecretString);

        impl $name {
            /// Returns a fresh one: 256 random bits as 43 characters of base64url.
            pub fn mint(rng: &mut (impl ::rand::CryptoRng + ?Sized)) -> Self {
                Self($crate::minted::mint(rng))
            }

            /// Returns the secret itself.
            pub fn secret(&self) -> &::secrecy::SecretString {
                &self.0
            }
        }

        impl From<::secrecy::SecretString> for $name {
            fn from(secret: ::secrecy::SecretString) -> Self {
                Self(secret)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use zeroize::ZeroizeOnDrop;

    use crate::random::Random;

    crate::minted_secret! {
        /// A kind of secret.
        Sample
    }

    #[test]
    fn a_minted_secret_is_not_printed_and_is_wiped_on_drop() {
        fn is_wiped<T: ZeroizeOnDrop>(_: &T) {}
        let sample = Sample::mint(&mut Random::System);
        assert!(!format!("{sample:?}").contains(sample.secret().expose_secret()));
        is_wiped(sample.secret());
    }
}
