//! The app's trust in tokens of AWS.

use emulators::Entra;
use emulators::entra::{DEFAULT_CLIENT_ID, FederatedCredential};
use local::sts;

/// Makes the app trust only this subject of AWS, and leaves it no secret.
pub fn trust_only(entra: &Entra, subject: &str) {
    let credential = FederatedCredential {
        issuer: sts::ISSUER.to_owned(),
        subject: subject.to_owned(),
        audience: "api://AzureADTokenExchange".to_owned(),
        public_key_pem: sts::public_key_pem().to_owned(),
    };
    let changed = entra.change_app(DEFAULT_CLIENT_ID, |app| {
        app.secrets.clear();
        app.federated_credentials = vec![credential];
    });
    changed.unwrap();
}
